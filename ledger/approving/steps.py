"""Each step of an approval's life: row, entry and event, in the caller's transaction."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from events import context, recorder, store
from events.domain.context import EventContext
from events.domain.principal import Principal, PrincipalKind
from events.domain.times import rfc3339
from events.ids import new_id
from ledger import capabilities, entries
from ledger.access import delegations
from ledger.domain import approval as rules
from ledger.domain.action import (
    EXECUTED,
    UNKNOWN_TARGET,
    Authority,
    Idempotency,
    Kind,
    Status,
    Target,
)
from ledger.domain.approval import Approval as State
from ledger.domain.approval import ApprovalNotFound, ApprovalStatus, Bound, OnExpiry
from ledger.domain.capability import Risk
from ledger.domain.reversals import StepKind, Undoing
from ledger.domain.validation import Granted
from ledger.entries import EntryDraft
from ledger.models import Approval, Entry, Mutation, ReversalStanding
from ledger.privacy import name_screening

DECIDE: Final = "approval.decide"
REQUEST: Final = "approval.request"
EXPIRY: Final = Principal(kind=PrincipalKind.SYSTEM, id="approval-expiry")
"""Who ends what nobody has decided in time."""

_DECISIONS = [Kind.APPROVE.value, Kind.REJECT.value]
_STATUS_OF_ENTRY = {
    ApprovalStatus.APPROVED: Status.APPROVED,
    ApprovalStatus.DENIED: Status.DENIED,
    ApprovalStatus.EXPIRED: Status.EXPIRED,
    ApprovalStatus.CANCELLED: Status.CANCELLED,
    ApprovalStatus.SUPERSEDED: Status.SUPERSEDED,
}
_SAID_OF = {
    ApprovalStatus.APPROVED: "decided",
    ApprovalStatus.DENIED: "decided",
    ApprovalStatus.EXPIRED: "expired",
    ApprovalStatus.CANCELLED: "cancelled",
    ApprovalStatus.SUPERSEDED: "superseded",
}


def stream_of(approval_id: object) -> tuple[str, str]:
    """Return the stream in which the life of an approval is recorded."""
    return ("approval", str(approval_id))


def locked(approval_id: UUID) -> Approval:
    """Return an approval, locked until commit. This lock comes before all others.

    :raises ApprovalNotFound: if there is none.
    """
    # The lock of its stream, not of its row: advisory locks come before row locks.
    store.lock([stream_of(approval_id)])
    row = Approval.objects.select_related("policy", "assigned_group").filter(pk=approval_id)
    found = row.first()
    if found is None:
        raise ApprovalNotFound(approval_id)
    return found


def state_of(row: Approval) -> State:
    """Return an approval as the rules see it."""
    approving = row.votes.filter(decision=rules.Decision.APPROVE.value)
    return State(
        id=str(row.pk),
        status=ApprovalStatus(row.status),
        risk=Risk(row.risk),
        quorum=row.quorum,
        expires_at=row.expires_at,
        chain=frozenset(row.chain),
        humans=frozenset(row.humans),
        requested_by=row.requested_by,
        approved_by=frozenset(approving.values_list("human", flat=True)),
        assigned_to=str(row.assigned_to_id or ""),
        assigned_group=row.assigned_group.name if row.assigned_group else "",
        on_expiry=OnExpiry(row.on_expiry),
    )


def execution_of(approval_id: UUID) -> Entry | None:
    """Return the entry of the execution under an approval; None if there is none yet."""
    done = Entry.objects.filter(approval_id=approval_id, status__in=EXECUTED)
    return done.exclude(action_kind__in=_DECISIONS).first()


def undone_by(row: Approval) -> UUID | None:
    """Return the id of the entry that an approval is a request to undo; None if of none."""
    request = Mutation.objects.filter(
        pk=row.requested_entry_id, reversal_step=StepKind.REQUESTED.value
    )
    return request.values_list("reverses_id", flat=True).first()


def granted_by(row: Approval) -> Granted:
    """Return what an approval covers, as the checks before an execution see it."""
    return Granted(
        id=str(row.pk),
        status=ApprovalStatus(row.status),
        expires_at=row.expires_at,
        fingerprint=row.fingerprint,
        assigned_to=str(row.assigned_to_id or ""),
        decided_by=frozenset(row.votes.values_list("human", flat=True)),
        is_executed=execution_of(row.pk) is not None,
        bound=Bound(
            action=row.action_name,
            version=row.action_version,
            target_type=row.target_type,
            target_id="" if row.target_id == UNKNOWN_TARGET else row.target_id,
            route=row.route_or_tool_name,
            principal=row.requested_by,
            organization=row.organization_id,
            capability=row.capability_id,
            capability_version=row.capability_version,
            risk=row.risk,
            policy=row.policy_name,
            policy_version=row.policy_version,
            reason_code=row.reason_code,
            key=row.idempotency_key,
            undoes=str(undone_by(row) or ""),
        ),
    )


def expire_if_over(row: Approval) -> bool:
    """Expire a locked approval if its time has passed; return whether it has."""
    at = timezone.now()
    state = state_of(row)
    if state.status is not ApprovalStatus.PENDING or not rules.is_over(state, at=at):
        return False
    with context.acting(EXPIRY, correlation_id=row.correlation_id):
        end(row, rules.expire(state, at=at).status, summary="Nobody decided in time.")
    return True


def end(
    row: Approval,
    status: ApprovalStatus,
    *,
    summary: str,
    comment: str = "",
    entry_id: UUID | None = None,
) -> None:
    """Record how a locked approval ends: its row, an entry of the current principal, an event.

    An approval that is denied because its time is over is reported as expired: nobody said no.
    If it was requested to undo something, then unless it is approved that request has ended, too.
    """
    is_by_time = context.current().principal == EXPIRY
    row.status = status.value
    row.decided_at = timezone.now()
    row.save(update_fields=["status", "decided_at"])
    kind = Kind.APPROVE if status is ApprovalStatus.APPROVED else Kind.REJECT
    key = Idempotency(scope=f"{row.pk}:decision", key=status.value)
    note(
        row,
        kind=kind,
        status=_STATUS_OF_ENTRY[status],
        summary=summary,
        comment=comment,
        idempotency=key,
        risk=Risk.CRITICAL if status is ApprovalStatus.APPROVED else Risk.HIGH,
        undoing=None if status is ApprovalStatus.APPROVED else _withdrawal(row),
        entry_id=entry_id,
    )
    emit_event("expired" if is_by_time else _SAID_OF[status], row)


def lapse(row: Approval) -> bool:
    """Record that a locked approval was not used in time to undo what it was requested for.

    Its status stays approved, but nothing can be executed under it any more. Return whether there
    was anything to record.
    """
    at = timezone.now()
    undoing = _withdrawal(row)
    is_over = row.status == ApprovalStatus.APPROVED and row.expires_at <= at
    if undoing is None or not is_over or execution_of(row.pk) is not None:
        return False
    waiting = ReversalStanding.objects.filter(entry=undoing.of, requests__contains=[row.pk])
    if not waiting.exists():
        return False
    with context.acting(EXPIRY, correlation_id=row.correlation_id):
        note(
            row,
            kind=Kind.UPDATE,
            status=Status.EXPIRED,
            summary="Approved, and not used in time.",
            idempotency=Idempotency(scope=f"{row.pk}:decision", key="lapsed"),
            undoing=undoing,
        )
    return True


def note(  # noqa: PLR0913 (one argument per part of an entry)
    row: Approval,
    *,
    kind: Kind,
    status: Status,
    summary: str,
    comment: str = "",
    idempotency: Idempotency | None = None,
    risk: Risk = Risk.HIGH,
    undoing: Undoing | None = None,
    entry_id: UUID | None = None,
) -> None:
    """Append the entry of a step, caused by the request."""
    about = Target(type=row.target_type, id=row.target_id)
    name_screening.check_text(about, comment, field="comment")
    happened = caused_by(context.current(), row.requested_entry_id)
    capability = capabilities.get(DECIDE)
    draft = EntryDraft(
        id=entry_id or new_id(),
        occurred_at=timezone.now(),
        name=DECIDE,
        version=1,
        kind=kind,
        status=status,
        target=Target(type="approval", id=str(row.pk)),
        authority=Authority(
            capability=capability.id, version=capability.version, risk=risk, source="approval"
        ),
        happened=happened,
        reason=comment,
        summary=summary,
        approval_id=row.pk,
        idempotency=idempotency,
        mandate=delegations.mandate_of(happened.principal),
        undoing=undoing,
    )
    entries.append(draft)


def _withdrawal(row: Approval) -> Undoing | None:
    of = undone_by(row)
    return None if of is None else Undoing(of=of, step=StepKind.WITHDRAWN)


def emit_event(what: str, row: Approval, **more: Any) -> None:
    """Append an event of an approval, for the inbox and for subscribers."""
    recorder.emit(
        f"ledger.approval.{what}",
        {**facts_of(row), **more},
        stream=stream_of(row.pk),
        # Once each; votes and delegations may come several times.
        event_id=None if more else f"evt_approval_{what}_{row.pk}",
    )


def facts_of(row: Approval) -> Mapping[str, Any]:
    """Return the data that every event of an approval has: no personal values, no input."""
    return {
        "approvalId": str(row.pk),
        "status": row.status,
        # The log keeps it for good: what somebody wrote as a title stands with the approval only.
        "title": row.title if row.fingerprint else f"Leave for {row.target_type} {row.target_id}",
        "actionName": row.action_name,
        "targetType": row.target_type,
        "targetId": row.target_id,
        "reference": row.reference,
        "requestedBy": row.requested_by,
        "risk": row.risk,
        "policy": f"{row.policy_name}@v{row.policy_version}",
        "quorum": row.quorum,
        "assignedTo": str(row.assigned_to_id) if row.assigned_to_id else None,
        "assignedGroup": row.assigned_group.name if row.assigned_group else None,
        "execute": row.execute,
        "expiresAt": rfc3339(row.expires_at),
    }


def caused_by(happened: EventContext, entry_id: UUID) -> EventContext:
    """Return the context with an entry as the cause."""
    return replace(happened, causation_id=str(entry_id))


def assign(row: Approval, to: User, *, by: str) -> None:
    """Record that an approval was delegated to another user."""
    row.assigned_to = to
    row.delegated_from = by
    row.save(update_fields=["assigned_to", "delegated_from"])


def hand_back(row: Approval) -> None:
    """Clear the delegate, who has decided or cannot: what is missing is open to everybody else."""
    if row.assigned_to is not None:
        row.assigned_to = None
        row.delegated_from = ""
        row.save(update_fields=["assigned_to", "delegated_from"])


def is_due(row: Approval, *, at: datetime) -> bool:
    """Return whether an approval is open although its time has passed."""
    return row.status == ApprovalStatus.PENDING and row.expires_at <= at
