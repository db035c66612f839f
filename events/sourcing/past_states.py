"""The state of a stream after one of its earlier events, folded from the nearest known before it.

A snapshot is there of the latest events only. Whoever looks back goes to and fro, so a long
fold leaves states on its way behind, in this process.
"""

import threading
from collections import OrderedDict
from itertools import islice
from typing import Any, TypeVar

from events import store
from events.domain.aggregate import Aggregate
from events.domain.envelope import Stream
from events.sourcing import states
from events.sourcing.states import Reached

S = TypeVar("S")

SEQUENCE_MAX = 2**31 - 1
WAYPOINT_EVENTS = 2_000
WAYPOINTS_MAX = 32
"""Of all streams. What two of them have in common is kept once, if their aggregate shares it."""


class _Waypoints:
    """The least recently used go first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: OrderedDict[tuple[Stream, int], tuple[Aggregate[Any, Any, Any], Reached[Any]]]
        self._states = OrderedDict()

    def before(
        self, aggregate: Aggregate[S, Any, Any], stream: Stream, sequence: int
    ) -> Reached[S] | None:
        with self._lock:
            known = [
                key
                for key, (of, _) in self._states.items()
                if key[0] == stream and key[1] <= sequence and of is aggregate
            ]
            if not known:
                return None
            nearest = max(known)
            self._states.move_to_end(nearest)
            return self._states[nearest][1]

    def put(self, aggregate: Aggregate[S, Any, Any], stream: Stream, at: Reached[S]) -> None:
        with self._lock:
            self._states[stream, at.sequence] = (aggregate, at)
            if len(self._states) > WAYPOINTS_MAX:
                self._states.popitem(last=False)


_waypoints = _Waypoints()


def reached(aggregate: Aggregate[S, Any, Any], stream: Stream, sequence: int) -> Reached[S]:
    """Return the state after event number `sequence` (from 1), or after the last before it."""
    sequence = min(sequence, SEQUENCE_MAX)
    known = states.cached(aggregate, stream)
    if known is None or known.sequence > sequence:
        known = states.snapshotted(aggregate, stream, until=sequence)
    waypoint = _waypoints.before(aggregate, stream, sequence)
    if waypoint is not None and (known is None or known.sequence < waypoint.sequence):
        known = waypoint
    found = known and _folded(aggregate, stream, sequence, known)
    if found is None:
        # What is known is of another past: the database was restored. Or nothing is.
        beginning = Reached(state=aggregate.initial(stream), sequence=0, event_id="")
        found = _folded(aggregate, stream, sequence, beginning)
    assert found is not None, "every past begins with the beginning"
    return found


def _folded(
    aggregate: Aggregate[S, Any, Any], stream: Stream, until: int, base: Reached[S]
) -> Reached[S] | None:
    """Fold what came after `base`; None when `base` is not of this stream's past."""
    since = max(base.sequence, 1)
    history = store.history(stream, since=since, limit=until - since + 1)
    if base.sequence:
        head = next(history, None)
        if head is None or head[:2] != (base.sequence, base.event_id):
            return None
    at = base
    while part := list(islice(history, WAYPOINT_EVENTS)):
        at = states.replayed(aggregate, iter(part), stream, base=at)
        if len(part) == WAYPOINT_EVENTS:
            _waypoints.put(aggregate, stream, at)
    return at
