"""Load a long stream: by folding all of it, and from a snapshot."""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import orjson
import psycopg

from bench import journal, peers
from bench.harness import Measured, Side
from events import store
from events.sourcing import snapshots, states
from events.sourcing.executor import execute
from events.sourcing.snapshots import Snapshot

EVENTS = 100_000
TAIL = 10
CHUNK = 1_000
LOADS = 20


def sides(options: argparse.Namespace) -> list[Side]:
    journal.declare()
    aggregate, stream = journal.journal(), ("bench", uuid4().hex)
    for _ in range(EVENTS // CHUNK):
        execute(aggregate, stream, CHUNK)
    key = f"bench/{stream[1]}/"
    fold = f"fold {EVENTS:,} events, events/s"
    found = [
        Side(group=fold, name="replay", role="daybook", run=lambda: _fold(aggregate, stream)),
        Side(group=fold, name="fetch text, orjson, fold by hand", role="floor", run=_by_hand(key)),
    ]
    tail = f"load {EVENTS:,} events with a snapshot, ms"
    found.append(
        Side(
            group=tail,
            name=f"snapshot and {TAIL} events",
            role="daybook",
            run=_from_snapshot(aggregate, stream),
            lower_is_better=True,
        )
    )
    return found + _peer_sides(fold, tail)


def _fold(aggregate: Any, stream: tuple[str, ...]) -> Measured:
    started = time.perf_counter()
    reached = states.replayed(aggregate, store.history(stream), stream)
    assert reached.state.steps >= EVENTS
    return Measured(value=reached.sequence / (time.perf_counter() - started))


def _from_snapshot(aggregate: Any, stream: tuple[str, ...]) -> Callable[[], Measured]:
    reached = states.fresh(aggregate, stream)
    snapshot = Snapshot(reached.sequence, reached.event_id, aggregate.dump(reached.state))
    snapshots.save(aggregate, stream, snapshot)
    execute(aggregate, stream, TAIL)

    def load() -> None:
        states.forget_all()
        assert states.fresh(aggregate, stream).state.steps == EVENTS + TAIL

    return lambda: _in_ms(load)


def _in_ms(load: Callable[[], object]) -> Measured:
    """Load as a process does that has done so before: the database plans its first few anew."""
    started = time.perf_counter()
    for _ in range(LOADS):
        load()
    return Measured(value=(time.perf_counter() - started) * 1000 / LOADS)


def _by_hand(key: str) -> Callable[[], Measured]:
    link = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    sql = "SELECT sequence, name, data FROM events_event WHERE stream = %s ORDER BY sequence"

    def run() -> Measured:
        started = time.perf_counter()
        steps, latest = 0, ""
        for _sequence, _name, text in link.cursor(binary=True).execute(sql, (key,)).fetchall():
            steps, latest = steps + 1, orjson.loads(text)["step"]
        assert latest == "s1"
        return Measured(value=steps / (time.perf_counter() - started))

    return run


def _peer_sides(fold: str, tail: str) -> list[Side]:
    peer = peers.eventsourcing_application(IS_SNAPSHOTTING_ENABLED="y")
    if peer is None:
        return []
    application, flow = peer[0], peer[1]()
    for number in range(EVENTS):
        flow.step(**journal.DATA)
        if number % CHUNK == 0:
            application.save(flow)
    application.save(flow)

    snapped = peer[1]()
    for _ in range(CHUNK):
        snapped.step(**journal.DATA)
    application.save(snapped)
    application.take_snapshot(snapped.id)
    for _ in range(TAIL):
        snapped.step(**journal.DATA)
    application.save(snapped)

    def load(which: Any, steps: int) -> float:
        started = time.perf_counter()
        assert application.repository.get(which.id).steps == steps
        return time.perf_counter() - started

    name = "eventsourcing"
    return [
        Side(
            group=fold,
            name=name,
            role="peer",
            run=lambda: Measured(value=EVENTS / load(flow, EVENTS)),
        ),
        Side(
            group=tail,
            name=f"{name}, snapshot and {TAIL} events",
            role="peer",
            run=lambda: _in_ms(lambda: load(snapped, CHUNK + TAIL)),
            lower_is_better=True,
        ),
    ]
