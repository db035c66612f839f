"""Queries of the log for people: the newest first, one correlation, volume and lag.

A program that must not miss an event uses `selectors.feed`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from events import store, wire
from events.domain.envelope import Category, Envelope, Stream
from events.domain.event_filter import EventFilter
from events.domain.patterns import checked
from events.domain.streams import key_of, key_range

PAGE_EVENTS_MAX = 500
STORY_EVENTS_MAX = 500

# A transaction that was long under way gets its positions long after its recorded_at.
_LATE_COMMITS = timedelta(minutes=10)

_SEQUENCED = (
    f"SELECT {store.ENVELOPE_COLUMNS}, p.position FROM events_position p "
    "JOIN events_event e ON e.id = p.event "
)
_RECORDED = (
    f"SELECT {store.ENVELOPE_COLUMNS}, p.position FROM events_event e "
    "LEFT JOIN events_position p ON p.event = e.id "
)
_OF_STREAM = f"SELECT {store.ENVELOPE_COLUMNS} FROM events_event e "

# Two rows by their keys in each turn: 21 turns in a log of a million events.
_POSITION_AT = """
WITH RECURSIVE half (low, high) AS (
  SELECT 1::bigint, coalesce(max(position), 0) + 1 FROM events_position
  UNION ALL
  SELECT CASE WHEN m.recorded_at < %s THEN m.position + 1 ELSE low END,
         CASE WHEN m.recorded_at < %s THEN high ELSE m.position END
    FROM half CROSS JOIN LATERAL (
      SELECT p.position, e.recorded_at FROM events_position p JOIN events_event e ON e.id = p.event
       WHERE p.position = (low + high) / 2 OFFSET 0
    ) m
   WHERE low < high
)
SELECT low, (SELECT event FROM events_position WHERE position = low) FROM half WHERE low = high
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A filter of the log. Empty parts do not restrict.

    `streams` are prefixes, `names` names or patterns (`invoice.*`). `since` and `until`
    bound the time of recording, `after` and `before` the position.
    """

    streams: Sequence[Stream] | None = None
    names: Sequence[str] = ()
    category: Category | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far the sequencer is behind: events without a position, and the age of the first.

    `head` is the last position that it gave, 0 before the first.
    """

    events: int
    seconds: float
    head: int


def latest(window: Window, *, limit: int = 50) -> list[Envelope]:
    """Return the newest sequenced events of `window`, newest first.

    :raises StreamMalformed, StreamTooLong: if a prefix names no stream.
    :raises PatternMalformed: if a name can match no event.
    """
    if window.streams is not None and not window.streams:
        return []
    clauses = _Clauses()
    clauses.streams(window.streams or ())
    clauses.names(window.names)
    if window.category is not None:
        clauses.add("e.category = %s", window.category.value)
    if window.after is not None:
        clauses.add("p.position > %s", window.after)
    if window.before is not None:
        clauses.add("p.position < %s", window.before)
    clauses.times(window.since, window.until)
    sql = _SEQUENCED + clauses.where() + " ORDER BY p.position DESC LIMIT %s"
    rows = wire.run(sql, [*clauses.params, min(limit, PAGE_EVENTS_MAX)], binary=True).fetchall()
    return [store.envelope_of(row, position=row[-1]) for row in rows]


def one(event_id: str) -> Envelope | None:
    """Return the event with that id, with its position if it has one already."""
    # Index events_one_event_per_id.
    rows = wire.run(_RECORDED + "WHERE e.event_id = %s", [event_id], binary=True).fetchall()
    return store.envelope_of(rows[0], position=rows[0][-1]) if rows else None


def story(correlation_id: str) -> list[Envelope]:
    """Return the events of one correlation, in order of recording: at most STORY_EVENTS_MAX."""
    # Index events_by_correlation.
    sql = _RECORDED + "WHERE e.correlation_id = %s ORDER BY e.id LIMIT %s"
    rows = wire.run(sql, [correlation_id, STORY_EVENTS_MAX], binary=True).fetchall()
    return [store.envelope_of(row, position=row[-1]) for row in rows]


def head_sequence(stream: Stream) -> int:
    """Return the sequence of the last event of exactly `stream`, 0 when there is none."""
    sql = "SELECT coalesce(max(sequence), 0) FROM events_event WHERE stream = %s"
    return int(_scalar(sql, [key_of(stream)]))


def last_of(stream: Stream, *, names: Sequence[str]) -> Envelope | None:
    """Return the last event of exactly `stream` that has one of these names."""
    # The index of the stream, backwards.
    sql = _RECORDED + (
        "WHERE e.stream = %s AND e.name = ANY (%s::text[]) ORDER BY e.sequence DESC LIMIT 1"
    )
    rows = wire.run(sql, [key_of(stream), list(names)], binary=True).fetchall()
    return store.envelope_of(rows[0], position=rows[0][-1]) if rows else None


def picked(
    stream: Stream,
    filters: Sequence[EventFilter],
    *,
    after: int = 0,
    before: int | None = None,
    limit: int | None,
    latest_first: bool = False,
) -> list[Envelope]:
    """Return the events of exactly `stream` that match a filter, in order or latest first.

    Those after sequence `after` and before `before`; at most `limit`, all if it is None.
    """
    kinds = _Clauses(" OR ")
    for one in filters:
        if one.member:
            says = f"e.name = ANY (%s::text[]) AND {store.DATA}::json ->> %s = ANY (%s::text[])"
            kinds.add(says, list(one.names), one.member, sorted(one.values))
        else:
            kinds.add("e.name = ANY (%s::text[])", list(one.names))
    if not kinds:
        return []
    clauses = _Clauses()
    clauses.add("e.stream = %s AND e.sequence > %s", key_of(stream), after)
    if before is not None:
        clauses.add("e.sequence < %s", before)
    clauses.add(f"({kinds.text()})", *kinds.params)
    # Index events_one_event_per_sequence, from one end of the stream or the other.
    order: LiteralString = "DESC" if latest_first else "ASC"
    sql = _OF_STREAM + clauses.where() + f" ORDER BY e.sequence {order} LIMIT %s"
    rows = wire.run(sql, [*clauses.params, limit], binary=True).fetchall()
    return [store.envelope_of(row) for row in rows]


def per_minute(*, now: datetime, minutes: int = 60) -> list[int]:
    """Return how many events were recorded in each of the last `minutes`, the oldest first."""
    start = now - timedelta(minutes=minutes)
    position, event = _place_at(start - _LATE_COMMITS)
    # Ids are drawn as events are recorded. Without them PostgreSQL would rather read the whole
    # log than look up the events of a quarter of an hour one by one.
    sql = (
        "SELECT floor(extract(epoch FROM e.recorded_at - %s) / 60)::int AS minute, count(*) "
        "FROM events_position p JOIN events_event e ON e.id = p.event "
        "WHERE p.position >= %s AND e.id >= %s AND e.recorded_at >= %s AND e.recorded_at < %s "
        "GROUP BY minute"
    )
    params = [start, position, event, start, now]
    counts: dict[int, int] = dict(wire.run(sql, params).fetchall())
    return [counts.get(minute, 0) for minute in range(minutes)]


def lag() -> Lag:
    """Return how far the sequencer is behind, by the clock of the database, which records."""
    sql = (
        "SELECT coalesce(sum(1 + coalesce(cardinality(u.others), 0)), 0), "
        "coalesce(extract(epoch FROM clock_timestamp() - min(e.recorded_at)), 0)::float8, "
        "(SELECT coalesce(max(position), 0) FROM events_position) "
        "FROM events_unsequenced u JOIN events_event e ON e.id = u.event"
    )
    [(count, seconds, head)] = wire.run(sql).fetchall()
    # Whose clock was set back meanwhile says less than nothing.
    return Lag(events=count, seconds=max(0.0, seconds), head=head)


def position_at(moment: datetime) -> int:
    """Return the first position recorded at or after `moment`, or the one after the last.

    Positions are dense and nearly in the order of recording: bisecting them needs no index
    on time. "Nearly" is up to the duration of a transaction, so callers leave some room.
    """
    position, _ = _place_at(moment)
    return position


def _place_at(moment: datetime) -> tuple[int, int | None]:
    """Return `position_at`, and the id that no event from there on is far below.

    None when there is no event from there on. The first event has none before it, but may
    have been committed before one with a smaller id.
    """
    [(position, event)] = wire.run(_POSITION_AT, [moment, moment]).fetchall()
    return position, event and (event if position > 1 else 0)


class _Clauses:
    """The conditions of one query, with their parameters in step."""

    def __init__(self, joined_by: LiteralString = " AND ") -> None:
        self._joined_by = joined_by
        self._conditions: list[LiteralString] = []
        self.params: list[object] = []

    def add(self, condition: LiteralString, *params: object) -> None:
        self._conditions.append(condition)
        self.params.extend(params)

    def streams(self, prefixes: Sequence[Stream]) -> None:
        if prefixes:
            bounds = [bound for prefix in prefixes for bound in key_range(prefix)]
            ranges = " OR ".join(["(e.stream >= %s AND e.stream < %s)"] * len(prefixes))
            self.add(f"({ranges})", *bounds)

    def names(self, patterns: Sequence[str]) -> None:
        known = [checked(pattern) for pattern in patterns]
        if not known or "*" in known:
            return
        exact = [name for name in known if not name.endswith(".*")]
        prefixes = [name[:-1] for name in known if name.endswith(".*")]
        if prefixes:
            self.add("(e.name = ANY (%s::text[]) OR e.name ^@ ANY (%s::text[]))", exact, prefixes)
        else:
            # Index events_by_name, which knows no prefixes.
            self.add("e.name = ANY (%s::text[])", exact)

    def times(self, since: datetime | None, until: datetime | None) -> None:
        if since is not None:
            self.add("p.position >= %s", position_at(since - _LATE_COMMITS))
            self.add("e.recorded_at >= %s", since)
        if until is not None:
            self.add("p.position < %s", position_at(until + _LATE_COMMITS))
            self.add("e.recorded_at < %s", until)

    def __bool__(self) -> bool:
        return bool(self._conditions)

    def text(self) -> LiteralString:
        return self._joined_by.join(self._conditions)

    def where(self) -> LiteralString:
        return f"WHERE {self.text()}" if self else ""


def _scalar(sql: LiteralString, params: Sequence[object]) -> Any:
    row = wire.run(sql, params).fetchone()
    assert row is not None
    return row[0]
