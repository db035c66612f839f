"""Subscribers of flows: approvals that end, slots of schedules, events for starts."""

from events import bus
from events import selectors as log
from workflows.flows.domain.start import slot_of
from workflows.flows.steps import approval_decisions
from workflows.flows.triggers import firing, starts
from workflows.work.domain.claim import Claim
from workflows.work.domain.retry import RetryPolicy
from workflows.work.registry import job

_TEXT = {"type": "string"}

# For our own trouble alone: what happened must not be forgotten because the database was away.
_OURS = RetryPolicy(max_attempts=1_000, base_s=1, factor=2, cap_s=30, jitter=0.2)
_CRASHES_MAX = 1_000

bus.before_commit(
    "ledger.approval.*", approval_decisions.on_approval_ended, only=approval_decisions.is_end
)


@job(
    starts.START,
    capability="flow.start",
    input_schema={
        "type": "object",
        "properties": {"start": _TEXT, "event_id": _TEXT},
        "required": ["start"],
    },
    retry=_OURS,
    crash_budget=_CRASHES_MAX,
)
def start(claim: Claim) -> dict[str, str]:
    """Start the flow of one slot of a cron rule, or of one event."""
    name, event_id = claim.input["start"], claim.input.get("event_id")
    if event_id is not None:
        return firing.start_now(name=name, occasion=event_id, envelope=log.event(event_id))
    schedule = starts.schedule_of(name)
    slot = slot_of(claim.causation_id or "", schedule, otherwise=claim.claimed_at)
    return firing.start_now(name=name, occasion=slot)


@job(
    "flow.withdraw",
    capability="flow.start",
    input_schema={"type": "object", "properties": {"token": _TEXT}, "required": ["token"]},
    retry=_OURS,
    crash_budget=_CRASHES_MAX,
)
def withdraw(claim: Claim) -> None:
    """Withdraw the request for an approval that no flow waits for any more."""
    approval_decisions.withdraw(claim=claim)
