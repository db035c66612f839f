"""Personal data at rest: sealed with AES-256-GCM, bound to the row that it belongs to.

A sealed value names its key, so that keys can change: the first of `COMMERCE_DATA_KEYS`
seals, all of them open. A value moved to another row does not open.
"""

import base64
import hashlib
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from commerce import conf

KEY_BYTES = 32
_NAME_BYTES = 4
_NONCE_BYTES = 12


class SealBroken(Exception):
    """A sealed value was changed, moved, or sealed with a key that is gone. Not a refusal."""


def seal(value: dict[str, Any], *, of: str) -> bytes:
    """Return `value` so that only the row named `of` can show it."""
    name, key = _keys()[0]
    nonce = os.urandom(_NONCE_BYTES)
    text = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    return name + nonce + AESGCM(key).encrypt(nonce, text, of.encode())


def unseal(sealed: bytes | memoryview, *, of: str) -> dict[str, Any]:
    """Return what `seal` was given.

    :raises SealBroken: if it was changed or moved, or its key is not among ours.
    """
    sealed = bytes(sealed)
    name, rest = sealed[:_NAME_BYTES], sealed[_NAME_BYTES:]
    key = dict(_keys()).get(name)
    if key is None:
        raise SealBroken(f"The key that sealed the data of {of} is not in COMMERCE_DATA_KEYS.")
    try:
        text = AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], of.encode())
    except InvalidTag as error:
        raise SealBroken(f"The data of {of} does not open.") from error
    value: dict[str, Any] = json.loads(text)
    return value


def decode_key(text: str) -> bytes:
    """Read a key: 32 bytes in base64.

    :raises ImproperlyConfigured: if it is anything else.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ImproperlyConfigured("COMMERCE_DATA_KEYS holds keys in base64.") from error
    if len(key) != KEY_BYTES:
        raise ImproperlyConfigured(f"A key of COMMERCE_DATA_KEYS has {KEY_BYTES} bytes.")
    return key


def _keys() -> list[tuple[bytes, bytes]]:
    keys = [decode_key(text) for text in conf.data_keys()] or [_derived()]
    return [(hashlib.sha256(key).digest()[:_NAME_BYTES], key) for key in keys]


def _derived() -> bytes:
    """Make a key of SECRET_KEY, for demonstrations: `check --deploy` asks for a real one."""
    hkdf = HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=b"commerce personal")
    return hkdf.derive(settings.SECRET_KEY.encode())
