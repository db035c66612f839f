"""Leases on work: claim, renew, complete. For runners and sweepers.

Claims and heartbeats commit at once, so that everybody sees them; a completion that emits
events is one transaction with them.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from events import recorder, wire
from events.domain.envelope import Source
from workflows.work import conf, documents, doorbell, statements
from workflows.work.domain import ends
from workflows.work.domain.claim import CancelRequested, Claim, ClaimLost, token_of
from workflows.work.domain.ends import End, Failure
from workflows.work.domain.life import DEAD_LETTERS, WAITING, Budget, State

logger = logging.getLogger(__name__)

LONGEST_S = 600.0
"""Longer than any lease, also of a release with other settings."""


def claim(ids: Iterable[UUID], *, worker: str, kinds: Sequence[str]) -> list[Claim]:
    """Take those of `ids` that wait, are due, and are of `kinds`; the others are not ours."""
    return claim_reading(ids, worker=worker, kinds=kinds)[0]


def claim_reading(
    ids: Iterable[UUID],
    *,
    worker: str,
    kinds: Sequence[str],
    along: Sequence[wire.Statement] = (),
) -> tuple[list[Claim], list[list[wire.Row]]]:
    """Claim as `claim` does, and return the rows of statements that share its round trip."""
    params = {"ids": list(ids), "kinds": list(kinds), "worker": worker, "lease_s": _lease_s()}
    rows, *read = wire.fetch_all([(statements.CLAIM, params), *along])
    return [_claim(row) for row in rows], read


def claim_next(*, worker: str, kinds: Sequence[str], limit: int = 1) -> list[Claim]:
    """Claim up to `limit` due rows of `kinds`, the most urgent first."""
    params = {"kinds": list(kinds), "limit": limit, "worker": worker, "lease_s": _lease_s()}
    return [_claim(row) for row in wire.fetch(statements.CLAIM_NEXT, params)]


def defer_unknown(ids: Iterable[UUID], *, kinds: Sequence[str], delay_s: float) -> list[str]:
    """Put off those of `ids` that are not of `kinds`: a newer release may know them.

    Return their kinds.
    """
    params = {"ids": list(ids), "kinds": list(kinds), "delay_s": delay_s}
    return [kind for _, kind in statements.run(statements.DEFER_UNKNOWN, params)]


def heartbeat(claims: Sequence[Claim]) -> None:
    """Renew the leases of `claims`, and note on each whether it is lost or to be stopped."""
    params = {
        "ids": [one.id for one in claims],
        "fences": [one.fence for one in claims],
        "lease_s": _lease_s(),
    }
    alive: dict[UUID, bool] = dict(wire.fetch(statements.HEARTBEAT, params))
    for one in claims:
        one.watch.lost = one.id not in alive and not one.watch.settled
        one.watch.cancel_requested = alive.get(one.id, False)


def complete_many(finished: Sequence[tuple[Claim, str | None]]) -> set[UUID]:
    """Complete with one statement those whose claim is good, and return their ids."""
    inline, hashes = documents.set_aside([text for _, text in finished])
    params = {
        "ids": [one.id for one, _ in finished],
        "fences": [one.fence for one, _ in finished],
        "results": inline,
        "result_hashes": hashes,
    }
    return {id_ for (id_,) in wire.fetch(statements.COMPLETE, params)}


def why_lost(claim: Claim) -> ClaimLost:
    """Return the reason why `claim` could not be completed."""
    heartbeat([claim])
    if claim.watch.cancel_requested:
        return CancelRequested(claim.id, claim.fence)
    return ClaimLost(claim.id, claim.fence)


def end(claim: Claim, how: End) -> State:
    """Record how `claim` ended without success, and return what that made of the work.

    :raises ClaimLost: if another attempt has taken over; then the end is recorded as stale.
    """
    with transaction.atomic():
        states = _end_many([(claim.id, claim.fence, how)])
        if claim.id in states:
            if states[claim.id] in WAITING:
                doorbell.wake_after_commit(how.delay_s)
            if states[claim.id] in DEAD_LETTERS:
                _announce_dead_letter(claim.id, claim.kind, claim.subject, claim.attempt, how)
            return states[claim.id]
    record_stale(claim, how.failure)
    raise ClaimLost(claim.id, claim.fence)


def give_back(claims: Sequence[Claim]) -> None:
    """Let others have `claims`, none of which was begun, in the places that they had."""
    with transaction.atomic():
        _end_many([(claim.id, claim.fence, ends.given_back()) for claim in claims])
        doorbell.wake_after_commit(0)


def record_stale(claim: Claim, failure: Failure = ends.NO_FAILURE) -> None:
    """Record that `claim` came too late, unless it was completed after all."""
    params = {
        "id": claim.id,
        "attempt": claim.attempt,
        "fence": claim.fence,
        "worker": claim.worker,
        "claimed_at": claim.claimed_at,
        "error_class": failure.error_class,
        "error": failure.error,
        "stack": failure.stack,
    }
    statements.run(statements.RECORD_STALE, params)


def expire(*, limit: int) -> dict[UUID, State]:
    """End leases that have expired, or never will, and return what became of their work.

    What cannot be given up, because somebody who has to know of it fails, is logged and stays.
    """
    with transaction.atomic():
        asked = {"limit": limit, "longest_s": max(LONGEST_S, 10 * _lease_s())}
        lost = [_Lost(*row) for row in statements.run(statements.EXPIRED, asked)]
        ended = [(one, one.end()) for one in lost]
        others = [(one.id, one.fence, how) for one, how in ended if how.state not in DEAD_LETTERS]
        states = _end_many(others) if others else {}
        for one, how in ended:
            if how.state in DEAD_LETTERS:
                states |= _given_up(one, how)
        return states


class _Lost(NamedTuple):
    id: UUID
    kind: str
    subject: str
    fence: int
    attempt: int
    worker: str
    failures: int
    max_attempts: int
    crashes: int
    crash_budget: int
    cancel_requested: bool

    def end(self) -> End:
        budget = Budget(
            failures=self.failures,
            failures_max=self.max_attempts,
            crashes=self.crashes,
            crashes_max=self.crash_budget,
        )
        return ends.crashed(budget, cancel_requested=self.cancel_requested)


def _given_up(one: _Lost, how: End) -> dict[UUID, State]:
    try:
        with transaction.atomic():
            states = _end_many([(one.id, one.fence, how)])
            _announce_dead_letter(one.id, one.kind, one.subject, one.attempt, how)
            return states
    except Exception:
        # An edge: whoever listens may fail, and that must not keep all other leases as they are.
        logger.exception("Work could not be given up.", extra={"work_id": str(one.id)})
        return {}


def _end_many(ended: Sequence[tuple[UUID, int, End]]) -> dict[UUID, State]:
    hows = [how for _, _, how in ended]
    params = {
        "ids": [id_ for id_, _, _ in ended],
        "fences": [fence for _, fence, _ in ended],
        "statuses": [how.state.value for how in hows],
        "outcomes": [how.outcome.value for how in hows],
        "failed": [how.failed for how in hows],
        "taken_away": [how.taken_away for how in hows],
        "delays_s": [None if how.keeps_place else float(how.delay_s) for how in hows],
        "error_classes": [how.failure.error_class for how in hows],
        "errors": [how.failure.error for how in hows],
        "stacks": [how.failure.stack for how in hows],
    }
    return {id_: State(status) for id_, status in statements.run(statements.END, params)}


def _announce_dead_letter(id_: UUID, kind: str, subject: str, attempts: int, how: End) -> None:
    data = {
        "jobId": str(id_),
        "kind": kind,
        "subject": subject,
        "attempts": attempts,
        "outcome": how.outcome.value,
        "errorClass": how.failure.error_class,
        "error": how.failure.error,
    }
    recorder.emit("job.dead_lettered", data, stream=("job", str(id_)), source=Source.WORKFLOW)


def _claim(row: tuple[Any, ...]) -> Claim:
    (id_, kind, subject, text, hash_, fence, attempt, lease_until, claimed_at, worker) = row[:10]
    (failures, max_attempts, crashes, crash_budget, principal, correlation, causation) = row[10:]
    return Claim(
        id=id_,
        kind=kind,
        subject=subject,
        input=documents.load(text, hash_),
        token=token_of(id_),
        fence=fence,
        attempt=attempt,
        lease_until=lease_until,
        claimed_at=claimed_at,
        worker=worker,
        budget=Budget(
            failures=failures,
            failures_max=max_attempts,
            crashes=crashes,
            crashes_max=crash_budget,
        ),
        principal=principal,
        correlation_id=correlation,
        causation_id=causation,
    )


def _lease_s() -> float:
    return conf.current().lease_s
