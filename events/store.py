"""Append to a stream, read a stream. Nothing else touches the tables of the log.

Writers of one stream queue up on an advisory lock that `events_append` takes and the end
of the transaction releases; UNIQUE (stream, sequence) stands behind it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, LiteralString, NamedTuple, cast

import orjson
from django.db import DatabaseError

from events import payloads, wire
from events.domain.draft import Draft, Provenance, sealed
from events.domain.envelope import Category, Envelope, Source, Stream
from events.domain.errors import Conflict
from events.domain.principal import Principal
from events.domain.streams import key_of, key_range, stream_of
from events.wire import JsonText

STREAM_MOVED = "DB001"
"""SQLSTATE of our own, raised by `events_append`."""
CHUNK_EVENTS = 10_000

_APPENDED = (
    "events_append(%(stream)s, %(expected)s::int, %(once)s, %(source)s, %(principal)s, "
    "%(correlation_id)s, %(causation_id)s, %(emitted_at)s, %(events)s::text)"
)
# Most appends are of one event, and need no lines.
_APPENDED_ONE = (
    "events_append_one(%(stream)s, %(expected)s::int, %(once)s, %(source)s, %(principal)s, "
    "%(correlation_id)s, %(causation_id)s, %(emitted_at)s, %(event_id)s, %(event_name)s, "
    "%(event_version)s::int, %(event_category)s, %(event_data)s, %(event_payload)s)"
)
APPENDED_MANY = "events_append_many(%(streams)s::json, %(appends)s::json)"

# A join would be planned for every event, and made; few have a payload.
DATA = "coalesce(e.data, (SELECT body FROM events_payload WHERE hash = e.payload_id))"
ENVELOPE_COLUMNS = (
    "e.stream, e.sequence, e.event_id, e.name, e.version, e.category, e.source, e.principal, "
    f"e.correlation_id, e.causation_id, {DATA}, e.emitted_at"
)

# Index events_one_event_per_sequence.
_LOAD = (
    f"SELECT {ENVELOPE_COLUMNS} FROM events_event e "
    "WHERE e.stream = %s AND e.sequence > %s ORDER BY e.sequence LIMIT %s"
)
_HISTORY = (
    f"SELECT e.sequence, e.event_id, e.name, e.version, {DATA}, e.emitted_at FROM events_event e "
    "WHERE e.stream = %(stream)s AND e.sequence >= %(since)s ORDER BY e.sequence LIMIT %(limit)s"
)
_LOCKED_HISTORY = "SELECT * FROM events_locked_history(%(stream)s, %(since)s::int, %(limit)s::int)"
# Index events_one_event_per_sequence, one descent per stream: DISTINCT would read them whole.
_STREAMS = """
WITH RECURSIVE s AS (
  (SELECT stream FROM events_event WHERE stream >= %s AND stream < %s ORDER BY stream LIMIT 1)
  UNION ALL
  SELECT (
    SELECT stream FROM events_event e WHERE e.stream > s.stream AND e.stream < %s
    ORDER BY stream LIMIT 1
  ) FROM s WHERE s.stream IS NOT NULL
)
SELECT stream FROM s WHERE stream IS NOT NULL LIMIT %s
"""
# Primary key, backwards.
_LATEST_STREAMS = """
SELECT DISTINCT stream FROM (
  SELECT stream FROM events_event WHERE stream >= %s AND stream < %s ORDER BY id DESC LIMIT %s
) latest
"""
_BY_EVENT_ID = f"SELECT {ENVELOPE_COLUMNS} FROM events_event e WHERE e.event_id = %s"


class StreamMoved(Conflict):
    code = "stream_moved"
    hint = "Reload and decide again."

    def __init__(self, stream: Stream, expected: int, actual: int) -> None:
        self.actual = actual
        self.is_behind = actual < expected
        super().__init__(
            f"Stream {key_of(stream)} is at {actual}, not at {expected}.",
            stream=list(stream),
            expected=expected,
            actual=actual,
        )


Recorded = tuple[int, str, str, int, str, datetime]
"""An event as a fold needs it, there may be a hundred thousand: sequence, event id, name,
version, text of the data, time of emission."""


def append(
    stream: Stream,
    drafts: Sequence[Draft],
    provenance: Provenance,
    *,
    expected: int | None = None,
    once: bool = False,
) -> list[Envelope]:
    """Write `drafts` at the end of `stream`, all or none, and return their envelopes.

    With `once`, nothing is written and nothing returned if one of the event ids is in the
    log already.

    :raises StreamMoved: if the stream is not at `expected`.
    """
    head, _ = append_unsealed(stream, drafts, provenance, expected=expected, once=once)
    return [] if head is None else sealed_at(stream, drafts, provenance, head=head)


def append_unsealed(
    stream: Stream,
    drafts: Sequence[Draft],
    provenance: Provenance,
    *,
    expected: int | None = None,
    once: bool = False,
    first: Sequence[wire.Statement] = (),
) -> tuple[int | None, list[list[wire.Row]]]:
    """Append as `append` does; return the new head, None if nothing was written, and more rows:
    those of `first`, statements that share the round trip and run before.

    Makes no envelopes: they would take a tenth of the time of several events.
    """
    new = appending(stream, drafts, provenance, expected=expected, once=once)
    append = (f"SELECT {new.sql}", new.params())
    try:
        *rows, [(head,)] = wire.fetch_all([*first, append])
    except DatabaseError as error:
        raise refusal(error, stream, expected) or error from error.__cause__
    return cast("int | None", head), rows


def lock(streams: Iterable[Stream]) -> None:
    """Queue for `streams` until the end of the transaction, in the order of their keys.

    Take it before any row lock; `append` takes the lock of its stream by itself.
    """
    wire.run("SELECT events_lock(%s::text[])", [sorted(key_of(stream) for stream in streams)])


def load(stream: Stream, *, after: int = 0, limit: int | None = None) -> Iterator[Envelope]:
    """Yield the events of `stream` in order, those after sequence `after`."""
    key = key_of(stream)
    while limit is None or limit > 0:
        wanted = CHUNK_EVENTS if limit is None else min(limit, CHUNK_EVENTS)
        rows = wire.run(_LOAD, [key, after, wanted], binary=True).fetchall()
        yield from map(envelope_of, rows)
        if len(rows) < wanted:
            return
        after = rows[-1][1]
        limit = None if limit is None else limit - wanted


def history(
    stream: Stream, *, since: int = 1, limit: int | None = None, queued: bool = False
) -> Iterator[Recorded]:
    """Yield the events of `stream` in order from sequence `since` on, as a fold needs them.

    When `queued`, take the lock of the stream first, in the same round trip.
    """
    key = key_of(stream)
    sql = _LOCKED_HISTORY if queued else _HISTORY
    while limit is None or limit > 0:
        wanted = CHUNK_EVENTS if limit is None else min(limit, CHUNK_EVENTS)
        asked = {"stream": key, "since": since, "limit": wanted}
        rows = cast("list[Recorded]", wire.fetch(sql, asked))
        yield from rows
        if len(rows) < wanted:
            return
        sql, since = _HISTORY, rows[-1][0] + 1
        limit = None if limit is None else limit - wanted


def find(event_id: str) -> Envelope | None:
    """Return the recorded event with that id, None when there is none."""
    row = wire.run(_BY_EVENT_ID, [event_id], binary=True).fetchone()
    return envelope_of(row) if row else None


def streams(prefix: Stream, *, after: Stream | None = None, limit: int) -> list[Stream]:
    """Return the next streams under `prefix`, in the order of their keys."""
    low, high = key_range(prefix)
    # The least key above that of `after`: no key has a NUL.
    start = f"{key_of(after)}\x01" if after else low
    rows = wire.run(_STREAMS, [start, high, high, limit]).fetchall()
    return [stream_of(row[0]) for row in rows]


def latest_streams(prefix: Stream, *, limit: int) -> list[Stream]:
    """Return the streams of the latest `limit` events under `prefix`."""
    rows = wire.run(_LATEST_STREAMS, [*key_range(prefix), limit]).fetchall()
    return sorted(stream_of(row[0]) for row in rows)


def envelope_of(row: Sequence[Any], *, position: int | None = None) -> Envelope:
    """Make an envelope of a row of `ENVELOPE_COLUMNS`."""
    return Envelope(
        stream=stream_of(row[0]),
        sequence=row[1],
        event_id=row[2],
        name=row[3],
        version=row[4],
        category=Category(row[5]),
        source=Source(row[6]),
        principal=Principal.parse(row[7]),
        correlation_id=row[8],
        causation_id=row[9],
        data=orjson.loads(row[10]),
        emitted_at=row[11],
        position=position,
    )


class Appending(NamedTuple):
    """Events on their way into a statement: what they have in common, and a record of each."""

    common: Mapping[str, object]
    records: Sequence[Mapping[str, Any]]

    @property
    def sql(self) -> LiteralString:
        """What appends them: an expression, the new head of the stream."""
        return _APPENDED_ONE if len(self.records) == 1 else _APPENDED

    def params(self) -> dict[str, object]:
        """Return the parameters of `sql`."""
        if len(self.records) > 1:
            return {**self.common, "events": lines_of(self.records)}
        [record] = self.records
        data = record["data"]
        return {
            **self.common,
            "event_id": record["event_id"],
            "event_name": record["name"],
            "event_version": record["version"],
            "event_category": str(record["category"]),
            "event_data": None if data is None else JsonText(orjson.dumps(data)),
            "event_payload": record["payload"],
        }

    def parts(self) -> dict[str, object]:
        """Return what they add to a statement that writes for several."""
        return {
            "streams": {name: self.common[name] for name in ("stream", "expected")},
            "appends": {**self.common, "events": lines_of(self.records)},
        }


def appending(
    stream: Stream,
    drafts: Sequence[Draft],
    provenance: Provenance,
    *,
    expected: int | None,
    once: bool,
) -> Appending:
    """Return events on their way to the end of `stream`, for a statement that appends them."""
    context = provenance.context
    common: dict[str, object] = {
        "stream": _key_of_one_written(stream),
        "expected": expected,
        "once": once,
        "source": str(provenance.source),
        "principal": str(context.principal),
        "correlation_id": context.correlation_id,
        "causation_id": context.causation_id,
        "emitted_at": provenance.emitted_at,
    }
    large = [draft for draft in drafts if draft.is_large]
    hashes = payloads.hashes_of(large) if large else {}
    records = [
        {
            "event_id": event_id,
            "name": name,
            "version": version,
            "category": category,
            "data": None if is_large else data,
            "payload": hashes[event_id] if is_large else None,
        }
        for event_id, name, version, category, data, is_large in drafts
    ]
    return Appending(common, records)


def lines_of(records: Sequence[Mapping[str, Any]]) -> str:
    """Return events as `events_append` takes several: a line each, a field for each of its values.

    JSON writes control characters as escapes.

    :raises ValueError: if a name or an id has one of the two that separate lines and fields.
    """
    lines = []
    for record in records:
        data = record["data"]
        text = "" if data is None else orjson.dumps(data).decode()
        lines.append(
            f"{record['event_id']}\x1f{record['name']}\x1f{record['version']}\x1f"
            f"{record['category']}\x1f{record['payload'] or ''}\x1f{text}"
        )
    text = "\x1e".join(lines)
    if text.count("\x1e") >= len(lines) or text.count("\x1f") > 5 * len(lines):
        raise ValueError("a name or an id of an event has a control character")
    return text


@lru_cache(maxsize=1_024)
def _key_of_one_written(stream: Stream) -> str:
    # Who writes a stream writes to it again.
    return key_of(stream)


def sealed_at(
    stream: Stream, drafts: Sequence[Draft], provenance: Provenance, *, head: int
) -> list[Envelope]:
    """Return the envelopes of `drafts`, the last of which has sequence `head`."""
    first = head - len(drafts) + 1
    return [
        sealed(draft, provenance, stream=stream, sequence=first + index)
        for index, draft in enumerate(drafts)
    ]


def refusal(error: DatabaseError, stream: Stream, expected: int | None) -> StreamMoved | None:
    """Return why an append was refused, None if it was for another reason."""
    state, detail = diagnosis(error)
    if state != STREAM_MOVED or expected is None:
        return None
    return StreamMoved(stream, expected, int(detail))


def diagnosis(error: DatabaseError) -> tuple[str, str]:
    """Return the SQLSTATE of an error and its detail, empty where it has none."""
    found = getattr(error.__cause__, "diag", None)
    return (
        getattr(found, "sqlstate", None) or "",
        getattr(found, "message_detail", None) or "",
    )
