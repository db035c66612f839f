"""A small aggregate for the tests of the log: a tally that is added to until it is closed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

from django.db import connection

from events import catalogue
from events.domain.aggregate import Aggregate, Projection
from events.domain.envelope import Stream
from events.domain.errors import Rejected

TABLE = "tests_tally"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    total: int = 0
    latest: tuple[int, ...] = ()
    is_closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    number: int
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    pass


Command = Add | Close
Event = Added | Closed


class TallyIsClosed(Rejected):
    code = "tally_is_closed"

    def __init__(self) -> None:
        super().__init__("The tally is closed.")


def decide(tally: Tally, command: Command) -> Sequence[Event]:
    match command:
        case Add(number=number, times=times):
            if tally.is_closed:
                raise TallyIsClosed
            return [Added(number=number)] * times
        case Close():
            return [] if tally.is_closed else [Closed()]
        case _:
            assert_never(command)


def evolve(tally: Tally, event: Event) -> Tally:
    match event:
        case Added(number=number):
            return replace(tally, total=tally.total + number, latest=(*tally.latest, number)[-3:])
        case Closed():
            return replace(tally, is_closed=True)
        case _:
            assert_never(event)


def encode(event: Event, _stream: Stream) -> tuple[str, dict[str, Any]]:
    match event:
        case Added(number=number):
            return "tally.added", {"number": number}
        case Closed():
            return "tally.closed", {}
        case _:
            assert_never(event)


def decode(name: str, version: int, data: dict[str, Any]) -> Event:
    assert version == 1
    return Added(number=data["number"]) if name == "tally.added" else Closed()


def dump(tally: Tally) -> dict[str, Any]:
    return {"total": tally.total, "latest": list(tally.latest), "is_closed": tally.is_closed}


def load(text: dict[str, Any]) -> Tally:
    return Tally(total=text["total"], latest=tuple(text["latest"]), is_closed=text["is_closed"])


def project(projection: Projection[Tally]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} VALUES (%s, %s) "
            "ON CONFLICT (tally) DO UPDATE SET total = excluded.total",
            [projection.stream[1], projection.after.total],
        )


def rows(stream: Stream) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tally, total FROM {TABLE} WHERE tally = %s", [stream[1]])
        return [list(row) for row in cursor.fetchall()]


def listed() -> list[Stream]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tally FROM {TABLE}")
        return [("tally", name) for (name,) in cursor.fetchall()]


def clear(stream: Stream) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE tally = %s", [stream[1]])


def aggregate(**changes: Any) -> Aggregate[Tally, Command, Event]:
    """Return a tally that differs in `changes`."""
    functions: dict[str, Any] = {
        "initial": lambda _: Tally(),
        "decide": decide,
        "evolve": evolve,
        "encode": encode,
        "decode": decode,
        "dump": dump,
        "load": load,
    }
    return Aggregate(kind="tally", snapshot_every=5, **{**functions, **changes})


TALLY = aggregate()
LISTED = aggregate(project=project, rows=rows, clear=clear, listed=listed)

NUMBER = {
    "type": "object",
    "required": ["number"],
    "properties": {"number": {"type": "integer"}},
    "additionalProperties": False,
}


def declare() -> None:
    catalogue.declare_stream("tally", meaning="One tally.", read="tally.read")
    catalogue.declare(
        "tally.added", category="domain", meaning="Counted.", schema=NUMBER, stream="tally"
    )
    catalogue.declare(
        "tally.closed",
        category="domain",
        meaning="No more.",
        schema={"type": "object"},
        stream="tally",
    )
    catalogue.declare(
        "tally.looked_at", category="internal", meaning="A look.", schema={"type": "object"}
    )
