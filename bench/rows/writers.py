"""Eight writer processes, many streams, one event per commit."""

import argparse
import subprocess
import sys
from collections.abc import Callable

from bench import peers
from bench.harness import Measured, Side

PROCESSES = 8


def sides(options: argparse.Namespace) -> list[Side]:
    names = {
        "daybook": "execute: decide, append, commit",
        "floor": "psycopg, one INSERT per commit",
    }
    if peer := peers.eventsourcing_application():
        peer[0].close()
        names["peer"] = "eventsourcing, database functions"
    group = f"{PROCESSES} writer processes, events/s"
    return [
        Side(group=group, name=name, role=role, run=_run(role, options.seconds))
        for role, name in names.items()
    ]


def _run(role: str, seconds: float) -> Callable[[], Measured]:
    command = [sys.executable, "-m", "bench.writer", role, str(seconds)]

    def run() -> Measured:
        writers = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            writer.stdin.write("go\n")
            writer.stdin.flush()
        return Measured(value=sum(float(writer.communicate()[0]) for writer in writers))

    return run
