"""One hot stream, fifty writers at once: nobody may starve."""

import argparse
import threading
from collections.abc import Callable
from uuid import uuid4

import psycopg

from bench import journal
from bench.clients import measured
from bench.floor import PAYLOAD, connect
from bench.harness import Measured, Side
from events.sourcing.executor import execute

WRITERS = 50


def sides(options: argparse.Namespace) -> list[Side]:
    journal.declare()
    group = f"{WRITERS} writers of one stream, events/s"
    return [
        Side(group=group, name="execute", role="daybook", run=_run(_daybook, options.seconds)),
        Side(
            group=group,
            name="advisory lock by hand",
            role="floor",
            run=_run(_locked, options.seconds),
        ),
        Side(
            group=group,
            name="optimistic retry",
            role="peer",
            run=_run(_optimistic, options.seconds),
        ),
    ]


def _run(prepare: Callable[[], Callable[[], object]], seconds: float) -> Callable[[], Measured]:
    return lambda: measured(prepare(), WRITERS, seconds)


def _daybook() -> Callable[[], object]:
    aggregate, stream = journal.journal(), ("bench", uuid4().hex)
    return lambda: execute(aggregate, stream, 1)


def _locked() -> Callable[[], object]:
    stream, local = uuid4(), threading.local()

    def append() -> None:
        link = _connection(local)
        with link.transaction():
            link.execute("SELECT pg_advisory_xact_lock(9, hashtext(%s))", (str(stream),))
            head = _head(link, stream)
            link.execute(_INSERT, (stream, head + 1, PAYLOAD))

    return append


def _optimistic() -> Callable[[], object]:
    stream, local = uuid4(), threading.local()

    def append() -> None:
        link = _connection(local)
        while True:
            try:
                link.execute(_INSERT, (stream, _head(link, stream) + 1, PAYLOAD))
            except psycopg.errors.UniqueViolation:
                continue
            return

    return append


_INSERT = "INSERT INTO floor (stream, version, type, payload) VALUES (%s, %s, 'step', %s)"


def _head(link: psycopg.Connection, stream: object) -> int:
    row = link.execute(
        "SELECT coalesce(max(version), 0) FROM floor WHERE stream = %s", (stream,)
    ).fetchone()
    return row[0]


def _connection(local: threading.local) -> psycopg.Connection:
    if not hasattr(local, "connection"):
        local.connection = connect()
    return local.connection
