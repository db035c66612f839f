"""Read the log. Readers of everything page by position and miss nothing; readers of one stream
page by sequence."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from events import store, wire
from events.domain.envelope import Envelope, Stream
from events.domain.patterns import checked
from events.domain.streams import key_of, key_range, stream_of

FEED_EVENTS_MAX = 1_000
SCANNED_POSITIONS_MAX: Final = 500_000
"""How far a page looks for what matches: a second or two. Of a kind of event that is new, the first
is behind all of the log, and a look there could take longer than a statement may."""

_FEED = (
    f"SELECT {store.ENVELOPE_COLUMNS}, p.position FROM events_position p "
    "JOIN events_event e ON e.id = p.event "
    "WHERE p.position > %s AND p.position <= %s"
)

_POSITION_MAX = 2**63 - 1

# By events_by_name and events_by_family; no index knows the beginnings of names.
_NAMED = (
    " AND (e.name = ANY (%s::text[])"
    " OR split_part(e.name, '.', 1) = ANY (%s::text[]) AND e.name ^@ ANY (%s::text[]))"
)

# By events_one_event_per_sequence.
_WITHOUT_EVENTS = (
    "SELECT stream FROM unnest(%s::text[]) AS given (stream) "
    "WHERE NOT EXISTS (SELECT FROM events_event e WHERE e.stream = given.stream)"
)

# By events_by_correlation.
_STORIES_WITH_EVENTS = (
    "SELECT story FROM unnest(%s::text[]) AS given (story) "
    "WHERE EXISTS (SELECT FROM events_event e WHERE e.correlation_id = given.story)"
)


class Page(NamedTuple):
    """Events of the feed, and the position up to which no others match: ask on from there."""

    events: list[Envelope]
    reached: int


def page(
    *,
    after: int,
    head: int,
    limit: int,
    streams: Sequence[Stream] | None = None,
    names: Sequence[str] | None = None,
) -> Page:
    """Return the next events as `feed` does, and how far it has looked. Raises as `feed` does.

    All up to `head` was committed before: `head_position()`, or what was read already.
    It may have no events and yet not be the last: that it is, if it has reached the head.
    """
    until = after + SCANNED_POSITIONS_MAX
    events = feed(after=after, until=until, limit=limit, streams=streams, names=names)
    last = (events[-1].position if events else None) or after
    is_full = len(events) == min(limit, FEED_EVENTS_MAX)
    return Page(events, last if is_full else max(last, min(head, until)))


def feed(
    *,
    after: int,
    until: int | None = None,
    limit: int = 100,
    streams: Sequence[Stream] | None = None,
    names: Sequence[str] | None = None,
) -> list[Envelope]:
    """Return the next events after position `after`, in order, at most `limit` of them.

    None is after position `until`. `streams` are prefixes of stream paths, `names` event names or
    patterns (`invoice.*`); None means any, an empty list none.

    :raises StreamMalformed, StreamTooLong: if a prefix names no stream.
    :raises PatternMalformed: if a name can match no event.
    """
    if (streams is not None and not streams) or (names is not None and not names):
        return []
    conditions, params = _stream_conditions(streams or [])
    more, more_params = _name_conditions(names or [])
    sql = _FEED + conditions + more + " ORDER BY p.position LIMIT %s"
    last = _POSITION_MAX if until is None else until
    wanted = [after, last, *params, *more_params, min(limit, FEED_EVENTS_MAX)]
    rows = wire.run(sql, wanted, binary=True).fetchall()
    return [store.envelope_of(row, position=row[-1]) for row in rows]


def stream_events(stream: Stream, *, after: int = 0, limit: int | None = None) -> list[Envelope]:
    """Return the events of `stream` in order, those after sequence `after`."""
    return list(store.load(stream, after=after, limit=limit))


def event(event_id: str) -> Envelope | None:
    """Return the recorded event with that id, None when there is none."""
    return store.find(event_id)


def without_events(streams: Sequence[Stream]) -> list[Stream]:
    """Return those of `streams` of which there is no event."""
    rows = wire.run(_WITHOUT_EVENTS, [[key_of(stream) for stream in streams]]).fetchall()
    return [stream_of(row[0]) for row in rows]


def stories_with_events(correlation_ids: Collection[str]) -> set[str]:
    """Return those of `correlation_ids` that some event carries."""
    rows = wire.run(_STORIES_WITH_EVENTS, [list(correlation_ids)]).fetchall()
    return {correlation_id for (correlation_id,) in rows}


def head_position() -> int:
    """Return the position of the latest sequenced event, 0 when there is none."""
    row = wire.run("SELECT coalesce(max(position), 0) FROM events_position").fetchone()
    assert row is not None
    return int(row[0])


def _stream_conditions(streams: Sequence[Stream]) -> tuple[str, list[object]]:
    if not streams:
        return "", []
    params = [bound for stream in streams for bound in key_range(stream)]
    ranges = " OR ".join(["(e.stream >= %s AND e.stream < %s)"] * len(streams))
    return f" AND ({ranges})", [*params]


def _name_conditions(names: Sequence[str]) -> tuple[str, list[object]]:
    patterns = [checked(name) for name in names]
    if not patterns or "*" in patterns:
        return "", []
    prefixes = [pattern[:-1] for pattern in patterns if pattern.endswith(".*")]
    exact = [pattern for pattern in patterns if not pattern.endswith(".*")]
    families = [prefix.partition(".")[0] for prefix in prefixes]
    return _NAMED, [exact, families, prefixes]
