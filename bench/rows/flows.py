"""Durable flows of N steps that do nothing, one after the other, run where they are started.

Daybook's are planned, event-sourced flows of Python steps, one commit per step; the floor
writes by hand what DBOS writes; "scripts" are steps that run in the commit of the start.
"""

import argparse
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg

from bench import database, peers
from bench.clients import measured
from bench.floor import PAYLOAD
from bench.harness import Side
from events import context
from events.domain.principal import SYSTEM
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.steps import callables
from workflows.work import doorbell

STEPS_MAX = 10
LOADS = ((1, 1), (1, 8), (10, 1), (10, 8), (10, 64))
"""Steps and clients."""

Run = Callable[[int], object]
"""Runs one flow of so many steps to its end."""


def sides(options: argparse.Namespace) -> list[Side]:
    doorbell.ring = lambda *_args, **_options: True  # type: ignore[assignment]
    register()
    contenders: list[tuple[str, str, Run]] = [
        ("run_flow: Python steps, a commit each", "daybook", flow),
        ("psycopg, N + 2 commits", "floor", Floor().run),
        ("run_flow: scripts, one commit", "also", partial(flow, kind="script")),
        ("psycopg, one commit", "floor", Floor().run_at_once),
    ]
    dbos, end = _dbos()
    if dbos:
        contenders.append(("DBOS, called in its process", "peer", dbos))
    found = [
        Side(
            group=f"N={steps}, {clients} at once, runs/s",
            name=name,
            role=role,
            run=partial(measured, partial(run, steps), clients, options.seconds),
        )
        for steps, clients in LOADS
        for name, role, run in contenders
    ]
    found[-1] = Side(**{**_facts(found[-1]), "close": end})
    return found


def _facts(side: Side) -> dict[str, Any]:
    return {name: getattr(side, name) for name in ("group", "name", "role", "run")}


def register() -> None:
    """Register two chains of steps, each of which needs what the one before gives."""
    for number in range(STEPS_MAX):
        for kind in ("python", "script"):
            name = f"{kind}{number}"
            script = {"language": "ale", "script": f"{{:{name} 1}}"}
            how = script if kind == "script" else {"callable": name}
            attributes: dict[str, Any] = {name: {"role": "output"}}
            if number:
                attributes[f"{kind}{number - 1}"] = {"role": "required"}
            step = {"id": name, "name": name, "type": kind, kind: how, "attributes": attributes}
            with context.acting(SYSTEM):
                services.register_step(step=step_from_json(step))
    register_functions()


def register_functions() -> None:
    """Let this process do the Python steps."""
    for number in range(STEPS_MAX):
        callables.step_function(f"python{number}")(partial(_noop, f"python{number}"))


def _noop(name: str, _inputs: Any) -> dict[str, int]:
    return {name: 1}


def flow(steps: int, *, kind: str = "python") -> None:
    with context.acting(SYSTEM):
        done = services.run_flow(flow_id=uuid4().hex, goals=[f"{kind}{steps - 1}"], init={})
    assert done.status == "completed", done.error


class Floor:
    """One connection per thread, autocommit, prepared, a row per flow and per event."""

    _DDL = """
    CREATE TABLE IF NOT EXISTS floor_flow (
      id uuid PRIMARY KEY, status text NOT NULL, version bigint NOT NULL DEFAULT 0);
    CREATE TABLE IF NOT EXISTS floor_event (
      id bigserial, stream uuid NOT NULL, version bigint NOT NULL, type text NOT NULL,
      at timestamptz NOT NULL DEFAULT now(), payload jsonb NOT NULL,
      PRIMARY KEY (stream, version));
    CREATE UNIQUE INDEX IF NOT EXISTS floor_event_id ON floor_event (id);
    """
    _INSERT = "INSERT INTO floor_event (stream, version, type, payload) VALUES (%s, %s, 'e', %s)"

    def __init__(self) -> None:
        self._local = threading.local()
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            connection.execute(self._DDL)

    @property
    def _connection(self) -> psycopg.Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = psycopg.connect(
                os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=1
            )
        return self._local.connection

    def run(self, steps: int) -> None:
        link, flow_id = self._connection, uuid4()
        link.execute(
            "WITH f AS (INSERT INTO floor_flow (id, status) VALUES (%s, 'running')) "
            + self._INSERT,
            (flow_id, flow_id, 0, PAYLOAD),
        )
        for number in range(steps):
            link.execute(self._INSERT, (flow_id, number + 1, PAYLOAD))
        link.execute(
            "WITH f AS (UPDATE floor_flow SET status = 'done', version = %s WHERE id = %s) "
            + self._INSERT,
            (steps + 1, flow_id, flow_id, steps + 1, PAYLOAD),
        )

    def run_at_once(self, steps: int) -> None:
        flow_id = uuid4()
        self._connection.execute(
            "WITH f AS (INSERT INTO floor_flow (id, status, version) VALUES (%s, 'done', %s)) "
            "INSERT INTO floor_event (stream, version, type, payload) "
            "SELECT %s, o, 'e', p FROM unnest(%s::jsonb[]) WITH ORDINALITY u (p, o)",
            (flow_id, steps + 1, flow_id, [PAYLOAD] * (steps + 2)),
        )


def _dbos() -> tuple[Run | None, Callable[[], object]]:
    module = peers.optional("dbos")
    if module is None:
        return None, lambda: None
    name = f"{database.NAME}_dbos"
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    system = database.named(url, name).replace("postgresql://", "postgresql+psycopg://")
    module.DBOS(
        config={
            "name": "bench",
            "system_database_url": system,
            "log_level": "ERROR",
            "application_version": "1",
            "sys_db_pool_size": 70,
        }
    )

    @module.DBOS.step()
    def step(number: int) -> int:
        return number

    @module.DBOS.workflow()
    def workflow(steps: int) -> int:
        return sum(step(number) for number in range(steps))

    module.DBOS.launch()

    def end() -> None:
        module.DBOS.destroy()
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    return workflow, end
