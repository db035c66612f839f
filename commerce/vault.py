"""Encryption of personal data at rest: under the person's key, bound to its row."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledger.privacy import subjects

CONTACT_FIELDS = ("name", "email", "phone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Sealed personal data that was not opened yet: its fields, and how to open it."""

    fields: tuple[str, ...]
    open: Callable[[], dict[str, Any]]


def seal(value: dict[str, Any], *, subject: str, of: str) -> bytes:
    """Return `value` so that only the row named `of` shows it, until `subject` is forgotten."""
    written = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    return subjects.seal(written, subject=subject, of=of)


def unseal(sealed: bytes | memoryview, *, of: str) -> dict[str, Any]:
    """Return what `seal` was given.

    :raises SubjectForgotten: if the person was forgotten.
    :raises SealBroken: if it was changed or moved, or its key is missing.
    """
    value: dict[str, Any] = json.loads(subjects.unseal(sealed, of=of))
    return value


def seal_bytes(content: bytes, *, subject: str, of: str) -> bytes:
    """Return `content` so that only the row named `of` shows it, until `subject` is forgotten."""
    return subjects.seal(content, subject=subject, of=of)


def unseal_bytes(sealed: bytes | memoryview, *, of: str) -> bytes:
    """Return what `seal_bytes` was given; raises as `unseal` does."""
    return subjects.unseal(sealed, of=of)


def envelope(sealed: bytes | memoryview, *, of: str, fields: tuple[str, ...]) -> Envelope:
    """Return what `seal` was given, unopened."""
    return Envelope(fields=fields, open=lambda: unseal(sealed, of=of))
