"""Ten thousand jobs that became due while everything was down, and new work meanwhile.

A Celery worker with two processes and a sweeper, both started when all are due. There is no
peer and no floor: the figures are the seconds until the last is done, and how long a job waits
that is enqueued in the middle of it.
"""

import argparse
import os
import subprocess
import sys
import time
from unittest import mock

import psycopg
from django.db import transaction

from bench.harness import Measured, Side
from bench.workers import jobs
from events import context
from events.domain.principal import SYSTEM
from workflows.work import doorbell, queue
from workflows.work.queue import Item

JOBS = 10_000
PATIENCE_S = 600
PAUSE_S = 0.1
LOOK_S = 0.005


def sides(options: argparse.Namespace) -> list[Side]:
    herd = _Herd()
    return [
        Side(
            group=f"{JOBS} due jobs, seconds; latency of a new one meanwhile",
            name="worker and sweeper",
            role="daybook",
            run=herd.run,
            lower_is_better=True,
        )
    ]


class _Herd:
    def __init__(self) -> None:
        self._link = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

    def run(self) -> Measured:
        self._fill()
        celery = ["-m", "celery", "-A", "config", "worker", "-c", "2", "-l", "ERROR"]
        commands = [[*celery, "-I", jobs.__name__], ["manage.py", "sweep"]]
        parts = [subprocess.Popen([sys.executable, *command]) for command in commands]
        started, latencies = time.monotonic(), list[float]()
        try:
            while self._left(jobs.OLD):
                latencies.append(self._new())
                time.sleep(PAUSE_S)
            return Measured(value=time.monotonic() - started, latencies_s=latencies)
        finally:
            for part in parts:
                part.terminate()
            for part in parts:
                part.wait(timeout=60)

    def _fill(self) -> None:
        # Nobody hears a bell while all are down.
        with mock.patch.object(doorbell, "ring", return_value=True):
            for _ in range(0, JOBS, 1000):
                with transaction.atomic(), context.acting(SYSTEM):
                    queue.enqueue_many(jobs.OLD, [Item(input={}) for _ in range(1000)])
        self._link.execute("VACUUM ANALYZE work")

    def _new(self) -> float:
        with transaction.atomic(), context.acting(SYSTEM):
            queue.enqueue(jobs.NEW, subject="", input={})
        enqueued = time.monotonic()
        while self._left(jobs.NEW):
            assert time.monotonic() < enqueued + PATIENCE_S, "no worker takes it"
            time.sleep(LOOK_S)
        return time.monotonic() - enqueued

    def _left(self, kind: str) -> bool:
        row = self._link.execute(
            # Asked in vain a thousand times: each part has an index.
            "SELECT EXISTS (SELECT FROM work WHERE kind = %(kind)s"
            "               AND status IN ('ready', 'retry', 'scheduled'))"
            " OR EXISTS (SELECT FROM work WHERE kind = %(kind)s AND status = 'leased')",
            {"kind": kind},
        ).fetchone()
        assert row is not None
        return bool(row[0])
