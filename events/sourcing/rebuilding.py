"""Rebuild list rows from the log, and verify that rows and snapshots equal its replay."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import orjson
from django.db import OperationalError, transaction

from events import selectors, store
from events.domain.aggregate import Aggregate, Projection
from events.domain.canonical import JSON, first_difference
from events.domain.envelope import Stream
from events.sourcing import snapshots, states

S = TypeVar("S")

BATCH_STREAMS = 100
_SERIALIZATION_FAILURE = "40001"


def rebuild(aggregate: Aggregate[S, Any, Any]) -> int:
    """Write the list rows of every stream of the kind anew, and return how many streams.

    Safe under load: writers of a stream wait while it is rebuilt, a batch at a time.
    """
    count = 0
    for batch in _batches(aggregate.kind):
        with transaction.atomic(durable=True):
            store.lock(batch)
            for stream in batch:
                _rebuild_one(aggregate, stream)
        count += len(batch)
    return count


def verify(
    aggregate: Aggregate[S, Any, Any], streams: Sequence[Stream] | None = None
) -> Iterator[str]:
    """Yield a sentence per stream whose rows or snapshot differ from its replay.

    Compares canonical JSON, byte for byte, and names the first place that differs. If all
    streams are asked for, so are the rows of which there is no event. In a transaction that sees
    one moment, what was written since is passed over: nobody can rebuild it there.
    """
    if streams is None:
        yield from _rows_without_events(aggregate)
    for batch in [streams] if streams is not None else _batches(aggregate.kind):
        for stream in batch:
            yield from _verify_one(aggregate, stream)


def _verify_one(aggregate: Aggregate[S, Any, Any], stream: Stream) -> list[str]:
    try:
        with transaction.atomic():
            store.lock([stream])
            found = [*_state_differs(aggregate, stream), *_rows_differ(aggregate, stream)]
            # It was only a look. The lock goes with it: a transaction around this one would keep
            # that of every stream that it has looked at, and writers would wait for its end.
            transaction.set_rollback(True)
            return found
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _SERIALIZATION_FAILURE:
            raise
        return []


def _rows_without_events(aggregate: Aggregate[S, Any, Any]) -> Iterator[str]:
    listed = iter(aggregate.listed()) if aggregate.listed else iter(())
    while batch := list(islice(listed, BATCH_STREAMS)):
        for stream in selectors.without_events(batch):
            # Not for a rebuild to take away: it may be all that is left of what was lost.
            yield f"{'/'.join(stream)}: there are list rows and no event; a rebuild leaves them"


def _batches(kind: str) -> Iterator[list[Stream]]:
    after: Stream | None = None
    while batch := store.streams((kind,), after=after, limit=BATCH_STREAMS):
        yield batch
        after = batch[-1]


def _rebuild_one(aggregate: Aggregate[S, Any, Any], stream: Stream) -> None:
    if aggregate.project is None or aggregate.clear is None:
        return
    envelopes = tuple(store.load(stream))
    before = aggregate.initial(stream)
    events = (
        aggregate.read(each.name, each.version, each.data, each.emitted_at) for each in envelopes
    )
    after = aggregate.fold(before, events)
    aggregate.clear(stream)
    aggregate.project(
        Projection(stream=stream, before=before, after=after, envelopes=envelopes, is_rebuild=True)
    )


def _state_differs(aggregate: Aggregate[S, Any, Any], stream: Stream) -> Iterator[str]:
    snapshot = snapshots.load(aggregate, stream)
    until = snapshot.sequence if snapshot else None
    history = (each for each in store.history(stream) if until is None or each[0] <= until)
    replayed = states.replayed(aggregate, history, stream)
    dumped = as_read_back(aggregate.dump(replayed.state))
    again = as_read_back(aggregate.dump(aggregate.load(dumped)))
    if place := first_difference(dumped, again):
        yield f"{'/'.join(stream)}: the state does not survive dump and load at {place}"
    if snapshot and (place := first_difference(snapshot.state, dumped)):
        yield f"{'/'.join(stream)}: the snapshot at {until} differs from the replay at {place}"


def _rows_differ(aggregate: Aggregate[S, Any, Any], stream: Stream) -> list[str]:
    if aggregate.rows is None:
        return []
    stored = as_read_back(aggregate.rows(stream))
    _rebuild_one(aggregate, stream)
    rebuilt = as_read_back(aggregate.rows(stream))
    place = first_difference(stored, rebuilt)
    return [f"{'/'.join(stream)}: the list rows differ from the replay at {place}"] if place else []


def as_read_back(value: JSON) -> JSON:
    """Return `value` as it is after a trip through the database."""
    return orjson.loads(orjson.dumps(value))
