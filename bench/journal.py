"""The aggregate of the benchmarks: a journal of steps, 190 bytes each, like its peers'."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from events import catalogue
from events.domain.aggregate import Aggregate

DATA = {"name": "step.completed", "step": "s1", "attempt": 1, "data": "x" * 120}
NAME = "bench_step_completed"


class Journal(NamedTuple):
    steps: int = 0
    latest: str = ""


class Step(NamedTuple):
    data: dict[str, Any]


def decide(_: Journal, count: int) -> Sequence[Step]:
    return [Step(DATA)] * count


def evolve(journal: Journal, step: Step) -> Journal:
    return Journal(journal.steps + 1, step.data["step"])


def journal(snapshot_every: int = 1_000_000_000) -> Aggregate[Journal, int, Step]:
    """Return the aggregate; without snapshots unless told otherwise."""
    return Aggregate(
        kind="bench",
        initial=lambda _: Journal(),
        decide=decide,
        evolve=evolve,
        encode=lambda step, _stream: (NAME, step.data),
        decode=lambda _name, _version, data: Step(data),
        dump=lambda journal: [journal.steps, journal.latest],
        load=lambda dumped: Journal(*dumped),
        snapshot_every=snapshot_every,
    )


def declare() -> None:
    """Declare the event, with a schema of the usual size."""
    text = {"type": "string"}
    catalogue.declare(
        NAME,
        category="domain",
        meaning="One step of a benchmark.",
        stream="bench",
        schema={
            "type": "object",
            "required": ["name", "step", "attempt", "data"],
            "properties": {
                "name": text,
                "step": text,
                "attempt": {"type": "integer", "minimum": 1},
                "data": text,
            },
            "additionalProperties": False,
        },
    )
