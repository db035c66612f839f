"""Explains in one sentence why a row of work waits: for what, until when, and what follows."""

from dataclasses import dataclass
from datetime import datetime

from workflows.work.domain.life import State
from workflows.work.models import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """`says`, a moment if there is one that matters, and what comes `after` it."""

    tone: str
    says: str
    at: datetime | None = None
    after: str = ""


def why(job: Work, *, now: datetime, queue: str | None, is_anybody_working: bool) -> Why:
    """Say why `job` is not done, or how it ended.

    `queue` is that of its kind, None if this release has no such kind: then nobody here can
    do it, or retry it. `is_anybody_working` says whether a worker takes from that queue.
    """
    state = State(job.status)
    match state:
        case State.READY | State.SCHEDULED | State.RETRY if queue is None:
            return _unknown(job)
        case State.READY | State.SCHEDULED | State.RETRY:
            if job.due_at > now:
                return _not_due(job, state)
            return _due(job, queue, is_anybody_working=is_anybody_working)
        case State.LEASED:
            return _leased(job, now)
        case State.DEAD | State.POISONED:
            return _dead_letter(job, state, is_kind_known=queue is not None)
        case State.DONE | State.CANCELLED | State.DISCARDED:
            return _finished(job, state)


def _not_due(job: Work, state: State) -> Why:
    if state is not State.RETRY:
        return Why(tone="wait", says="Waiting for its time,", at=job.due_at, after=".")
    failed = f"failed with {job.last_error_class}" if job.last_error_class else "did not end well"
    return Why(
        tone="wait",
        says=f"Attempt {job.attempt} {failed}. {_tries(job)} The next one starts",
        at=job.due_at,
        after=", automatically.",
    )


def _unknown(job: Work) -> Why:
    # Its due time says nothing: each look of a worker puts it off by some seconds.
    return Why(
        tone="bad",
        says=f"This release has no kind of job called {job.kind}. It was enqueued",
        at=job.created_at,
        after=(
            " and waits for a worker of a release that has: start one, or cancel it if none will."
        ),
    )


def _due(job: Work, queue: str | None, *, is_anybody_working: bool) -> Why:
    if is_anybody_working:
        return Why(
            tone="run", says="Due since", at=job.due_at, after="; waiting for a free worker."
        )
    return Why(
        tone="bad",
        says="Due since",
        at=job.due_at,
        after=(
            f", but no worker takes from the queue {queue}. Start one, "
            "or run manage.py sweep --execute."
        ),
    )


def _leased(job: Work, now: datetime) -> Why:
    worker = job.leased_by or "A worker"
    if job.cancel_requested_at:
        return Why(
            tone="wait",
            says=f"{worker} was asked to stop",
            at=job.cancel_requested_at,
            after="; the job ends when the worker stops, or when its lease expires.",
        )
    if job.lease_until and job.lease_until < now:
        return Why(
            tone="bad",
            says=f"{worker} stopped responding. Its lease expired",
            at=job.lease_until,
            after="; the sweeper will hand it to another worker.",
        )
    return Why(
        tone="run",
        says=f"{worker} is running attempt {job.attempt}. Its lease expires",
        at=job.lease_until,
        after=" unless renewed; then another worker takes over.",
    )


def _dead_letter(job: Work, state: State, *, is_kind_known: bool) -> Why:
    if state is State.POISONED:
        says = f"Gave up: {job.crashes} workers died while running it. It stopped"
    else:
        says = f"Gave up after {_count(job.failures, 'failed attempt')}. It stopped"
    after = ". Retry it once the cause is fixed, or discard it."
    if not is_kind_known:
        after = (
            ". This release has no such kind of job, so it cannot be retried here: discard it, "
            "or keep it for a release that has."
        )
    return Why(tone="dead", says=says, at=job.finished_at, after=after)


def _finished(job: Work, state: State) -> Why:
    if state is State.DONE:
        attempts = _count(job.attempt, "attempt")
        return Why(tone="ok", says=f"Done after {attempts},", at=job.finished_at, after=".")
    verb = "Cancelled" if state is State.CANCELLED else "Read and discarded"
    because = f": {job.reason}" if job.reason else "."
    return Why(tone="mute", says=verb, at=job.finished_at, after=because)


def _tries(job: Work) -> str:
    left = job.max_attempts - job.failures
    return f"{_count(left, 'try', 'tries')} left."


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
