"""Keeps the standing of each reversible entry, in the transaction of the reversing entry.

The row of the original is the last lock of a reversal: booking, invoice and payment come
first. Under it the step is checked, numbered and added up, so that of concurrent reversals the
one that would exceed the amount is refused, and rolled back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from django.db.models import Func, QuerySet

from events import recorder
from events.domain.texts import shortened
from ledger.domain import reversals as rules
from ledger.domain.action import moment
from ledger.domain.approval import ApprovalStatus
from ledger.domain.reversals import (
    Declaration,
    Outcome,
    ReversalKind,
    Standing,
    State,
    Step,
    StepKind,
    Undoing,
)
from ledger.models import Approval, ReversalStanding

_EVENTS: Final = {
    StepKind.REQUESTED: "ledger.reversal.requested",
    StepKind.BEGUN: "ledger.reversal.begun",
    StepKind.SETTLED: "ledger.reversal.completed",
    StepKind.COMPLETED: "ledger.reversal.completed",
    StepKind.RETURNED: "ledger.reversal.failed",
    StepKind.FAILED: "ledger.reversal.failed",
    StepKind.EXPIRED: "ledger.reversal.expired",
    StepKind.WITHDRAWN: "ledger.reversal.withdrawn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedStep:
    """A step that the standing of its original allows, under the lock that keeps it so."""

    undoing: Undoing
    before: Standing
    outcome: Outcome | None
    currency: str
    approval_id: UUID | None

    def for_body(self) -> dict[str, Any]:
        """Return what the entry of the step says about it."""
        return {
            "reverses_id": str(self.undoing.of),
            "reversal_step": self.undoing.step.value,
            "reversal_number": self.before.steps + 1,
            "reversal_outcome": self.outcome.value if self.outcome else "",
            "reversed_cents": self.undoing.amount_cents or 0,
        }


def lock(entry_ids: Iterable[UUID]) -> None:
    """Lock the standings of several originals, in the one order in which that is done."""
    rows = ReversalStanding.objects.select_for_update(of=("self",)).filter(pk__in=set(entry_ids))
    list(rows.order_by("pk").values_list("pk"))


def take(undoing: Undoing, *, at: datetime, approval_id: UUID | None = None) -> AllowedStep:
    """Lock the standing of the original and check that the step may be taken now.

    `approval_id` is the approval that the entry of the step refers to.

    :raises ReversalRefused: as `rules.check_step` says.
    """
    row = ReversalStanding.objects.select_for_update().filter(entry=undoing.of).first()
    before = Standing(state=State.NOT_REVERSIBLE) if row is None else standing_of(row)
    rules.check_step(undoing.of, before, undoing, at=at)
    return AllowedStep(
        undoing=undoing,
        before=before,
        outcome=rules.outcome_of(before, undoing),
        currency=row.currency if row else "",
        approval_id=approval_id,
    )


def store(taken: AllowedStep, *, entry_id: UUID, at: datetime) -> None:
    """Store the standing after a step, which the entry `entry_id` records, and emit its event."""
    undoing = taken.undoing
    step = Step(
        entry_id=entry_id,
        kind=undoing.step,
        at=at,
        outcome=taken.outcome,
        amount_cents=undoing.amount_cents or 0,
        approval_id=taken.approval_id,
    )
    after = rules.evolve(taken.before, step)
    ReversalStanding.objects.filter(entry=undoing.of).update(**columns_of(after))
    recorder.emit(
        _EVENTS[undoing.step],
        {
            "entryId": str(undoing.of),
            "reversalId": str(entry_id),
            "state": after.state.value,
            "outcome": taken.outcome.value if taken.outcome else None,
            "amountCents": undoing.amount_cents,
            "currency": taken.currency or None,
        },
        stream=("reversal", str(undoing.of)),
        event_id=f"evt_reversal_{entry_id}",
    )


def entry_of(target_type: str, target_id: str) -> UUID | None:
    """Return the newest entry about a target that can be undone; None if there is none."""
    rows = ReversalStanding.objects.filter(
        entry__target_type=target_type, entry__target_id=target_id
    )
    return rows.order_by("-entry").values_list("entry", flat=True).first()


def unused_requests(*, at: datetime) -> QuerySet[Approval, UUID]:
    """Return the approvals that a reversal still waits for although they have expired by `at`."""
    # Index ledger_standings_with_requests.
    waiting = ReversalStanding.objects.exclude(requests=[])
    asked = waiting.annotate(asked=Func("requests", function="unnest")).values("asked")
    over = Approval.objects.filter(
        pk__in=asked, status=ApprovalStatus.APPROVED.value, expires_at__lte=at
    )
    return over.order_by("expires_at").values_list("pk", flat=True)


def declared_columns(declared: Declaration | None) -> dict[str, Any]:
    """Return what an entry says about its own undoing."""
    if declared is None:
        return {}
    return {
        "reversal_kind": declared.kind.value,
        "reversal_command_id": declared.command,
        "reversal_command_version": declared.version,
        "reversal_why": shortened(declared.why, rules.WHY_CHARS_MAX),
        "reversal_follow_ups": list(declared.follow_ups),
        "reversal_until": declared.until and moment(declared.until),
        "reversal_amount_cents": declared.amount_cents,
        "reversal_currency": declared.currency,
    }


NO_REVERSAL: Final[dict[str, Any]] = {
    "reversal_kind": ReversalKind.NONE.value,
    "reversal_command_id": "",
    "reversal_command_version": None,
    "reversal_why": "",
    "reversal_follow_ups": [],
    "reversal_until": None,
    "reversal_amount_cents": None,
    "reversal_currency": "",
    "reverses_id": None,
    "reversal_step": "",
    "reversal_number": None,
    "reversal_outcome": "",
    "reversed_cents": 0,
}
"""The columns of an entry that neither can be undone nor undoes anything."""

INSERT: LiteralString = """
, standing AS (
  INSERT INTO ledger_reversalstanding (entry_id, state, amount_cents, currency, until)
  SELECT id, 'available', %(reversal_amount_cents)s, %(reversal_currency)s, %(reversal_until)s
    FROM entry WHERE %(reversal_kind)s <> 'none'
)
"""
"""What writes the standing of a new entry, in the statement that writes the entry."""


def standing_of(row: ReversalStanding) -> Standing:
    """Return what a row says."""
    return Standing(
        state=State(row.state),
        outcome=Outcome(row.outcome) if row.outcome else None,
        amount_cents=row.amount_cents,
        done_cents=row.done_cents,
        running=row.running,
        running_cents=row.running_cents,
        until=row.until,
        expired_at=row.expired_at,
        reversed_by=row.reversed_by_id,
        requests=tuple(row.requests),
        steps=row.steps,
    )


def columns_of(standing: Standing) -> dict[str, Any]:
    """Return the columns that keep a standing."""
    return {
        "state": standing.state.value,
        "outcome": standing.outcome.value if standing.outcome else "",
        "amount_cents": standing.amount_cents,
        "done_cents": standing.done_cents,
        "running": standing.running,
        "running_cents": standing.running_cents,
        "until": standing.until,
        "expired_at": standing.expired_at,
        "reversed_by_id": standing.reversed_by,
        "requests": list(standing.requests),
        "steps": standing.steps,
    }
