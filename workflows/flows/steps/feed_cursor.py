"""The cursor of the follower: up to where the feed was read for waiting steps and starts.

Note [Nobody waits past]: a new waiter locks the cursor FOR SHARE, registers itself, and reads
the events between its own beginning and the cursor; the follower locks the cursor FOR UPDATE.
So every event after the beginning is seen by exactly one of the two.
"""

from collections.abc import Iterator, Sequence

from events import selectors as log
from events import wire
from events.domain.envelope import Envelope, Stream
from events.domain.streams import key_of
from events.selectors import FEED_EVENTS_MAX

_NAME = "flows"
_BEGUN = """
INSERT INTO flows_feedcursor (name, position)
SELECT %s, coalesce(max(position), 0) FROM events_position
ON CONFLICT (name) DO NOTHING
"""
_SHARED = "SELECT position FROM flows_feedcursor WHERE name = %s FOR SHARE"
_ALONE = "SELECT position FROM flows_feedcursor WHERE name = %s FOR UPDATE"
_MOVED = "UPDATE flows_feedcursor SET position = %s WHERE name = %s"
_LAG = """
SELECT (SELECT coalesce(max(position), 0) FROM events_position)
       - coalesce((SELECT min(position) FROM flows_feedcursor), 0),
       EXISTS (SELECT FROM flows_awaitedevent)
       OR EXISTS (SELECT FROM flows_flowstart WHERE enabled AND event <> '')
"""
_POSITIONS_OF = """
SELECT w.number, p.position
  FROM unnest(%s::text[], %s::bigint[]) WITH ORDINALITY AS w (stream, sequence, number)
  JOIN events_event e ON e.stream = w.stream AND e.sequence = w.sequence
  JOIN events_position p ON p.event = e.id
"""


def lock_shared() -> int:
    """Return where the cursor is and keep it there until the caller's transaction ends."""
    return _held(_SHARED)


def lock_exclusive() -> int:
    """Return where the cursor is, and lock out new waiters until the transaction ends."""
    return _held(_ALONE)


def move_to(position: int) -> None:
    """Record that all events up to `position` were read. The caller holds the cursor alone."""
    wire.run(_MOVED, [position, _NAME])


def lag() -> tuple[int, bool]:
    """Return how many events were not read yet, and whether there is a waiter."""
    row = wire.run(_LAG).fetchone()
    assert row is not None, "two subqueries have one row"
    return int(row[0]), bool(row[1])


def positions_of(events: Sequence[tuple[Stream, int]]) -> list[int | None]:
    """Return the position of each event, given by stream and sequence; None if it has none yet."""
    if not events:
        return []
    keys, sequences = [key_of(stream) for stream, _ in events], [at for _, at in events]
    found = {int(row[0]): int(row[1]) for row in wire.run(_POSITIONS_OF, [keys, sequences])}
    return [found.get(number) for number in range(1, len(events) + 1)]


def between(name: str, *, after: int, until: int) -> Iterator[Envelope]:
    """Yield the events called `name` after one position, up to another."""
    while after < until:
        page = log.feed(after=after, limit=FEED_EVENTS_MAX, names=[name])
        for event in page:
            assert event.position is not None, "the feed has positions"
            if event.position > until:
                return
            after = event.position
            yield event
        if len(page) < FEED_EVENTS_MAX:
            return


def _held(sql: str) -> int:
    row = wire.run(sql, [_NAME]).fetchone()
    if row is None:
        wire.run(_BEGUN, [_NAME])
        row = wire.run(sql, [_NAME]).fetchone()
        assert row is not None, "the cursor was just made"
    return int(row[0])
