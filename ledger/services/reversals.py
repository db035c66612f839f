"""Executes reversals through ordinary services, and records their outcome.

The reversal is the transaction of that service: its change, its entry and the standing of the
original commit together. A failed attempt is recorded by an entry of its own, afterwards.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from events import context
from events.domain.errors import (
    Conflict,
    DomainError,
    Forbidden,
    PreconditionFailed,
    Rejected,
    Unavailable,
)
from events.domain.principal import SYSTEM
from ledger import recording
from ledger.access.authority import Caller
from ledger.approving import reference
from ledger.approving.gate import ApprovalRequired
from ledger.approving.reference import ApprovalNotNeeded
from ledger.domain.action import Action, Kind, Status, Target
from ledger.domain.approval import ApprovalNotFound
from ledger.domain.capability import CapabilityMissing
from ledger.domain.policy import PolicyMissing
from ledger.domain.reversals import Outcome, ReversalRefused, State, StepKind, Undoing
from ledger.domain.validation import NotCovered
from ledger.entries import ActionInProgress, ActionKeyReused, ActionRepeated
from ledger.idempotency import RequestInProgress
from ledger.models import Approval, Entry, Mutation, ReversalStanding
from ledger.reversing import previews, rebuilding, reversal_context
from ledger.reversing.previews import EntryNotFound, Preview

EXPIRED_MAX: Final = 500
"""So many windows are closed per pass; the next pass continues."""

_NO_ATTEMPT = (
    Forbidden,
    ReversalRefused,
    ActionRepeated,
    ActionInProgress,
    ActionKeyReused,
    RequestInProgress,
    # Asked for, or not given yet: nothing was attempted, and its entry is there already.
    ApprovalNotFound,
    ApprovalNotNeeded,
    NotCovered,
    PolicyMissing,
)

_IDLE = (StepKind.REQUESTED, StepKind.WITHDRAWN, StepKind.FAILED, StepKind.EXPIRED)
"""Steps that changed nothing."""


class ReversalPreviewStale(Conflict):
    code = "reversal_preview_stale"
    hint = "Read the preview again, and decide again."

    def __init__(self, entry_id: UUID) -> None:
        super().__init__(
            "The effects of the reversal have changed since the preview.",
            entry_id=str(entry_id),
        )


class ReversalChangedNothing(Rejected):
    code = "reversal_changed_nothing"
    hint = "See the target: it is in that state already."

    def __init__(self, entry_id: UUID) -> None:
        super().__init__("There was nothing left to undo.", entry_id=str(entry_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversed:
    """The result of a reversal: its entry, and the standing of the original."""

    entry_id: UUID
    reversal_id: UUID
    state: State
    outcome: Outcome | None


def execute_reversal(
    *,
    entry_id: UUID,
    token: str,
    reason: str,
    caller: Caller,
    command: str = "",
    amount_cents: int | None = None,
) -> Reversed:
    """Undo the action of an entry, exactly as the preview with `token` showed.

    :raises EntryNotFound: if there is no such entry.
    :raises ReversalRefused: if it cannot be undone, with its reason and what can be done instead.
    :raises PolicyMissing: if it needs an approval, and no policy in force covers it.
    :raises ReversalPreviewStale: if the effects would differ from the preview.
    :raises CapabilityMissing: if `caller` lacks the capability of the command.
    :raises ApprovalRequired: if somebody else has to approve first; the request is recorded.
    :raises DomainError: if the service refuses; the attempt is recorded.
    """
    preview = previews.preview(entry_id, command=command, asked_cents=amount_cents, reason=reason)
    if preview.refusal is not None:
        raise preview.refusal
    if preview.token != token:
        raise ReversalPreviewStale(entry_id)
    _demand(preview, caller)
    try:
        reversal_id = _run(preview)
    except PreconditionFailed as moved:
        # Somebody was between the look and the lock: as stale as if it had come sooner.
        raise ReversalPreviewStale(entry_id) from moved
    except _NO_ATTEMPT:
        raise
    except (Rejected, Conflict) as refusal:
        now = previews.preview(entry_id, command=command, asked_cents=amount_cents, reason=reason)
        if now.token != token:
            raise ReversalPreviewStale(entry_id) from refusal
        _note_failure(preview, reason, refusal)
        raise
    except Exception as error:
        _note_failure(preview, reason, error)
        raise
    return _reversed(entry_id, reversal_id)


def request_reversal(*, entry_id: UUID, reason: str, command: str = "") -> Approval:
    """Request approval to undo an entry, as the current principal. Nothing is executed.

    :raises EntryNotFound, ReversalRefused, PolicyMissing: as `execute_reversal` does.
    :raises ApprovalNotNeeded: if no approval is needed.
    """
    preview = previews.preview(entry_id, command=command, reason=reason)
    if preview.refusal is not None:
        raise preview.refusal
    assert preview.command is not None
    with reference.only_asking():
        try:
            _run(preview)
        except ApprovalRequired as required:
            return required.approval
    raise ApprovalNotNeeded(preview.command.name)


def last_reversal_of(*, entry_id: UUID) -> Reversed:
    """Return the last step of an entry's reversal, and its current standing.

    :raises EntryNotFound: if there is no such step.
    """
    steps = Mutation.objects.filter(reverses=entry_id).exclude(reversal_step__in=_IDLE)
    last = steps.order_by("-reversal_number").first()
    if last is None:
        raise EntryNotFound(entry_id)
    return _reversed(entry_id, last.pk)


def expire_reversals() -> int:
    """Close the windows whose end has passed, each with an entry; return how many."""
    closed = 0
    with context.acting(SYSTEM):
        for entry_id in _due().order_by("until").values_list("pk", flat=True)[:EXPIRED_MAX]:
            closed += _expire(entry_id)
    return closed


def rebuild_reversals(*, dry_run: bool = False) -> list[str]:
    """Rebuild the standings from the entries; return the differences found, as sentences."""
    with transaction.atomic(durable=True):
        return rebuilding.rebuild(repairs=not dry_run)


def _reversed(entry_id: UUID, reversal_id: UUID) -> Reversed:
    row = ReversalStanding.objects.get(entry=entry_id)
    return Reversed(
        entry_id=entry_id,
        reversal_id=reversal_id,
        state=State(row.state),
        outcome=Outcome(row.outcome) if row.outcome else None,
    )


def _demand(preview: Preview, caller: Caller) -> None:
    command = preview.command
    assert command is not None
    if caller.holds(command.capability, command.object_of(preview.original)):
        return
    # Not `caller.demand`: it knows no target where there is no object, and the entry has one.
    why = CapabilityMissing(command.capability)
    recording.record_denial(command.capability, target_id=preview.entry.target_id, why=why)
    raise why


def _run(preview: Preview) -> UUID:
    command, plan = preview.command, preview.plan
    assert command is not None
    assert plan is not None
    # The second part of an undoing follows from the first: so they chain.
    cause = preview.standing.reversed_by or preview.entry.pk
    undoing = preview.undoing(StepKind.COMPLETED)
    reason = preview.original.reason
    with context.caused_by(str(cause)), reversal_context.during(undoing, reason=reason) as ongoing:
        command.run(preview.original, plan)
    if ongoing.entry_id is None:
        raise ReversalChangedNothing(preview.entry.pk)
    return ongoing.entry_id


def _note_failure(preview: Preview, reason: str, error: Exception) -> None:
    code = "internal_error"
    if isinstance(error, DomainError):
        if not isinstance(error, Rejected | Conflict | Unavailable):
            return  # It was not attempted: the request makes no sense.
        code = error.code
    assert preview.command is not None
    action = _action("reversal.execute", preview.entry, reason=reason)
    with context.caused_by(str(preview.entry.pk)):
        recording.record_step(
            action,
            Status.FAILED,
            f"{preview.command.name} failed: {code}",
            preview.undoing(StepKind.FAILED),
        )


def _due() -> QuerySet[ReversalStanding]:
    return ReversalStanding.objects.filter(
        until__lte=timezone.now(),
        expired_at=None,
        state__in=[State.AVAILABLE, State.FAILED, State.REQUESTED],
    )


def _expire(entry_id: UUID) -> bool:
    with transaction.atomic(durable=True):
        row = (
            # Asked again: it may have been undone, or closed by another sweep, since the look.
            _due()
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("entry")
            .filter(pk=entry_id)
            .first()
        )
        if row is None:
            return False
        recording.record_step_in_transaction(
            _action("reversal.expire", row.entry),
            Status.EXPIRED,
            "It can no longer be undone.",
            Undoing(of=entry_id, step=StepKind.EXPIRED),
        )
    return True


def _action(name: str, entry: Entry, *, reason: str = "") -> Action:
    return Action(
        name=name,
        kind=Kind.REVERSE,
        target=Target(type=entry.target_type, id=entry.target_id),
        capability="ledger.reverse",
        reason=reason,
    )
