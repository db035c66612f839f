"""The queue, for callers with a transaction: enqueue, complete, cancel. One statement each.

Note [Whose transaction]: everything here runs in the transaction of the caller, and refuses to
run without one: work and the change that caused it are committed together or not at all. The
operations of a runner (claim, heartbeat, end) are in `leases`, and commit at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from events import context, recorder, wire
from events.domain.errors import Conflict, NotFound, Rejected
from events.ids import new_id
from workflows.work import documents, doorbell, leases, registry, statements
from workflows.work.domain.claim import AttemptTimedOut, Claim, WorkRef
from workflows.work.domain.life import NotPossible, State, Trigger
from workflows.work.registry import JSON, WorkKind

KEY_CHARS_MAX = 255
SUBJECT_CHARS_MAX = 200


class OutsideTransaction(AssertionError):
    """A bug of the caller: the queue is written in the transaction of the change that needs it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"queue.{what} belongs into the transaction that is the reason for it.")


class JobKeyConflict(Conflict):
    code = "job_key_conflict"
    hint = "Use another key for another input, or the same input for the same job."

    def __init__(self, kind: str, key: str, work_id: UUID) -> None:
        super().__init__(
            f"The key {key!r} of {kind} is taken by a job with another input.",
            pointer="/idempotency_key",
            kind=kind,
            key=key,
            job_id=str(work_id),
        )


class KeyInvalid(Rejected):
    code = "job_key_invalid"
    hint = "Shorten it, and remove spaces at its ends."

    def __init__(self) -> None:
        super().__init__(
            f"An idempotency key has 1 to {KEY_CHARS_MAX} characters and no blank ends.",
            pointer="/idempotency_key",
        )


class WorkNotFound(NotFound):
    code = "job_not_found"

    def __init__(self, work_id: UUID) -> None:
        super().__init__(f"There is no job {work_id}.", job_id=str(work_id))


class KindGone(Rejected):
    """This release has no handler for the job: retried, it would be deferred forever."""

    code = "job_kind_gone"
    hint = "Discard it, or retry it with a release that does this kind of job."

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"It cannot be retried: this release has no kind of job called {kind!r}.", name=kind
        )


class PartOfAnother(Rejected):
    """The job is a step of something that waits for its outcome, and would wait for ever."""

    code = "job_part_of_another"
    hint = "End that instead: of a flow, cancel it or skip its step."

    def __init__(self, kind: str, whole: str, subject: str) -> None:
        super().__init__(f"{kind} is a part of {whole}: {subject}.", name=kind, subject=subject)


class ReasonMissing(Rejected):
    code = "job_reason_missing"
    hint = "Give a short reason; it is kept."

    def __init__(self) -> None:
        super().__init__("This needs a reason.", pointer="/reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row of work to enqueue, in `enqueue_many`."""

    input: JSON
    subject: str = ""
    idempotency_key: str | None = None
    id: UUID = field(default_factory=new_id)


def enqueue(
    kind: str,
    *,
    subject: str,
    input: JSON,  # noqa: A002 (the word of the contract)
    due_at: datetime | None = None,
    delay: timedelta = timedelta(),
    priority: int = 0,
    idempotency_key: str | None = None,
    max_attempts: int | None = None,
) -> WorkRef:
    """Enqueue one row of work, in the caller's transaction.

    With a key that is there already the first work is returned, as it is.

    :raises KindUnknown: if there is no such kind.
    :raises InputInvalid: if the kind does not take this input.
    :raises JobKeyConflict: if the key is there with another input.
    :raises OutsideTransaction: if there is no transaction; that is a bug.
    """
    [ref] = enqueue_many(
        kind,
        [Item(input=input, subject=subject, idempotency_key=idempotency_key)],
        due_at=due_at,
        delay=delay,
        priority=priority,
        max_attempts=max_attempts,
    )
    return ref


def enqueue_many(
    kind: str,
    items: Sequence[Item],
    *,
    due_at: datetime | None = None,
    delay: timedelta = timedelta(),
    priority: int = 0,
    max_attempts: int | None = None,
) -> list[WorkRef]:
    """Enqueue many rows of one kind in one statement. Raises as `enqueue` does."""
    _in_transaction("enqueue")
    what = registry.get(kind)
    for item in items:
        what.validate(item.input)
        _check_key(item.idempotency_key)
    return insert(
        what, items, due_at=due_at, delay=delay, priority=priority, max_attempts=max_attempts
    )


def insert(
    kind: WorkKind,
    items: Sequence[Item],
    *,
    due_at: datetime | None = None,
    delay: timedelta = timedelta(),
    priority: int = 0,
    max_attempts: int | None = None,
) -> list[WorkRef]:
    """Do what `enqueue_many` does, for inputs that need no validation."""
    assert max_attempts is None or max_attempts >= 1, "there is one attempt at least"
    texts = [documents.dump(item.input) for item in items]
    inputs, hashes = documents.set_aside(texts)
    prints = [documents.fingerprint(item.input) if item.idempotency_key else None for item in items]
    who = context.current()
    rows = statements.run(
        statements.INSERT,
        {
            "kind": kind.name,
            "queue": kind.queue,
            "ids": [item.id for item in items],
            "subjects": [item.subject for item in items],
            "inputs": inputs,
            "input_hashes": hashes,
            "keys": [item.idempotency_key for item in items],
            "fingerprints": prints,
            "due_at": due_at,
            "delay_s": delay.total_seconds(),
            "priority": priority,
            "max_attempts": max_attempts or kind.retry.max_attempts,
            "crash_budget": kind.crash_budget,
            "principal": str(who.principal),
            "correlation_id": who.correlation_id,
            "causation_id": who.causation_id,
        },
    )
    ready = [id_ for id_, status in rows if status == State.READY]
    doorbell.ring_after_commit(kind, ready)
    if len(ready) < len(rows):
        due_at = due_at or timezone.now()
        doorbell.wake_after_commit((due_at + delay - timezone.now()).total_seconds())
    new = {id_ for id_, _ in rows}
    return [
        WorkRef(id=item.id, kind=kind.name) if item.id in new else _first(kind, item)
        for item in items
    ]


def _check_key(key: str | None) -> None:
    # An empty key that everybody shares once made one piece of work run for a month (DBOS).
    if key is not None and not (0 < len(key.strip()) == len(key) <= KEY_CHARS_MAX):
        raise KeyInvalid


def _first(kind: WorkKind, item: Item) -> WorkRef:
    params = {"kind": kind.name, "key": item.idempotency_key}
    [(id_, known)] = statements.run(statements.FIND_BY_KEY, params)
    if not documents.is_fingerprint(known, item.input):
        assert item.idempotency_key is not None
        raise JobKeyConflict(kind.name, item.idempotency_key, id_)
    return WorkRef(id=id_, kind=kind.name, is_new=False)


def complete(claim: Claim, result: JSON = None) -> None:
    """Complete `claim` in the caller's transaction, together with what it brought about.

    :raises CancelRequested: if it was cancelled meanwhile.
    :raises ClaimLost: if another attempt has taken over. Either way the caller's
        transaction must not commit: let the exception pass.
    :raises AttemptTimedOut: if its time is up, and the handler went on all the same.
    :raises OutsideTransaction: if there is no transaction; that is a bug.
    """
    _in_transaction("complete")
    if claim.watch.overdue:
        raise AttemptTimedOut
    text = None if result is None else documents.dump(result)
    if not leases.complete_many([(claim, text)]):
        raise leases.why_lost(claim)

    def settle() -> None:
        claim.watch.settled = True

    transaction.on_commit(settle, robust=True)


def cancel(work_id: UUID, *, reason: str) -> State:
    """Cancel waiting work at once; ask running work to stop. Return the state it is in now.

    :raises WorkNotFound: if there is no such work.
    :raises NotPossible: if it is over.
    :raises PartOfAnother: if something else waits for its outcome.
    """
    return _decided(Trigger.CANCEL, statements.CANCEL, work_id, reason)


def re_drive(work_id: UUID, *, reason: str = "") -> State:
    """Retry a dead letter, with a new budget of attempts and the same token and history.

    Work that something else waits for is retried also if it was cancelled or discarded, by a
    release that allowed it; if that was before its time, it waits for it.

    :raises WorkNotFound: if there is no such work.
    :raises NotPossible: if it is none of these.
    :raises KindGone: if this release does not know its kind.
    """
    return _decided(Trigger.RE_DRIVE, statements.RE_DRIVE, work_id, reason)


def discard(work_id: UUID, *, reason: str) -> State:
    """Discard a dead letter. Final.

    :raises WorkNotFound: if there is no such work.
    :raises NotPossible: if it is no dead letter.
    :raises PartOfAnother: if something else waits for its outcome.
    :raises ReasonMissing: without a reason.
    """
    if not reason.strip():
        raise ReasonMissing
    return _decided(Trigger.DISCARD, statements.DISCARD, work_id, reason)


_DECIDED = {
    Trigger.CANCEL: "job.cancelled",
    Trigger.RE_DRIVE: "job.retried",
    Trigger.DISCARD: "job.discarded",
}


def _decided(trigger: Trigger, sql: str, work_id: UUID, reason: str) -> State:
    _in_transaction(trigger)
    asked = {"id": work_id, "reason": reason}
    if trigger is Trigger.RE_DRIVE:
        asked["parts"] = registry.parts()
    rows = statements.run(sql, asked)
    if not rows:
        raise _refusal(trigger, work_id)
    [(kind, subject, status)] = rows
    if trigger is Trigger.RE_DRIVE and not registry.is_known(kind):
        raise KindGone(kind)
    if trigger is not Trigger.RE_DRIVE and (whole := registry.whole_of(kind)):
        raise PartOfAnother(kind, whole, subject)
    # Why stands with the job, where it can be taken away: the log keeps it for good.
    data = {"jobId": str(work_id), "kind": kind, "subject": subject}
    if trigger is Trigger.CANCEL:
        data["isRunning"] = status == State.LEASED
    recorder.emit(_DECIDED[trigger], data, stream=("job", str(work_id)))
    if status == State.READY:
        doorbell.ring_after_commit(registry.get(kind), [work_id])
    return State(status)


def _refusal(trigger: Trigger, work_id: UUID) -> WorkNotFound | NotPossible:
    rows = statements.run(statements.STATE_OF, {"id": work_id})
    if not rows:
        return WorkNotFound(work_id)
    [(status, kind)] = rows
    is_part = trigger is Trigger.RE_DRIVE and bool(registry.whole_of(kind))
    return NotPossible(str(work_id), trigger, State(status), is_part=is_part)


def _in_transaction(what: str) -> None:
    if not wire.in_transaction():
        raise OutsideTransaction(what)
