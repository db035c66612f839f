"""Encryption at rest: AES-256-GCM, bound to the row that the value belongs to.

A sealed value names its key, so that keys can change: the first of a safe seals, all of them
open. A value that was moved elsewhere does not open.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
_NAME_BYTES = 4
_NONCE_BYTES = 12


class SealBroken(Exception):
    """A sealed value was changed, moved, or sealed with a key that is gone. Not a refusal."""


@dataclass(frozen=True, slots=True)
class Safe:
    """The keys that open; the first one seals."""

    keys: tuple[bytes, ...]

    def seal(self, value: bytes, *, of: str) -> bytes:
        """Return `value` so that only what is named `of` can show it."""
        key = self.keys[0]
        nonce = os.urandom(_NONCE_BYTES)
        return _name(key) + nonce + AESGCM(key).encrypt(nonce, value, of.encode())

    def unseal(self, sealed: bytes | memoryview, *, of: str) -> bytes:
        """Return what `seal` was given.

        :raises SealBroken: if it was changed or moved, or its key is not in this safe.
        """
        sealed = bytes(sealed)
        name, rest = sealed[:_NAME_BYTES], sealed[_NAME_BYTES:]
        key = next((key for key in self.keys if _name(key) == name), None)
        if key is None:
            raise SealBroken(f"The key that sealed the data of {of} is not here.")
        try:
            return AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], of.encode())
        except InvalidTag as error:
            raise SealBroken(f"The data of {of} does not open.") from error


def decode_key(text: str, *, setting: str) -> bytes:
    """Read a key: 32 bytes in base64.

    :raises ImproperlyConfigured: if it is anything else.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ImproperlyConfigured(f"{setting} holds keys in base64.") from error
    if len(key) != KEY_BYTES:
        raise ImproperlyConfigured(f"A key of {setting} has {KEY_BYTES} bytes.")
    return key


@cache
def safe_of(texts: tuple[str, ...], *, setting: str) -> Safe:
    """Return the safe whose keys are written in a setting."""
    return Safe(tuple(decode_key(text, setting=setting) for text in texts))


@cache
def derived(secret: str, info: bytes) -> bytes:
    """Make a key of a secret, for demonstrations: `check --deploy` asks for a real one."""
    hkdf = HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info)
    return hkdf.derive(secret.encode())


def mac(key: bytes, info: bytes, value: bytes) -> str:
    """Return the HMAC-SHA-256 of a value, in hex, under a key that is derived from `key`."""
    keyed = _keyed(key, info).copy()
    keyed.update(value)
    return keyed.hexdigest()


@cache
def _keyed(key: bytes, info: bytes) -> hmac.HMAC:
    # OpenSSL takes longer to set a key up than to hash a line.
    return hmac.new(derived(key.hex(), info), digestmod="sha256")


def _name(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:_NAME_BYTES]
