"""Personal data at rest: sealed with the key of the person, bound to the row it belongs to.

What was sealed before persons had keys is sealed with COMMERCE_DATA_KEYS; a migration seals it
anew.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from commerce import conf
from ledger import subjects, vault
from ledger.vault import Safe

SETTING = "COMMERCE_DATA_KEYS"
CONTACT_FIELDS = ("name", "email", "phone")
_INFO = b"commerce personal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Sealed personal data before anybody has looked: what may be in it, and how to open it."""

    fields: tuple[str, ...]
    open: Callable[[], dict[str, Any]]


def seal(value: dict[str, Any], *, subject: str, of: str) -> bytes:
    """Return `value` so that only the row named `of` shows it, until `subject` is forgotten."""
    return subjects.seal(_written(value), subject=subject, of=of)


def unseal(sealed: bytes | memoryview, *, of: str) -> dict[str, Any]:
    """Return what `seal` was given.

    :raises SubjectForgotten: if the person was forgotten.
    :raises SealBroken: if it was changed or moved, or its key is not among ours.
    """
    value: dict[str, Any] = json.loads(subjects.unseal(sealed, of=of))
    return value


def seal_bytes(content: bytes, *, subject: str, of: str) -> bytes:
    """Return `content` so that only the row named `of` shows it, until `subject` is forgotten."""
    return subjects.seal(content, subject=subject, of=of)


def unseal_bytes(sealed: bytes | memoryview, *, of: str) -> bytes:
    """Return what `seal_bytes` was given; raises as `unseal` does."""
    return subjects.unseal(sealed, of=of)


def seal_anew(sealed: bytes | memoryview, *, subject: str, of: str) -> bytes:
    """Return what was sealed with COMMERCE_DATA_KEYS, sealed with the key of the person."""
    return subjects.seal(_safe().unseal(sealed, of=of), subject=subject, of=of)


def seal_as_before(value: dict[str, Any], *, of: str) -> bytes:
    """Return `value` as it was sealed before persons had keys."""
    return _safe().seal(_written(value), of=of)


def envelope(sealed: bytes | memoryview, *, of: str, fields: tuple[str, ...]) -> Envelope:
    """Return what `seal` was given, unopened."""
    return Envelope(fields=fields, open=lambda: unseal(sealed, of=of))


def decode_key(text: str) -> bytes:
    """Read a key: 32 bytes in base64.

    :raises ImproperlyConfigured: if it is anything else.
    """
    return vault.decode_key(text, setting=SETTING)


def _written(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _safe() -> Safe:
    if keys := conf.data_keys():
        return vault.safe_of(keys, setting=SETTING)
    return Safe((vault.derived(settings.SECRET_KEY, _INFO),))
