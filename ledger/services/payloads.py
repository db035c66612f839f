"""Redacts payloads of entries. Each redaction is an action of its own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from events import context
from events.domain.errors import Conflict, NotFound, Rejected
from events.domain.principal import SYSTEM
from ledger import recording
from ledger.domain.action import Action, Kind, Proof, Target
from ledger.domain.payload import RETENTIONS, Redaction, masked
from ledger.erasing import erasure
from ledger.models import LegalHold, Payload, SubjectKey
from ledger.privacy import payloads

EXPIRED_PER_PASS = 500

Asked = Mapping[str, Any] | None


class PayloadUnknown(NotFound):
    code = "payload_unknown"

    def __init__(self, payload_id: UUID) -> None:
        super().__init__(f"There is no payload {payload_id}.", payload_id=str(payload_id))


class PayloadAlreadyGone(Conflict):
    code = "payload_already_gone"
    hint = "Its content was removed before; its entry says when."

    def __init__(self, payload: Payload) -> None:
        super().__init__(
            "Its content was removed before.",
            payload_id=str(payload.pk),
            redaction=payload.redaction,
        )


class RedactionNotPossible(Rejected):
    code = "redaction_not_possible"
    hint = "Mask it (redacted) or remove it (tombstoned); to shred, erase its subject."

    def __init__(self, mode: str) -> None:
        super().__init__(f"A single payload cannot be {mode}.", pointer="/mode", mode=mode)


def redact_payload(
    *, payload_id: UUID, mode: Redaction, reason: str, pointers: Sequence[str] | None = None
) -> Payload:
    """Mask or remove the content of a payload; `pointers` say what to mask (default: by schema).

    :raises PayloadUnknown: if there is no such payload.
    :raises PayloadAlreadyGone: if it has no content any more.
    :raises RedactionNotPossible: if `mode` is neither redacted nor tombstoned.
    :raises SubjectOnHold: if its subject is kept for a court.
    """
    if mode not in {Redaction.REDACTED, Redaction.TOMBSTONED}:
        raise RedactionNotPossible(mode.value)
    asked = {"mode": mode, "pointers": pointers}
    action = _action("ledger.redact_payload", payload_id, reason, asked=asked)
    with recording.recorded(action) as proof:
        erasure.take_turns()
        return _fade(payload_id, mode, proof, at=timezone.now(), pointers=pointers)


def expire_payloads() -> int:
    """Redact payloads whose retention has ended, as their class says; return how many."""
    due = Payload.objects.filter(redaction=Redaction.NONE.value, expires_at__lte=timezone.now())
    # What is kept for a court outlives its retention.
    held = LegalHold.objects.filter(lifted_at=None)
    due = due.exclude(key__subject__in=held.values("subject"))
    ids = list(due.order_by("expires_at").values_list("pk", flat=True)[:EXPIRED_PER_PASS])
    with context.acting(SYSTEM):
        return sum(expire_payload(payload_id=payload_id) for payload_id in ids)


def expire_payload(*, payload_id: UUID) -> bool:
    """Redact one payload unless it is gone or not due; return whether it was redacted."""
    with recording.recorded(_action("ledger.expire_payload", payload_id)) as proof:
        erasure.take_turns()
        at = timezone.now()
        payload = Payload.objects.select_for_update().get(pk=payload_id)
        if payload.redaction != Redaction.NONE.value or payload.expires_at > at:
            proof.changes_nothing()
            return False
        mode = RETENTIONS[payload.retention].then
        if mode is Redaction.CRYPTO_SHREDDED and _shares_its_key(payload):
            # The key lives as long as anything under it; this content goes all the same.
            mode = Redaction.TOMBSTONED
        _fade(payload_id, mode, proof, at=at)
    return True


def _action(name: str, payload_id: UUID, reason: str = "", *, asked: Asked = None) -> Action:
    return Action(
        name=name,
        kind=Kind.UPDATE,
        target=Target(type="payload", id=str(payload_id)),
        capability="ledger.redact_payload",
        reason=reason,
        input=asked or {},
    )


def _fade(
    payload_id: UUID,
    mode: Redaction,
    proof: Proof,
    *,
    at: datetime,
    pointers: Sequence[str] | None = None,
) -> Payload:
    locked = Payload.objects.select_for_update(of=("self",)).select_related("key")
    payload = locked.filter(pk=payload_id).first()
    if payload is None:
        raise PayloadUnknown(payload_id)
    if Redaction(payload.redaction).is_final:
        raise PayloadAlreadyGone(payload)
    if payload.key is not None:
        erasure.check_holds([payload.key.subject])
    if mode is Redaction.CRYPTO_SHREDDED and payload.key is not None:
        erasure.shred_in_transaction(payload.key.subject, proof, at=at)
    else:
        payload.content = None
        if mode is Redaction.REDACTED:
            wanted = pointers if pointers is not None else payloads.personal_in(payload.schema_tag)
            payload.content = _masked(payload_id, wanted)
        payload.redaction = mode.value
        payload.redacted_at = at
        payload.redacted_by_id = proof.entry_id
        payload.save(update_fields=["content", "redaction", "redacted_at", "redacted_by"])
    proof.says(f"{payload.kind} ({payload.schema_tag}) is {mode.value}")
    return Payload.objects.select_related("key").get(pk=payload_id)


def _masked(payload_id: UUID, pointers: Sequence[str] | None) -> bytes:
    whole = Payload.objects.select_related("key").get(pk=payload_id)
    return payloads.reclosed(whole, masked(payloads.content_of(whole), pointers))


def _shares_its_key(payload: Payload) -> bool:
    others = Payload.objects.filter(key=payload.key_id, redaction=Redaction.NONE.value)
    if others.exclude(pk=payload.pk).exists():
        return True
    # Higher apps encrypt with it too: a traveller outlives what one entry said of them.
    keys = SubjectKey.objects.filter(payloads=payload.pk)
    return any(erasure.is_key_in_use(key.subject) for key in keys)
