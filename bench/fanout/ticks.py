"""The events of this bench, declared where they are written and where they are read."""

import os

from events import catalogue

NAME = "tick.passed"
STREAM = ("tick", os.environ.get("BENCH_TOPIC", "bench"))


def declare() -> None:
    catalogue.declare_stream("tick", meaning="Time passes.", read="event.read")
    catalogue.declare(
        NAME,
        category="domain",
        stream="tick",
        meaning="Some time has passed.",
        schema={"type": "object"},
    )
