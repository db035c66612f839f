"""Snapshots: cached states, so that a load folds only the tail. Never the source of truth.

A snapshot is valid only for the code that took it: its tag is a hash of the source of the
aggregate's functions and of the rules behind them, so a changed `evolve` never meets an old state.
"""

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from types import ModuleType
from typing import Any, LiteralString, NamedTuple, TypeVar, cast

import orjson

from events import store, wire
from events.domain.aggregate import Aggregate
from events.domain.canonical import JSON
from events.domain.envelope import Stream
from events.domain.streams import key_of
from events.store import Recorded

S = TypeVar("S")

_SAVE = """
INSERT INTO events_snapshot (stream, sequence, event_id, code, state)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (stream) DO UPDATE
SET sequence = excluded.sequence, event_id = excluded.event_id, code = excluded.code,
    state = excluded.state, taken_at = excluded.taken_at
WHERE events_snapshot.sequence < excluded.sequence OR events_snapshot.code <> excluded.code
"""
_LOAD = """
SELECT sequence, event_id, state FROM events_snapshot
WHERE stream = %s AND code = %s AND (%s::int IS NULL OR sequence <= %s::int)
"""
# Index events_one_event_per_sequence. The state, which may be long, stands in the first row only.
# Without a snapshot its columns are NULL, and the tail is all there is.
_LOAD_WITH_TAIL = f"""
SELECT s.sequence, s.event_id, CASE WHEN t.sequence = s.sequence THEN s.state END, t.*
  FROM (VALUES (1)) AS one
  LEFT JOIN events_snapshot s ON s.stream = %(stream)s AND s.code = %(code)s
 CROSS JOIN LATERAL (
    SELECT e.sequence, e.event_id, e.name, e.version, {store.DATA}, e.emitted_at
      FROM events_event e
     WHERE e.stream = %(stream)s AND e.sequence >= coalesce(s.sequence, 1)
     ORDER BY e.sequence LIMIT %(limit)s::int
  ) t
 ORDER BY t.sequence
"""  # noqa: S608 (names of our own)


class Snapshot(NamedTuple):
    """The dumped state after the event `event_id`, which is number `sequence`."""

    sequence: int
    event_id: str
    state: JSON


def save(aggregate: Aggregate[S, Any, Any], stream: Stream, at: Snapshot) -> None:
    """Keep `at` for `stream` unless a later one of the same code is there."""
    # Not canonical, which would turn 1.0 into 1.
    state = orjson.dumps(at.state).decode()
    wire.run(_SAVE, [key_of(stream), at.sequence, at.event_id, code_of(aggregate), state])


def load(
    aggregate: Aggregate[S, Any, Any], stream: Stream, *, until: int | None = None
) -> Snapshot | None:
    """Return the snapshot of `stream` by today's code; None if there is none.

    Nor is there one for who asks for a state `until` an event before it.
    """
    row = wire.run(_LOAD, [key_of(stream), code_of(aggregate), until, until]).fetchone()
    return Snapshot(row[0], row[1], orjson.loads(row[2])) if row else None


def load_with_tail(
    aggregate: Aggregate[S, Any, Any], stream: Stream
) -> tuple[Snapshot | None, Iterator[Recorded]] | None:
    """Return what `load` does, and the events after it, in one round trip.

    Without a snapshot they are all events. None if the snapshot belongs to another history.
    """
    return loaded(stream, wire.fetch(*loading(aggregate, "%(stream)s", stream=key_of(stream))))


def loading(
    aggregate: Aggregate[Any, Any, Any], key: LiteralString, **params: object
) -> wire.Statement:
    """Return what reads what `loaded` makes of it, of the stream whose key is the expression `key`.

    `params` are those of the expression.
    """
    asked = {"code": code_of(aggregate), "limit": store.CHUNK_EVENTS, **params}
    return _LOAD_WITH_TAIL.replace("%(stream)s", key), asked


def loaded(
    stream: Stream, rows: list[wire.Row]
) -> tuple[Snapshot | None, Iterator[Recorded]] | None:
    """Return what `load_with_tail` does of the rows that were read."""
    if not rows or rows[0][0] is None:
        return None, _tail(stream, rows)
    if rows[0][:2] != rows[0][3:5]:
        return None
    sequence, event_id, state = rows[0][:3]
    return Snapshot(sequence, event_id, orjson.loads(state)), _tail(stream, rows, start=1)


def _tail(stream: Stream, rows: list[wire.Row], *, start: int = 0) -> Iterator[Recorded]:
    for _, _, _, *recorded in rows[start:]:
        yield cast("Recorded", recorded)
    if len(rows) == store.CHUNK_EVENTS:
        yield from store.history(stream, since=rows[-1][3] + 1)


@lru_cache(maxsize=256)
def code_of(aggregate: Aggregate[Any, Any, Any]) -> str:
    """Return the tag of the code that makes states of `aggregate`."""
    functions = (
        aggregate.initial, aggregate.evolve, aggregate.decode, aggregate.dump, aggregate.load,
    )  # fmt: skip
    modules = sorted(_modules_behind(functions))
    sources = [inspect.getsource(sys.modules[module]) for module in modules]
    return hashlib.sha256("\0".join([*modules, *sources]).encode()).hexdigest()


def _modules_behind(functions: Iterable[Callable[..., Any]]) -> set[str]:
    """Return the modules that decide what `functions` return: their own, and of `domain` those
    that they use, and so on. Many a function only hands a rule of the app on."""
    found = {function.__module__ for function in functions}
    ahead = [name for name in found if _is_of_the_rules(name)]
    for function in functions:
        ahead += _rules_among(inspect.getclosurevars(function).globals.values())
    while ahead:
        name = ahead.pop()
        found.add(name)
        ahead += set(_rules_among(vars(sys.modules[name]).values())) - found
    return found


def _rules_among(values: Iterable[object]) -> list[str]:
    names = (
        value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        for value in values
    )
    return [name for name in names if isinstance(name, str) and _is_of_the_rules(name)]


def _is_of_the_rules(module: str) -> bool:
    return ".domain." in module and module in sys.modules
