"""The state of a stream, from the nearest safe source: process cache, snapshot, or the log.

A cached state is checked twice: here by the id of its last event, and by `append`, which
refuses when the stream has moved.

Neither can fail otherwise than because others wrote more, unless the database has lost commits
under the process: by a failover to a replica that was behind, or a restore. `append` compares
lengths alone, so a stream that others have made as long again is found out by the next look.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar, cast

import orjson

from events import store, wire
from events.domain.aggregate import Aggregate
from events.domain.envelope import Stream
from events.domain.streams import key_of
from events.sourcing import snapshots
from events.sourcing.snapshots import Snapshot

logger = logging.getLogger(__name__)

S = TypeVar("S")

CACHED_STREAMS_MAX = 1_024
CONTENDED_SECONDS = 1.0


class Reached(NamedTuple, Generic[S]):
    """A state, and the event after which it holds; sequence 0 is the beginning."""

    state: S
    sequence: int
    event_id: str


class _Cache:
    """The least recently used go first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: OrderedDict[Stream, tuple[Aggregate[Any, Any, Any], Reached[Any]]]
        self._states = OrderedDict()

    def get(self, aggregate: Aggregate[S, Any, Any], stream: Stream) -> Reached[S] | None:
        with self._lock:
            held = self._states.get(stream)
            if held is None or held[0] is not aggregate:
                return None
            self._states.move_to_end(stream)
            return held[1]

    def put(self, aggregate: Aggregate[S, Any, Any], stream: Stream, at: Reached[S]) -> None:
        with self._lock:
            self._states[stream] = (aggregate, at)
            self._states.move_to_end(stream)
            if len(self._states) > CACHED_STREAMS_MAX:
                self._states.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._states.clear()


_cache = _Cache()
_contended_until: dict[Stream, float] = {}
_looked_at: dict[Stream, float] = {}


def cached(aggregate: Aggregate[S, Any, Any], stream: Stream) -> Reached[S] | None:
    """Return the state last seen by this process, which may be behind."""
    return _cache.get(aggregate, stream)


def fresh(aggregate: Aggregate[S, Any, Any], stream: Stream, *, queued: bool = False) -> Reached[S]:
    """Return the state of `stream` as this transaction sees it.

    When `queued`, hold the lock of the stream from then on.
    """
    known = _cache.get(aggregate, stream)
    if known is None and not queued:
        reached = _loaded(aggregate, stream)
    else:
        base = known or snapshotted(aggregate, stream)
        reached = base and _followed(aggregate, stream, base, queued=queued)
    if reached is None:
        # What is known is of another past: the database was restored. Or nothing is.
        if known is not None and _is_lost(stream, known):
            forget_other_past(stream)
        reached = replayed(aggregate, store.history(stream, queued=queued), stream)
    if reached.sequence and not wire.connection().in_atomic_block:
        _cache.put(aggregate, stream, reached)
    return reached


def recent(aggregate: Aggregate[S, Any, Any], stream: Stream, *, seconds: float) -> Reached[S]:
    """Return the state of `stream` as it was at most `seconds` ago.

    What this process has committed itself is always in it.
    """
    now = time.monotonic()
    known = _cache.get(aggregate, stream)
    if known is not None and _looked_at.get(stream, -seconds) + seconds > now:
        return known
    reached = fresh(aggregate, stream)
    if not wire.connection().in_atomic_block:
        # Also when there is nothing yet: that is known too.
        _cache.put(aggregate, stream, reached)
        _looked_at[stream] = now
    return reached


def remember(aggregate: Aggregate[S, Any, Any], stream: Stream, at: Reached[S]) -> None:
    """Cache a committed state."""
    _cache.put(aggregate, stream, at)


def remember_loaded(
    aggregate: Aggregate[S, Any, Any], stream: Stream, rows: list[wire.Row]
) -> bool:
    """Cache the state that rows of `snapshots.loading` say. Return False if they say none.

    They have committed: whoever read them is not in a transaction.
    """
    known = _cache.get(aggregate, stream)
    tail = None if known is None else _tail_after(known, rows)
    if known is not None and tail is not None:
        reached: Reached[S] | None = replayed(aggregate, iter(tail), stream, base=known)
    else:
        reached = _folded(aggregate, stream, snapshots.loaded(stream, rows))
    if reached is None or not reached.sequence:
        return False
    _cache.put(aggregate, stream, reached)
    return True


def _tail_after(known: Reached[Any], rows: list[wire.Row]) -> list[store.Recorded] | None:
    """Return the events after `known`; None if the rows are not those of its past, or not all."""
    if len(rows) >= store.CHUNK_EVENTS:
        return None
    recorded = [cast("store.Recorded", row[3:]) for row in rows]
    place = next((nth for nth, each in enumerate(recorded) if each[0] == known.sequence), None)
    if place is None or recorded[place][1] != known.event_id:
        return None
    return recorded[place + 1 :]


def mark_contended(stream: Stream) -> None:
    """Note that others write this stream: for a while it pays to take its lock before deciding."""
    if len(_contended_until) >= CACHED_STREAMS_MAX:
        _contended_until.clear()
    _contended_until[stream] = time.monotonic() + CONTENDED_SECONDS


def is_contended(stream: Stream) -> bool:
    """Whether others were seen to write this stream lately."""
    until = _contended_until.get(stream)
    return until is not None and until > time.monotonic()


def forget_all() -> None:
    """Empty the cache. For tests, and after a database was restored under a process."""
    _cache.clear()
    _contended_until.clear()
    _looked_at.clear()


def forget_other_past(stream: Stream) -> None:
    """Empty the cache, for the log has not what this process has written to `stream`, or read."""
    logger.error(
        "The log of a stream is not the one that this process knows: the database has lost "
        "commits. All cached states are forgotten; what was lost is for an operator to find out.",
        extra={"stream": key_of(stream)},
    )
    forget_all()


def _is_lost(stream: Stream, known: Reached[Any]) -> bool:
    """Return whether an event that was known is gone, or is another.

    A transaction that began before it sees less than there is.
    """
    found = next(store.history(stream, since=known.sequence, limit=1), None)
    if found is None:
        return not wire.connection().in_atomic_block
    return found[:2] != (known.sequence, known.event_id)


def replayed(
    aggregate: Aggregate[S, Any, Any],
    history: Iterator[store.Recorded],
    stream: Stream,
    *,
    base: Reached[S] | None = None,
) -> Reached[S]:
    """Fold `history` onto `base`, or onto the beginning."""
    start = base or Reached(state=aggregate.initial(stream), sequence=0, event_id="")
    state, sequence, event_id = start.state, start.sequence, start.event_id
    decode, dated, evolve = aggregate.decode, aggregate.dated, aggregate.evolve
    # aggregate.read and fold, written out: half of a long replay would be their calls.
    for sequence, event_id, name, version, text, at in history:  # noqa: B007
        event = decode(name, version, orjson.loads(text))
        state = evolve(state, dated(event, at) if dated else event)
    return Reached(state=state, sequence=sequence, event_id=event_id)


def snapshotted(
    aggregate: Aggregate[S, Any, Any], stream: Stream, *, until: int | None = None
) -> Reached[S] | None:
    """Return the state of the snapshot; None if there is none, or only of after event `until`."""
    snapshot = snapshots.load(aggregate, stream, until=until)
    return snapshot and _reached(aggregate, snapshot)


def _loaded(aggregate: Aggregate[S, Any, Any], stream: Stream) -> Reached[S] | None:
    """Fold what came after the snapshot; None when that is not of this stream's past."""
    return _folded(aggregate, stream, snapshots.load_with_tail(aggregate, stream))


def _folded(
    aggregate: Aggregate[S, Any, Any],
    stream: Stream,
    found: tuple[Snapshot | None, Iterator[store.Recorded]] | None,
) -> Reached[S] | None:
    if found is None:
        return None
    snapshot, tail = found
    base = _reached(aggregate, snapshot) if snapshot else None
    return replayed(aggregate, tail, stream, base=base)


def _reached(aggregate: Aggregate[S, Any, Any], snapshot: Snapshot) -> Reached[S]:
    return Reached(
        state=aggregate.load(snapshot.state),
        sequence=snapshot.sequence,
        event_id=snapshot.event_id,
    )


def _followed(
    aggregate: Aggregate[S, Any, Any], stream: Stream, base: Reached[S], *, queued: bool
) -> Reached[S] | None:
    """Fold what came after `base`; None when `base` is not of this stream's past."""
    history = store.history(stream, since=base.sequence, queued=queued)
    head = next(history, None)
    if head is None or head[:2] != (base.sequence, base.event_id):
        return None
    following = next(history, None)
    if following is None:
        return base
    return replayed(aggregate, chain([following], history), stream, base=base)
