"""Append 1 and 10 events per commit, one writer, a thousand streams in turn."""

import argparse
from collections.abc import Callable
from itertools import count
from uuid import uuid4

from django.db import transaction

from bench import harness, journal, peers
from bench.floor import Floor
from bench.harness import Side
from events import recorder
from events.sourcing.executor import execute

STREAMS = [("bench", uuid4().hex) for _ in range(1000)]
# Of their own: what moves a stream behind the back of who knows its state is another writer.
EMITTED_TO = [("bench", uuid4().hex) for _ in range(1000)]


def sides(options: argparse.Namespace) -> list[Side]:
    journal.declare()
    aggregate, turn, floor = journal.journal(), count(), Floor()
    peer = peers.eventsourcing_application()
    saved = peers.EventSourcing(*peer) if peer else None

    def executed(events: int) -> None:
        execute(aggregate, STREAMS[next(turn) % 1000], events)

    def emitted(events: int) -> None:
        stream = EMITTED_TO[next(turn) % 1000]
        with transaction.atomic():
            recorder.emit_many([(journal.NAME, journal.DATA)] * events, stream=stream)

    for _ in range(1000):
        executed(1)
    contenders: list[tuple[str, str, Callable[[int], None]]] = [
        ("execute: decide, append, commit", "daybook", executed),
        ("psycopg, one INSERT per commit", "floor", floor.append),
        ("emit_many in a transaction of its own", "also", emitted),
    ]
    if saved:
        contenders.append(("eventsourcing, database functions", "peer", saved.append))
    return [
        Side(
            group=f"{events} per commit, events/s",
            name=name,
            role=role,
            run=_run(append, events, options),
        )
        for events in (1, 10)
        for name, role, append in contenders
    ]


def _run(
    append: Callable[[int], None], events: int, options: argparse.Namespace
) -> Callable[[], harness.Measured]:
    def run() -> harness.Measured:
        return harness.repeat(lambda: append(events), seconds=options.seconds, events=events)

    return run
