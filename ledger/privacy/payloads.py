"""Stores and reads the payloads of entries: content, salt, encryption by subject.

Payloads are written in the transaction of the entry. Content about a person is encrypted with
a key of their own; destroying the key makes it unreadable, also in copies.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from events import wire
from events.domain import canonical
from events.domain.errors import NotFound, Rejected
from events.ids import new_id
from ledger.domain.payload import (
    CONTENT_BYTES_MAX,
    SALT_BYTES,
    Kept,
    PayloadKind,
    Redaction,
    commitment,
)
from ledger.models import Payload
from ledger.privacy import subjects, vault

_PERSONAL: dict[str, tuple[str, ...]] = {}


class PayloadTooLarge(Rejected):
    code = "payload_too_large_for_ledger"
    hint = "Record a reference to it instead."

    def __init__(self, kind: str, size_bytes: int) -> None:
        super().__init__(
            f"The {kind} of an action has more than {CONTENT_BYTES_MAX} bytes.",
            kind=kind,
            size_bytes=size_bytes,
        )


class PayloadGone(NotFound):
    code = "payload_gone"
    hint = "The entry, its summary and the digest of the content remain."

    def __init__(self, payload: Payload) -> None:
        super().__init__(
            "The content was taken away.", payload_id=str(payload.pk), redaction=payload.redaction
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A payload that is about to be inserted, and what the entry says of it."""

    row: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.row["kind"])

    @property
    def ref(self) -> str:
        return f"payload:{self.row['id']}"

    def for_body(self) -> dict[str, str]:
        """Return what stands in the body of the entry."""
        return {name: self.row[name] for name in ("kind", "schema_tag", "digest")}


def declare_personal(schema_tag: str, *pointers: str) -> None:
    """Declare where content of this schema holds personal data, so that it can be masked.

    Of a schema that says nothing, every value is masked.
    """
    assert _PERSONAL.get(schema_tag, pointers) == pointers, f"{schema_tag} is declared twice"
    _PERSONAL[schema_tag] = pointers


def personal_in(schema_tag: str) -> tuple[str, ...] | None:
    """Return what `declare_personal` said, None if it said nothing."""
    return _PERSONAL.get(schema_tag)


def prepare(entry_id: UUID, kept: Sequence[Kept], *, at: datetime) -> list[Prepared]:
    """Salt, commit to and seal what an entry of that moment will refer to.

    :raises PayloadTooLarge: if there is too much of it.
    """
    return [_prepared(entry_id, each, at) for each in kept]


def statements(prepared: Sequence[Prepared]) -> list[wire.Statement]:
    """Return what inserts the rows."""
    return [(_INSERT, each.row) for each in prepared]


def content_of(payload: Payload) -> Any:
    """Return the content of a payload; it may have been masked since.

    :raises PayloadGone: if there is none any more.
    """
    return orjson.loads(_opened(payload)[SALT_BYTES:])


def fault_of(payload: Payload) -> str | None:
    """Return what is wrong with a payload; None if nothing is, or nothing is left to look at.

    Of content that was masked the digest does not hold any more: it only has to open, and to
    have lost the salt of the original with it.
    """
    if payload.content is None:
        return None
    if payload.key is not None and payload.key.wrapped is None:
        return f"payload {payload.pk} is sealed with a key that was destroyed, and not marked so"
    try:
        opened = _opened(payload)
    except vault.SealBroken:
        return f"payload {payload.pk} does not open"
    salt, content = opened[:SALT_BYTES], opened[SALT_BYTES:]
    if payload.redaction == Redaction.REDACTED.value:
        lost = salt == bytes(SALT_BYTES)
        return None if lost else f"payload {payload.pk} was masked, and kept its salt"
    whole = commitment(salt, content) == payload.digest
    return None if whole else f"payload {payload.pk} is not what its digest says"


def salt_of(payload: Payload) -> bytes:
    """Return the key of the commitment in the entry, with which the content can be checked.

    :raises PayloadGone: if there is no content any more.
    """
    return _opened(payload)[:SALT_BYTES]


def kept_by(entry_id: UUID, kind: PayloadKind) -> Any:
    """Return the content of this kind that an entry refers to.

    :raises Payload.DoesNotExist: if it refers to none.
    :raises PayloadGone: if there is none any more.
    """
    found = Payload.objects.select_related("key").filter(entry_id=entry_id, kind=kind.value)
    return content_of(found.get())


def reclosed(payload: Payload, content: Any) -> bytes:
    """Return what to store once something was taken away: without the salt of the original."""
    opened = bytes(SALT_BYTES) + canonical.canonical(content)
    key = payload.key
    return opened if key is None else subjects.safe_of(key).seal(opened, of=str(payload.pk))


def _prepared(entry_id: UUID, kept: Kept, at: datetime) -> Prepared:
    payload_id = new_id()
    content = canonical.canonical(kept.content)
    if len(content) > CONTENT_BYTES_MAX:
        raise PayloadTooLarge(kept.kind.value, len(content))
    salt = secrets.token_bytes(SALT_BYTES)
    stored, key_id = salt + content, None
    if kept.subject is not None:
        key = subjects.key_of(kept.subject)
        stored, key_id = subjects.safe_of(key).seal(stored, of=str(payload_id)), key.pk
    return Prepared(
        row={
            "id": payload_id,
            "entry_id": entry_id,
            "kind": kept.kind.value,
            "schema_tag": kept.schema_tag,
            "retention": kept.retention.name,
            "digest": commitment(salt, content),
            "content": stored,
            "key_id": key_id,
            "expires_at": at + kept.retention.keeps,
        }
    )


def _opened(payload: Payload) -> bytes:
    if payload.content is None:
        raise PayloadGone(payload)
    if payload.key is None:
        return bytes(payload.content)
    if payload.key.wrapped is None:
        raise PayloadGone(payload)
    return subjects.safe_of(payload.key).unseal(payload.content, of=str(payload.pk))


_INSERT = """
INSERT INTO ledger_payload
       (id, entry_id, kind, schema_tag, retention, digest, content, key_id, expires_at)
VALUES (%(id)s, %(entry_id)s, %(kind)s, %(schema_tag)s, %(retention)s, %(digest)s, %(content)s,
        %(key_id)s, %(expires_at)s)
"""
