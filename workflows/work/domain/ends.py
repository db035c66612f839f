"""Classifies unsuccessful attempts, and decides what follows. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from workflows.work.domain.life import Budget, State, after_expiry, after_failure
from workflows.work.domain.retry import RetryPolicy


class Outcome(StrEnum):
    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    SNOOZED = "snoozed"
    CANCELLED = "cancelled"
    STALE = "stale"
    """Came too late: another attempt had taken over. On record, without effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is written down about an error: shortened, and without secrets."""

    error_class: str = ""
    error: str = ""
    stack: str = ""


NO_FAILURE = Failure()
WORKER_LOST = Failure(
    error_class="WorkerLost", error="The worker fell silent until its lease ran out."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What one attempt's end does to the work. Cancelled instead, if that was asked for."""

    state: State
    outcome: Outcome
    failure: Failure = NO_FAILURE
    delay_s: float = 0
    keeps_place: bool = False
    """It was not begun: it is due when it was, and not behind all that came since."""
    failed: bool = False
    taken_away: bool = False
    """The lease ran out: its holder may still be alive, so its fence must not hold."""


def failed(
    budget: Budget,
    policy: RetryPolicy,
    *,
    failure: Failure,
    uniform: float,
    permanent: bool = False,
    outcome: Outcome = Outcome.FAILED,
) -> End:
    """Return the end after an error: another try later, or the dead letters."""
    state = after_failure(budget, permanent=permanent)
    delay_s = policy.delay_s(budget.failures + 1, uniform=uniform) if state is State.RETRY else 0
    return End(state=state, outcome=outcome, failure=failure, delay_s=delay_s, failed=True)


def snoozed(after_s: float) -> End:
    """Return the end of an attempt that wants to be asked again."""
    return End(state=State.SCHEDULED, outcome=Outcome.SNOOZED, delay_s=max(0.0, after_s))


def given_back() -> End:
    """Return the end of an attempt that was not begun."""
    return End(state=State.SCHEDULED, outcome=Outcome.SNOOZED, keeps_place=True)


def cancelled() -> End:
    """Return the end of an attempt that obeyed."""
    return End(state=State.CANCELLED, outcome=Outcome.CANCELLED)


def crashed(budget: Budget, *, cancel_requested: bool) -> End:
    """Return the end of an attempt whose worker was lost: at once another, or poison."""
    return End(
        state=after_expiry(budget, cancel_requested=cancel_requested),
        outcome=Outcome.CRASHED,
        failure=WORKER_LOST,
        taken_away=True,
    )
