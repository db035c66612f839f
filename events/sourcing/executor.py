"""Execute a command on an aggregate: load, decide, append and project, publish after commit.

`decide` may run several times, if another writer appended to the stream meanwhile, so it must have
no effects; those happen once, after the commit of the attempt that won.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import Error, transaction

from events import bus, catalogue, companions, doorbell, recorder, store, wire
from events.companions import CompanionStatement
from events.domain.aggregate import Aggregate, Callback, Outcome, Projection
from events.domain.draft import Draft, Provenance
from events.domain.envelope import Category, Envelope, Source, Stream
from events.domain.errors import DomainError, Unavailable
from events.domain.streams import key_of
from events.recorder import NoTransaction
from events.sourcing import snapshots, states, turns
from events.sourcing.snapshots import Snapshot
from events.sourcing.states import Reached
from events.store import StreamMoved

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")

ATTEMPTS_MAX = 8
OPTIMISTIC_ATTEMPTS = 2
"""After so many conflicts the lock of the stream is taken before the read."""
JITTER_SECONDS = 0.005
JITTER_SECONDS_MAX = 0.25

_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED = "40001", "40P01"


class StreamBusy(Unavailable):
    code = "stream_busy"
    hint = "Other transactions write to the same streams; try again."

    def __init__(self, stream: Stream) -> None:
        super().__init__(f"Stream {key_of(stream)} is busy.", stream=list(stream))


_aggregates: dict[str, Aggregate[Any, Any, Any]] = {}


def register(aggregate: Aggregate[S, C, E]) -> Aggregate[S, C, E]:
    """Register `aggregate` for rebuild, verify and the doctor, and return it."""
    known = _aggregates.setdefault(aggregate.kind, aggregate)
    assert known is aggregate, f"there is an aggregate of kind {aggregate.kind} already"
    return aggregate


def registered() -> list[Aggregate[Any, Any, Any]]:
    """Return every registered aggregate, by kind."""
    return [_aggregates[kind] for kind in sorted(_aggregates)]


class Decided(NamedTuple, Generic[S, E]):
    """What was decided and is about to be written; `sequence` is that of the last event.

    A tuple, as what else is made for every command: a frozen dataclass takes twice as long.
    """

    before: S
    after: S
    events: Sequence[E]
    sequence: int


CompanionOf = Callable[[Decided[S, E]], CompanionStatement]
"""Makes the companion statement of the append. With it, `project` is not called."""


class _Run(NamedTuple, Generic[S, C, E]):
    """One execution of a command."""

    aggregate: Aggregate[S, C, E]
    stream: Stream
    command: C
    on_success: tuple[Callback, ...]
    provenance: Provenance
    companion_of: CompanionOf[S, E] | None

    @property
    def projects(self) -> bool:
        return self.aggregate.project is not None and self.companion_of is None


def execute(
    aggregate: Aggregate[S, C, E],
    stream: Stream,
    command: C,
    *,
    on_success: Iterable[Callback] = (),
    source: Source = Source.SERVICE,
    at: datetime | None = None,
    companion_of: CompanionOf[S, E] | None = None,
) -> Outcome[S]:
    """Execute `command` in a transaction of its own, deciding again when the stream has moved.

    :raises DomainError: if the decision refuses, on the latest state.
    :raises StreamBusy: after `ATTEMPTS_MAX` conflicts.
    """
    run = _run(aggregate, stream, command, on_success, source, at, companion_of)
    lost: Exception | None = None
    if not (turns.is_taken(stream) or states.is_contended(stream)):
        try:
            with turns.Rush(stream):
                return _optimistic(run)
        except (StreamMoved, Error) as error:
            lost = _conflict(stream, error)
    with turns.turn(stream):
        return _settled(run, lost)


def _settled(run: _Run[S, C, E], lost: Exception | None) -> Outcome[S]:
    """Write in a turn; `lost` is the conflict of the attempt before it, if there was one.

    The other threads of this process wait; the lock is for writers in other processes.
    """
    stream = run.stream
    for number in range(1 if lost else 0, ATTEMPTS_MAX):
        if lost is not None:
            _note_loss(run, lost, number)
        # By now it has the state that other threads of this process have written.
        is_optimistic = number < OPTIMISTIC_ATTEMPTS and not turns.has_rivals_elsewhere(stream)
        try:
            return _optimistic(run) if is_optimistic else _queued(run)
        except (StreamMoved, Error) as error:
            lost = _conflict(stream, error)
    raise StreamBusy(stream) from lost


def _note_loss(run: _Run[S, C, E], lost: Exception, number: int) -> None:
    states.mark_contended(run.stream)
    if not _was_ours(run, lost):
        turns.note_rival(run.stream)
    if not isinstance(lost, StreamMoved):
        time.sleep(_jitter_seconds(number))


def _conflict(stream: Stream, error: Exception) -> Exception:
    """Return `error` if it is a conflict with another writer; raise any other error."""
    if isinstance(error, StreamMoved) and error.is_behind:
        states.forget_other_past(stream)
    if _is_conflict(error):
        return error
    raise error


def _was_ours(run: _Run[S, C, E], lost: Exception) -> bool:
    """Return whether the other writer was a thread of this process, which caches its state."""
    known = states.cached(run.aggregate, run.stream)
    return isinstance(lost, StreamMoved) and known is not None and known.sequence >= lost.actual


def execute_in_transaction(
    aggregate: Aggregate[S, C, E],
    stream: Stream,
    command: C,
    *,
    on_success: Iterable[Callback] = (),
    source: Source = Source.SERVICE,
    at: datetime | None = None,
    companion_of: CompanionOf[S, E] | None = None,
    is_new: bool = False,
) -> Outcome[S]:
    """Execute `command` in the caller's transaction. Retrying is up to the caller.

    With `is_new` the stream is taken to be empty, and its history is not read.

    :raises NoTransaction: if there is none.
    :raises StreamMoved: if the stream was not new.
    :raises DomainError: if the decision refuses.
    """
    if not wire.connection().in_atomic_block:
        raise NoTransaction(type(command).__name__)
    run = _run(aggregate, stream, command, on_success, source, at, companion_of)
    if not is_new:
        return _under_lock(run)
    nothing = Reached(state=aggregate.initial(stream), sequence=0, event_id="")
    return _committed(run, nothing, _new(run, aggregate.decide(nothing.state, command)))


def _run(
    aggregate: Aggregate[S, C, E],
    stream: Stream,
    command: C,
    on_success: Iterable[Callback],
    source: Source,
    at: datetime | None,
    companion_of: CompanionOf[S, E] | None,
) -> _Run[S, C, E]:
    return _Run(
        aggregate=aggregate,
        stream=stream,
        command=command,
        on_success=tuple(on_success),
        provenance=recorder.provenance_now(source, at),
        companion_of=companion_of,
    )


def _optimistic(run: _Run[S, C, E]) -> Outcome[S]:
    reached, events = _decided(run)
    new = _new(run, events)
    with _unit(run, new):
        return _committed(run, reached, new)


def _queued(run: _Run[S, C, E]) -> Outcome[S]:
    with transaction.atomic(durable=True):
        return _under_lock(run)


def _under_lock(run: _Run[S, C, E]) -> Outcome[S]:
    reached = states.fresh(run.aggregate, run.stream, queued=True)
    return _committed(run, reached, _new(run, run.aggregate.decide(reached.state, run.command)))


def _decided(run: _Run[S, C, E]) -> tuple[Reached[S], Sequence[E]]:
    """Decide on the cached state. Only events count then, which `append` checks; no refusal."""
    if known := states.cached(run.aggregate, run.stream):
        try:
            events = run.aggregate.decide(known.state, run.command)
        except DomainError:
            events = ()
        if events:
            return known, events
    reached = states.fresh(run.aggregate, run.stream)
    return reached, run.aggregate.decide(reached.state, run.command)


class _New(NamedTuple, Generic[E]):
    """What was decided, on its way into the log, and the names of it that somebody hears."""

    events: Sequence[E]
    drafts: Sequence[Draft]
    heard: Set[str]

    @property
    def has_hooks(self) -> bool:
        return any(map(bus.hooks_of, self.heard))


def _unit(run: _Run[S, C, E], new: _New[E]) -> AbstractContextManager[None]:
    """Return the transaction of the append; none when the append is the only statement."""
    is_alone = not run.projects and not wire.connection().in_atomic_block
    if is_alone and not new.has_hooks:
        # One statement is its own transaction: BEGIN and COMMIT would be two round trips.
        return nullcontext()
    return transaction.atomic(durable=True)


def _new(run: _Run[S, C, E], events: Sequence[E]) -> _New[E]:
    aggregate, stream = run.aggregate, run.stream
    identify = aggregate.identify
    drafts = recorder.drafts(
        [aggregate.encode(event, stream) for event in events],
        default=Category.DOMAIN,
        ids=[identify(event) for event in events] if identify else None,
        looks=catalogue.looks_at(is_typed=aggregate.is_typed),
    )
    return _New(events, drafts, bus.heard({draft.name for draft in drafts}))


def _committed(run: _Run[S, C, E], before: Reached[S], new: _New[E]) -> Outcome[S]:
    after = _after(run, before, new)
    _write(run, before, after, new)
    drafts = new.drafts
    if not drafts:
        wire.after_commit(*run.on_success)
        return Outcome(state=before.state, sequence=before.sequence, count=0)

    def seal() -> tuple[Envelope, ...]:
        return tuple(store.sealed_at(run.stream, drafts, run.provenance, head=after.sequence))

    callbacks = _projected(run, before, after, seal)
    wire.after_commit(_remembering(run, before, after), doorbell.ring_now)
    if new.heard:
        for envelope in seal():
            bus.publish(envelope)
    if run.on_success or callbacks:
        wire.after_commit(*run.on_success, *callbacks)
    return Outcome(state=after.state, sequence=after.sequence, count=len(drafts), seal=seal)


def _after(run: _Run[S, C, E], before: Reached[S], new: _New[E]) -> Reached[S]:
    if not new.drafts:
        return before
    return Reached(
        state=run.aggregate.fold(before.state, new.events),
        sequence=before.sequence + len(new.drafts),
        event_id=new.drafts[-1].event_id,
    )


def _write(run: _Run[S, C, E], before: Reached[S], after: Reached[S], new: _New[E]) -> None:
    """Append, with the companion statement of the caller."""
    stream, provenance, head, drafts = run.stream, run.provenance, before.sequence, new.drafts
    if run.companion_of is None:
        if drafts:
            store.append_unsealed(stream, drafts, provenance, expected=head)
        return
    decided = Decided(
        before=before.state, after=after.state, events=new.events, sequence=after.sequence
    )
    companion = run.companion_of(decided)
    if companion.deferred is not None and new.has_hooks:
        # They see the events of their transaction.
        companion = companion._replace(deferred=None)
    companions.append_with(companion, stream, drafts, provenance, expected=head)


def _projected(
    run: _Run[S, C, E],
    before: Reached[S],
    after: Reached[S],
    seal: Callable[[], tuple[Envelope, ...]],
) -> list[Callback]:
    if run.aggregate.project is None or not run.projects:
        return []
    projection = Projection(
        stream=run.stream, before=before.state, after=after.state, envelopes=seal()
    )
    run.aggregate.project(projection)
    return projection.callbacks


def _remembering(run: _Run[S, C, E], before: Reached[S], after: Reached[S]) -> Callback:
    aggregate, stream = run.aggregate, run.stream

    def remember() -> None:
        states.remember(aggregate, stream, after)
        every = aggregate.spacing(after.state)
        if before.sequence // every < after.sequence // every:
            dumped = aggregate.dump(after.state)
            snapshots.save(aggregate, stream, Snapshot(after.sequence, after.event_id, dumped))

    return remember


def _is_conflict(error: Exception) -> bool:
    if isinstance(error, StreamMoved):
        return True
    state = getattr(error.__cause__, "sqlstate", None)
    return state in {_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED}


def _jitter_seconds(attempt: int) -> float:
    ceiling = min(JITTER_SECONDS * 2**attempt, JITTER_SECONDS_MAX)
    return random.uniform(0, ceiling)  # noqa: S311
