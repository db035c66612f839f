"""One writer process: `python -m bench.writer daybook|floor|peer SECONDS`, prints events/s.

Waits for a line on stdin before it starts, so that all writers start together.
"""

import sys
from collections.abc import Callable
from itertools import count
from uuid import uuid4

import django

from bench import harness, peers
from config import garbage_collection

STREAMS = 100


def _daybook() -> Callable[[], object]:
    django.setup()

    from bench import journal
    from events.sourcing.executor import execute

    journal.declare()
    aggregate, turn = journal.journal(), count()
    streams = [("bench", uuid4().hex) for _ in range(STREAMS)]
    for stream in streams:
        # As the peer saves each of its aggregates before the clock starts.
        execute(aggregate, stream, 1)
    return lambda: execute(aggregate, streams[next(turn) % STREAMS], 1)


def _floor() -> Callable[[], object]:
    from bench.floor import Floor

    floor = Floor()
    return lambda: floor.append(1)


def _peer() -> Callable[[], object]:
    # The parent has made its tables: eight at once get in each other's way.
    found = peers.eventsourcing_application(CREATE_TABLE="n")
    application, flow = found or sys.exit("no eventsourcing")
    saved = peers.EventSourcing(application, flow, count=STREAMS)
    return lambda: saved.append(1)


def main() -> None:
    role, seconds = sys.argv[1], float(sys.argv[2])
    append = {"daybook": _daybook, "floor": _floor, "peer": _peer}[role]()
    append()
    # As every process of the product does that serves.
    garbage_collection.freeze()
    print("ready", flush=True)
    sys.stdin.readline()
    print(harness.repeat(append, seconds=seconds).value, flush=True)


if __name__ == "__main__":
    main()
