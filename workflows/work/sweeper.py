"""The sweeper: finds due rows whose wake-up was lost, expired leases, and slots of schedules.

It reacts to no message: it polls the tables, at its own pace, in bounded passes. Two sweepers
at once share the work, because each row is locked by one of them.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import DatabaseError, connection

from events import doorbell as wake_ups
from events import failpoints
from workflows.work import conf, doorbell, leases, liveness, registry, runner, schedules, statements
from workflows.work.registry import KindUnknown

logger = logging.getLogger(__name__)

PAUSE_S_MIN = 0.005
"""Timers that are due within it share a pass."""

PROBE_EVERY_S = 10.0
"""How often each queue is asked whether anybody takes from it."""

AFTER_CLAIM = failpoints.declare("sweeper.after_claim")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one pass found."""

    fired: int = 0
    expired: int = 0
    rung: int = 0
    done: int = 0
    is_full: bool = False
    """There was more than one pass may take."""


class Clock:
    """Tells when the clock of the database has leapt: it was set, or its machine slept.

    Then every lease looks as if its worker had let it expire, or as if it never would. Whoever
    lives renews it within the time of a lease; until that has passed, nobody is taken for dead.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: tuple[datetime, float] | None = None
        self._trusted_at = 0.0
        self.was_set_back = False
        """Whether the last look found that it had been set back since the one before."""

    def leapt(self, now: datetime) -> bool:
        """Return whether it has, lately; `now` is what it says."""
        here, lease_s = self._monotonic(), conf.current().lease_s
        self.was_set_back = False
        if self._seen is not None:
            then, seen_at = self._seen
            ahead_s = (now - then).total_seconds() - (here - seen_at)
            if abs(ahead_s) > lease_s / 2:
                logger.warning(
                    "The clock of the database has leapt; no lease is taken away for now.",
                    extra={"ahead_s": round(ahead_s)},
                )
                self._trusted_at = here + lease_s
                self.was_set_back = ahead_s < 0
        self._seen = now, here
        return here < self._trusted_at


_clock = Clock()


def never() -> bool:
    """Return False. The default of `is_stopping`."""
    return False


def sweep(
    *,
    worker: str,
    role: str = "sweeper",
    taken_from: Sequence[str] = (),
    execute: bool = False,
    is_stopping: Callable[[], bool] = never,
) -> Swept:
    """Make one pass: ring for the due work, and do here what the broker takes no bell for.

    With `execute` nobody is rung for: all of it is done here. `role` and `taken_from` say of
    `worker` what it is, and from which queues it takes besides.
    """
    settings = conf.current()
    if liveness.polled(worker, role=role, queues=registry.all_queues() if execute else taken_from):
        liveness.forget_the_dead()
    fired = schedules.fire_due(limit=settings.dispatch_max)
    has_leapt = _clock.leapt(_now())
    if _clock.was_set_back:
        statements.run(statements.WANTED_NOW)
    expired = {} if has_leapt else leases.expire(limit=settings.dispatch_max)
    due = _dispatch(is_for_us=execute)
    failpoints.failpoint(AFTER_CLAIM)
    batches = _batches(due)
    unsent = batches if execute else [batch for batch in batches if not _ring(batch)]
    return Swept(
        fired=fired,
        expired=len(expired),
        rung=len(due) - sum(len(ids) for _, ids in unsent),
        done=_do(unsent, worker, is_stopping),
        is_full=len(due) >= settings.dispatch_max,
    )


def run_forever(stop: threading.Event, *, execute: bool = False) -> None:
    """Sweep until `stop` is set, whatever happens to PostgreSQL and to the broker."""
    worker, waiter = liveness.name("sweeper"), wake_ups.Waiter("timer")
    probe_at = time.monotonic()
    while not stop.is_set():
        if not execute and time.monotonic() >= probe_at:
            doorbell.probe_queues()
            probe_at = time.monotonic() + PROBE_EVERY_S
        rest = _one_pass(worker, stop, execute=execute)
        if rest and not stop.is_set():
            waiter.wait(rest)
    waiter.close()
    try:
        liveness.stopped(worker)
    except DatabaseError:
        logger.warning("PostgreSQL is away; this sweeper will be shown as stale.")


def _one_pass(worker: str, stop: threading.Event, *, execute: bool) -> float:
    """Make one pass and return how long to rest."""
    try:
        since = _now()
        swept = sweep(worker=worker, execute=execute, is_stopping=stop.is_set)
        # What the broker did not take was done here, and there may be more of it.
        return 0 if swept.is_full or swept.done else rest_s(since)
    except DatabaseError:
        logger.exception("PostgreSQL does not answer; sweeping again soon.")
        connection.close()
    except Exception:
        # An edge: one bad row must not end the only thing that finds lost work.
        logger.exception("A pass of the sweeper failed.")
    return conf.current().tick_s


def _now() -> datetime:
    [(now,)] = statements.run(statements.NOW)
    found: datetime = now
    return found


def rest_s(since: datetime) -> float:
    """Return how long there is nothing to do after a pass that began at `since`."""
    [(next_due_s,)] = statements.run(statements.NEXT_TIMER, {"since": since})
    tick_s = conf.current().tick_s
    return tick_s if next_due_s is None else min(tick_s, max(PAUSE_S_MIN, next_due_s))


class Due(NamedTuple):
    """What is to be rung for."""

    id: UUID
    queue: str
    kind: str
    is_suspect: bool
    """Whether it has lost a worker."""


Batch = tuple[str, list[UUID]]
"""A queue, and what one message in it names."""


def _dispatch(*, is_for_us: bool) -> list[Due]:
    settings, kinds = conf.current(), registry.all_kinds()
    busy = [] if is_for_us else _busy(registry.all_queues())
    params = {
        "is_for_us": is_for_us,
        "patience_s": 0 if is_for_us else settings.patience_s,
        "patience_max_s": settings.patience_max_s,
        "limit": settings.dispatch_max,
        "bells_per_worker": settings.bells_per_worker,
        "stale_after_s": settings.stale_after_s,
        "busy": busy,
        "kinds": [kind.name for kind in kinds],
        "queues": [kind.queue for kind in kinds],
        "light": [kind.name for kind in kinds if kind.light],
        "batch_max": settings.batch_max,
    }
    return [Due(*row) for row in statements.run(statements.DISPATCH, params)]


def _busy(queues: Iterable[str]) -> list[str]:
    """Return the queues in which so many wake-ups wait that all their workers are busy."""
    most = conf.current().bells_waiting_max
    return [queue for queue in queues if doorbell.waiting(queue) >= most]


def _ring(batch: Batch) -> bool:
    queue, ids = batch
    return doorbell.ring(queue, ids, size=len(ids))


def _do(batches: Sequence[Batch], worker: str, is_stopping: Callable[[], bool]) -> int:
    """Do `batches` for as long as a worker goes on by itself, one of them at least.

    The rest is for the next pass: leases run out and slots come due meanwhile.
    """
    until, done = time.monotonic() + conf.current().go_on_s, 0
    for place, (_, ids) in enumerate(batches):
        if is_stopping() or (place and time.monotonic() > until):
            left = [id_ for _, later in batches[place:] for id_ in later]
            statements.run(statements.NOT_RUNG_AFTER_ALL, {"ids": left})
            break
        done += runner.take(ids, worker=worker)
    return done


def _batches(due: Sequence[Due]) -> list[Batch]:
    """Return what is to be rung for or done together, in the order of `due`.

    Light work joins the first of its kind that has room, so that kinds that take turns
    still fill their batches. What has lost a worker is alone: it may have been the reason, and
    whoever is lost with it again is charged for it too.
    """
    batches: list[Batch] = []
    latest: dict[str, list[UUID]] = {}
    for id_, queue, kind, is_suspect in due:
        if is_suspect:
            batches.append((queue, [id_]))
            continue
        if len(latest.get(kind, ())) in {0, _batch_size(kind)}:
            latest[kind] = []
            batches.append((queue, latest[kind]))
        latest[kind].append(id_)
    return batches


def _batch_size(kind: str) -> int:
    try:
        return conf.current().batch_max if registry.get(kind).light else 1
    except KindUnknown:
        return 1
