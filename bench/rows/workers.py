"""From the trigger in this process to the completion in another: flows done by a worker.

Daybook's worker is Celery with two processes; it is rung once per flow and goes on with the
next step while that is its own. The peer's worker polls its queue every 20 ms. Both clients
look for the end of their flow every millisecond.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from uuid import uuid4

import psycopg

from bench import database, peers
from bench.clients import measured
from bench.harness import Side
from bench.rows import flows
from events import context
from events.domain.principal import SYSTEM
from workflows.flows import services

LOADS = ((1, 1), (10, 1), (10, 8))
"""Steps and clients."""
LOOK_S = 0.001
PATIENCE_S = 60


def sides(options: argparse.Namespace) -> list[Side]:
    flows.register()
    contenders = [("start_flow, Celery worker", "daybook", *_daybook())]
    if peers.optional("dbos"):
        contenders.append(("DBOS queue, polled every 20 ms", "peer", *_dbos()))
    return [
        Side(
            group=f"N={steps}, {clients} at once, trigger to completed, runs/s",
            name=name,
            role=role,
            run=partial(measured, partial(run, steps), clients, options.seconds),
            close=end,
        )
        for steps, clients in LOADS
        for name, role, run, end in contenders
    ]


def _daybook() -> tuple[flows.Run, Callable[[], object]]:
    command = ["celery", "-A", "config", "worker", "-c", "2", "-l", "ERROR"]
    worker = subprocess.Popen([sys.executable, "-m", *command, "-I", "bench.workers.steps"])
    local = threading.local()

    def run(steps: int) -> None:
        if not hasattr(local, "link"):
            local.link = psycopg.connect(
                os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=1
            )
        flow_id = uuid4().hex
        with context.acting(SYSTEM):
            services.start_flow(flow_id=flow_id, goals=[f"python{steps - 1}"], init={})
        ends = time.monotonic() + PATIENCE_S
        while _status(local.link, flow_id) == "active":
            assert time.monotonic() < ends, "no worker takes it"
            time.sleep(LOOK_S)

    return run, lambda: _stopped(worker)


def _status(link: psycopg.Connection, flow_id: str) -> str:
    row = link.execute(
        "SELECT status FROM flows_flowsummary WHERE flow_id = %s", [flow_id]
    ).fetchone()
    assert row is not None
    return str(row[0])


def _dbos() -> tuple[flows.Run, Callable[[], object]]:
    from dbos import DBOSClient

    from bench.workers.dbos_worker import QUEUE, WORKFLOW

    name = f"{database.NAME}_dbos"
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    url = database.named(server, name).replace("postgresql://", "postgresql+psycopg://")
    command = [sys.executable, "-m", "bench.workers.dbos_worker", url]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stdout.readline(), "the peer's worker does not start"
    client = DBOSClient(system_database_url=url)

    def run(steps: int) -> None:
        order = {"workflow_name": WORKFLOW, "queue_name": QUEUE}
        client.enqueue(order, steps).get_result(polling_interval_sec=LOOK_S)

    def end() -> None:
        if worker.poll() is not None:
            return
        client.destroy()
        _stopped(worker)
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    return run, end


def _stopped(worker: subprocess.Popen[bytes]) -> None:
    if worker.poll() is None:
        worker.terminate()
        worker.wait(timeout=30)
