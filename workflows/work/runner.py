"""Runs claimed work: one handler call between two short transactions, never within one.

One attempt: claim (committed) → handler, outside any transaction, with the context of the
principal who enqueued the work → completion, with the fence of the claim. If the process dies
in between, the sweeper finds the expired lease.
"""

import logging
import random
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from uuid import UUID

from django.db import DatabaseError, connection

from events import context, failpoints
from events.domain.context import EventContext
from events.domain.principal import Principal
from events.failpoints import failpoint
from workflows.work import conf, documents, heartbeat, leases, liveness, queues, registry, stopping
from workflows.work.domain import ends, redaction
from workflows.work.domain.claim import (
    AttemptTimedOut,
    CancelRequested,
    Claim,
    ClaimLost,
    Snooze,
)
from workflows.work.domain.ends import End, Failure, Outcome
from workflows.work.registry import WorkKind

logger = logging.getLogger(__name__)

CLAIMED = failpoints.declare("step.claimed")
BEFORE_CALL = failpoints.declare("step.before_call")
AFTER_CALL = failpoints.declare("step.after_call")
AFTER_COMMIT = failpoints.declare("step.after_commit")

UNKNOWN_KIND_DELAY_S = 10.0

_random = random.SystemRandom()


def answer(ids: Sequence[UUID], *, worker: str, queue: str | None = None) -> int:
    """Do those of `ids` that are still to do, then go on with what else is due.

    Return how many pieces were done. A bell that rang twice finds nothing, and does none. One
    without ids asks who is there.
    """
    liveness.polled(worker, role="celery", queues=[queue or queues.DEFAULT])
    settings = conf.current()
    until = time.monotonic() + settings.go_on_s
    done = take(ids, worker=worker, is_rung=True) if ids else 0
    while not stopping.is_asked() and done < settings.go_on_max and time.monotonic() < until:
        more = work_off(worker=worker, kinds=registry.names(queue=queue))
        if not more:
            break
        done += more
    return done


def take(ids: Sequence[UUID], *, worker: str, is_rung: bool = False) -> int:
    """Do those of `ids` that are still to do, and put off those that are beyond us.

    For one that a bell `is_rung` for somebody may be waiting: what its kind reads comes along.
    """
    kinds = registry.names()
    reads = registry.all_reads() if is_rung and len(ids) == 1 else []
    along = [each(ids[0]) for each in reads]
    claims, rows = leases.claim_reading(ids, worker=worker, kinds=kinds, along=along)
    if not claims:
        _defer_unknown(ids, kinds)
    read = dict(zip(reads, rows, strict=True))
    for claim in claims:
        what = registry.get(claim.kind).reads
        claim.watch.read = read.get(what) if what is not None else None
    return run(claims)


def work_off(*, worker: str, kinds: Sequence[str]) -> int:
    """Do the next due piece of `kinds`, or the next batch of light ones. Return how many."""
    light = [name for name in kinds if registry.get(name).light]
    heavy = [name for name in kinds if not registry.get(name).light]
    claims: list[Claim] = []
    if heavy:
        claims = leases.claim_next(worker=worker, kinds=heavy)
    if light and not claims:
        limit = conf.current().batch_max
        claims = leases.claim_next(worker=worker, kinds=light, limit=limit)
    return run(claims)


def run(claims: Sequence[Claim], *, to_the_end: bool = False) -> int:
    """Do `claims`, one after the other, and complete those of light kinds together.

    Return how many pieces were done, with those that followed from one and were claimed
    with its completion (handover). A worker that is asked to stop gives back the others.
    `to_the_end` is for who has nothing else to look after: it goes on for as long as something
    follows.
    """
    if not claims:
        return 0
    failpoint(CLAIMED)
    finished: list[Finished] = []
    done = followers = 0
    with heartbeat.interruptible(), heartbeat.keep_leases(claims):
        for claim in claims:
            if stopping.is_asked():
                break
            done += 1
            kind = registry.get(claim.kind)
            claim.watch.goes_on = not kind.light and (to_the_end or conf.current().go_on_max > 1)
            finished += _attempt(kind, claim)
            if not kind.light:
                _complete(finished)
                finished = []
                followers += _follow(claim.watch.following, to_the_end=to_the_end)
        _complete(finished)
        _give_back(claims[done:])
    return done + followers


def _follow(claim: Claim | None, *, to_the_end: bool) -> int:
    """Go on with what was handed over, as long as a worker may without looking around."""
    settings = conf.current()
    until = time.monotonic() + settings.go_on_s
    done = 0
    while claim is not None:
        if stopping.is_asked() and not to_the_end:
            _give_back([claim])
            break
        done += 1
        may_go_on = done + 1 < settings.go_on_max and time.monotonic() < until
        claim.watch.goes_on = to_the_end or may_go_on
        with heartbeat.keep_leases([claim]):
            failpoint(CLAIMED)
            _complete(_attempt(registry.get(claim.kind), claim))
        claim = claim.watch.following
    return done


Finished = tuple[Claim, str | None]
"""A claim whose handler has returned, and the result as JSON text."""


def _attempt(kind: WorkKind, claim: Claim) -> list[Finished]:
    """Call the handler. Return what is to be completed: nothing, if it ended otherwise."""
    try:
        with _acting_for(claim), heartbeat.time_limit(claim, kind.timeout_s, _give_up):
            failpoint(BEFORE_CALL)
            result = kind.handler(claim)
            failpoint(AFTER_CALL)
        text = None if result is None else documents.dump(result)
    except Exception as error:  # noqa: BLE001 (an edge: a handler may raise whatever it likes)
        _record(kind, claim, error)
        return []
    return [] if claim.watch.settled else [(claim, text)]


def _acting_for(claim: Claim) -> AbstractContextManager[EventContext]:
    return context.acting(
        _principal_of(claim.principal),
        correlation_id=claim.correlation_id,
        causation_id=claim.causation_id,
    )


_principal_of = lru_cache(maxsize=1_024)(Principal.parse)


def _complete(finished: Sequence[Finished]) -> None:
    if not finished:
        return
    with _survived("completion"):
        done = leases.complete_many(finished)
        failpoint(AFTER_COMMIT)
        for claim, _ in finished:
            if claim.id not in done:
                _end(claim, leases.why_lost(claim))


def _give_back(claims: Sequence[Claim]) -> None:
    if claims:
        with _survived("end"):
            leases.give_back(claims)


def _record(kind: WorkKind, claim: Claim, error: Exception) -> None:
    if claim.watch.settled:
        # Its work is committed; what came after it (a listener, a clean-up) is only logged.
        logger.error("A handler failed after completion.", extra=_ids(claim), exc_info=error)
        return
    with _survived("end"):
        _end(claim, error, kind)


def _end(claim: Claim, error: Exception, kind: WorkKind | None = None) -> None:
    try:
        match error:
            case CancelRequested():
                leases.end(claim, ends.cancelled())
            case ClaimLost():
                leases.record_stale(claim, _failure(error))
            case Snooze(after_s=after_s):
                leases.end(claim, ends.snoozed(after_s))
            case _:
                assert kind is not None, "only a handler raises anything else"
                leases.end(claim, _failed(kind, claim, error))
    except ClaimLost:
        logger.warning("A stale attempt changed nothing.", extra=_ids(claim))


def _failed(kind: WorkKind, claim: Claim, error: Exception) -> End:
    failure = _failure(error)
    # No traceback: it is in the journal of attempts, without its secrets.
    facts = {**_ids(claim), "error_class": failure.error_class, "error": failure.error}
    logger.warning("An attempt failed.", extra=facts)
    is_overdue = isinstance(error, AttemptTimedOut)
    return ends.failed(
        claim.budget,
        kind.retry,
        failure=failure,
        uniform=_random.random(),
        permanent=kind.is_permanent(error),
        outcome=Outcome.TIMED_OUT if is_overdue else Outcome.FAILED,
    )


def _give_up(claim: Claim) -> None:
    """End an attempt that does not come back. Called from the thread of the heartbeat."""
    claim.watch.lost = True
    _end(claim, AttemptTimedOut(), registry.get(claim.kind))


def _failure(error: Exception) -> Failure:
    return Failure(
        error_class=type(error).__qualname__[:200],
        error=redaction.short_error(str(error)),
        stack=redaction.short_stack("".join(traceback.format_exception(error))),
    )


@contextmanager
def _survived(what: str) -> Iterator[None]:
    """Let the worker go on when PostgreSQL is away, or who hears of the end of an attempt fails.

    The lease will run out, and be found. Of a batch the others are done, and not yet completed.
    """
    if not connection.in_atomic_block:
        # The handler may have seen PostgreSQL go away, or been interrupted in mid-statement.
        connection.close_if_unusable_or_obsolete()
    try:
        yield
    except Exception as error:
        # An edge: whoever listens may raise whatever it likes.
        logger.exception("The %s of an attempt could not be recorded.", what)
        if isinstance(error, DatabaseError):
            connection.close()


def _defer_unknown(ids: Sequence[UUID], kinds: Sequence[str]) -> None:
    # Jitter, so that the workers of an old release do not all come back at once.
    delay_s = UNKNOWN_KIND_DELAY_S * (0.5 + _random.random())
    for kind in leases.defer_unknown(ids, kinds=kinds, delay_s=delay_s):
        logger.warning("Work of an unknown kind was put off.", extra={"kind": kind})


def _ids(claim: Claim) -> dict[str, object]:
    return {
        "work_id": str(claim.id),
        "kind": claim.kind,
        "attempt": claim.attempt,
        "fence": claim.fence,
        "worker": claim.worker,
    }
