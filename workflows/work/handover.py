"""Hand-over: completes one row of work and enqueues the next ones, in one statement.

The statement is part of the append of the events that caused it (`CompanionStatement` of
`events.companions`). The first row that is due at once is claimed as it is inserted, by the worker
that completed the one before: two steps need neither a message nor a claim between them.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import orjson
from django.utils import timezone
from orjson import Fragment

from events import context, wire
from events.companions import JOINT_APPEND, CompanionStatement
from events.domain.principal import Principal
from events.group_commit import Joint
from events.ids import new_id
from events.wire import Row
from workflows.work import conf, documents, doorbell, registry
from workflows.work.domain.claim import CancelRequested, Claim, ClaimLost, token_of
from workflows.work.domain.life import Budget, State
from workflows.work.registry import JSON, WorkKind

CLAIM_LOST = "DB002"
"""SQLSTATE of our own, raised by `work_hand_over`."""

_HAND_OVER = (
    "SELECT * FROM work_hand_over({head}, %(claim)s, %(fence)s::int, %(wanted)s::json, "
    "%(by)s, %(story)s, %(cause)s)"
)


_HAND_OVER_MANY = (
    f"SELECT * FROM work_hand_over_many({JOINT_APPEND}, %(claims)s::json, %(following)s::json)"  # noqa: S608 (names of our own)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextWork:
    """A piece of work that follows. Without `due_at` it is due at once."""

    kind: str
    input: JSON
    subject: str = ""
    due_at: datetime | None = None
    idempotency_key: str | None = None
    id: UUID = field(default_factory=new_id)


@dataclass(slots=True)
class TakenWork:
    """The claim that `worker` goes on with, once the transaction has committed."""

    worker: str
    claim: Claim | None = None


def statement(
    completed: Claim | None,
    wanted: Sequence[NextWork],
    *,
    by: Principal,
    taken: TakenWork | None = None,
    joint_with: LiteralString = "",
) -> CompanionStatement:
    """Return what completes `completed` and lists `wanted`, the first of it taken if possible.

    What follows is done by `by`, as the story goes on. The inputs need no validation: they are
    of the caller's own kinds. `joint_with` goes before
    the statement that writes for several. The statement fails as
    `queue.complete` does: ClaimLost, or CancelRequested, and then nothing is written.
    """
    taker = taken or (
        TakenWork(completed.worker) if completed is not None and completed.watch.goes_on else None
    )
    first = next((one for one in wanted if _may_follow(completed, one)), None) if taker else None
    who = context.current()
    principal, story, cause = str(by), who.correlation_id, who.causation_id

    def on_rows(rows: list[Row]) -> None:
        following = None
        if taker is not None and first is not None:
            for id_, _, since, until in rows:
                if id_ == first.id:
                    following = _claim(first, taker.worker, since, until, principal, story, cause)
        if following is None or len(wanted) > 1:
            _ring(wanted, {id_ for id_, status, _, _ in rows if status == State.READY})
            _wake(wanted)
        _after_commit(completed, taker, following)

    params = {
        "claim": completed and completed.id,
        "fence": completed and completed.fence,
        "wanted": _as_json(wanted, first, taker.worker) if taker else _as_json(wanted),
        "by": principal,
        "story": story,
        "cause": cause,
    }
    return CompanionStatement(
        sql=_HAND_OVER,
        params=params,
        on_rows=on_rows,
        refusal=lambda state, why: _refusal(completed, state, why),
        joint_sql=f"{joint_with} {_HAND_OVER_MANY}" if joint_with else _HAND_OVER_MANY,
        joint=lambda: _joint(params, wanted),
    )


def _may_follow(completed: Claim | None, one: NextWork) -> bool:
    """Return whether who did `completed` may go on with `one`: a queue keeps its workers."""
    if one.due_at is not None:
        return False
    if completed is None:
        return True
    return registry.get(one.kind).queue == registry.get(completed.kind).queue


def _joint(params: Mapping[str, object], wanted: Sequence[NextWork]) -> Joint:
    claim = {name: params[name] for name in ("claim", "fence")}
    following = {name: params[name] for name in ("by", "story", "cause")}
    following["wanted"] = Fragment(str(params["wanted"]))
    parts = {
        "claims": claim if params["claim"] else None,
        "following": following if wanted else None,
    }
    return Joint(parts=parts, keys=[one.id for one in wanted])


def _refusal(completed: Claim | None, state: str, why: str) -> Exception | None:
    if state != CLAIM_LOST or completed is None:
        return None
    if why == "cancel_requested":
        completed.watch.cancel_requested = True
        return CancelRequested(completed.id, completed.fence)
    completed.watch.lost = True
    return ClaimLost(completed.id, completed.fence)


def _as_json(
    wanted: Sequence[NextWork], first: NextWork | None = None, worker: str | None = None
) -> str | None:
    if not wanted:
        return None
    inputs, hashes = documents.set_aside([orjson.dumps(one.input).decode() for one in wanted])
    rows = [
        _row(one, registry.get(one.kind), text, hash_)
        for one, text, hash_ in zip(wanted, inputs, hashes, strict=True)
    ]
    for row in rows:
        if first is not None and row["id"] is first.id:
            row |= {"taker": worker, "lease_s": conf.current().lease_s}
    return orjson.dumps(rows).decode()


def _row(one: NextWork, kind: WorkKind, text: str | None, hash_: str | None) -> dict[str, object]:
    row: dict[str, object] = {
        "id": one.id,
        "kind": kind.name,
        "queue": kind.queue,
        "subject": one.subject,
        "input": text,
        "input_hash": hash_,
        "due_at": one.due_at,
        "max_attempts": kind.retry.max_attempts,
        "crash_budget": kind.crash_budget,
    }
    if one.idempotency_key is not None:
        fingerprint = documents.fingerprint(one.input)
        row |= {"idempotency_key": one.idempotency_key, "fingerprint": fingerprint}
    return row


def _claim(
    one: NextWork,
    worker: str,
    claimed_at: datetime,
    lease_until: datetime,
    principal: str,
    correlation_id: str,
    causation_id: str | None,
) -> Claim:
    kind = registry.get(one.kind)
    return Claim(
        id=one.id,
        kind=one.kind,
        subject=one.subject,
        input=one.input,
        token=token_of(one.id),
        fence=1,
        attempt=1,
        lease_until=lease_until,
        claimed_at=claimed_at,
        worker=worker,
        budget=Budget(
            failures=0,
            failures_max=kind.retry.max_attempts,
            crashes=0,
            crashes_max=kind.crash_budget,
        ),
        principal=principal,
        correlation_id=correlation_id,
        causation_id=causation_id,
        is_handed_over=True,
    )


def _ring(wanted: Sequence[NextWork], ready: Set[UUID]) -> None:
    if not ready:
        return
    by_kind: dict[str, list[UUID]] = {}
    for one in wanted:
        if one.id in ready:
            by_kind.setdefault(one.kind, []).append(one.id)
    for name, ids in by_kind.items():
        doorbell.ring_after_commit(registry.get(name), ids)


def _wake(wanted: Sequence[NextWork]) -> None:
    timers = [one.due_at for one in wanted if one.due_at is not None]
    if timers:
        doorbell.wake_after_commit((min(timers) - timezone.now()).total_seconds())


def _after_commit(
    completed: Claim | None, taker: TakenWork | None, following: Claim | None
) -> None:
    def settle() -> None:
        if taker is not None:
            taker.claim = following
        if completed is not None:
            completed.watch.settled = True
            completed.watch.following = following

    wire.after_commit(settle)
