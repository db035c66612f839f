"""Jobs that do nothing: enqueued by one client, drained by one worker in this process.

One by one (a claim and a completion each) beside procrastinate; in batches of 100 beside
pgqueuer; the floor is a bare table with SKIP LOCKED and one UPDATE for the batch.
"""

import argparse
import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import transaction
from psycopg.types.json import Json

from bench import peers
from bench.harness import Measured, Side
from workflows.work import doorbell, queue, registry, runner
from workflows.work.queue import Item
from workflows.work.registry import WorkKind

JOBS = 1500
JOBS_IN_BATCHES = 10_000
BATCH = 100
VALUE = {"total": 1500, "port": 4711}

Work = Callable[[int], None]


def sides(options: argparse.Namespace) -> list[Side]:
    for name in ("procrastinate", "pgqueuer"):
        logging.getLogger(name).setLevel(logging.WARNING)
    contenders = [*_daybook(), _floor(), *_procrastinate(), *_pgqueuer()]
    found = [side for group in contenders for side in group]
    return sorted(found, key=lambda side: side.group)


def _sides(
    role: str, name: str, *, put: Work | None, one_by_one: Work | None, batches: Work | None,
    fill: Work,
) -> list[Side]:  # fmt: skip
    def measured(act: Work, count: int, before: Work | None) -> Callable[[], Measured]:
        def run() -> Measured:
            if before:
                before(count)
            started = time.perf_counter()
            act(count)
            return Measured(value=count / (time.perf_counter() - started))

        return run

    found = []
    if one_by_one:
        found.append(("drained one by one, jobs/s", measured(one_by_one, JOBS, fill)))
    if batches:
        name_of = f"drained in batches of {BATCH}, jobs/s"
        found.append((name_of, measured(batches, JOBS_IN_BATCHES, fill)))
    if put:
        found.append(("enqueued one by one, jobs/s", measured(put, JOBS, None)))
    return [Side(group=group, name=name, role=role, run=run) for group, run in found]


def _daybook() -> list[list[Side]]:
    heavy = WorkKind(name="bench.noop", handler=_nothing)
    light = WorkKind(name="bench.light", handler=_nothing, light=True)
    registry.register(heavy)
    registry.register(light)

    def fill(kind: str) -> Work:
        def put(count: int) -> None:
            for start in range(0, count, 1000):
                with transaction.atomic():
                    queue.enqueue_many(
                        kind, [Item(input=VALUE) for _ in range(min(1000, count - start))]
                    )
            _settle()

        return put

    def drain(kind: str) -> Work:
        def work(count: int) -> None:
            done = 0
            while more := runner.work_off(worker="bench", kinds=[kind]):
                done += more
            assert done >= count, f"{done} of {count}"

        return work

    def put_one_by_one(count: int) -> None:
        for _ in range(count):
            with transaction.atomic():
                queue.enqueue("bench.noop", subject="", input=VALUE)

    doorbell.ring = lambda *_args, **_options: True  # type: ignore[assignment]
    return [
        _sides("daybook", "workflows.work", put=None, one_by_one=drain(heavy.name),
               batches=None, fill=fill(heavy.name)),
        _sides("daybook", "workflows.work", put=None, one_by_one=None,
               batches=drain(light.name), fill=fill(light.name)),
        _sides("daybook", "workflows.work", put=put_one_by_one, one_by_one=None, batches=None,
               fill=fill(heavy.name)),
    ]  # fmt: skip


def _nothing(_claim: Any) -> None:
    return None


def _floor() -> list[Side]:
    database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=1)
    database.execute(
        "CREATE TABLE floor_job (id bigserial PRIMARY KEY, name text NOT NULL, args jsonb NOT NULL,"
        " status text NOT NULL DEFAULT 'todo')"
    )
    database.execute("CREATE INDEX ON floor_job (id) WHERE status = 'todo'")

    def fill(count: int) -> None:
        database.execute("DELETE FROM floor_job")
        database.execute(
            "INSERT INTO floor_job (name, args) SELECT 'noop', %s FROM generate_series(1, %s)",
            (Json(VALUE), count),
        )
        database.execute("VACUUM ANALYZE floor_job")

    def drain(size: int) -> Work:
        def work(_count: int) -> None:
            while rows := database.execute(
                "UPDATE floor_job SET status = 'doing' WHERE id IN (SELECT id FROM floor_job"
                " WHERE status = 'todo' ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)"
                " RETURNING id, args",
                (size,),
            ).fetchall():
                database.execute(
                    "UPDATE floor_job SET status = 'done' WHERE id = ANY(%s)",
                    ([id_ for id_, _ in rows],),
                )

        return work

    def put(count: int) -> None:
        for _ in range(count):
            database.execute("INSERT INTO floor_job (name, args) VALUES ('x', %s)", (Json(VALUE),))

    return _sides(
        "floor", "one table, SKIP LOCKED", put=put, one_by_one=drain(1), batches=drain(BATCH),
        fill=fill,
    )  # fmt: skip


def _procrastinate() -> list[list[Side]]:
    procrastinate = peers.optional("procrastinate")
    if procrastinate is None:
        return []
    url = os.environ["DATABASE_URL"]
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    client = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=url))
    client.open()
    client.schema_manager.apply_schema()

    @app.task(name="noop")
    async def noop(total: int, port: int) -> None:
        return None

    task = client.configure_task("noop", queue="default")

    def fill(count: int) -> None:
        for start in range(0, count, 1000):
            task.batch_defer(*[VALUE] * min(1000, count - start))
        _settle()

    def drain(_count: int) -> None:
        async def work() -> None:
            async with app.open_async():
                await app.run_worker_async(wait=False, concurrency=1, install_signal_handlers=False)

        asyncio.run(work())

    def put(count: int) -> None:
        for _ in range(count):
            task.defer(**VALUE)

    return [_sides("peer", "procrastinate", put=put, one_by_one=drain, batches=None, fill=fill)]


def _pgqueuer() -> list[list[Side]]:  # noqa: PLR0915 (one peer, told in one place)
    asyncpg = peers.optional("asyncpg")
    if asyncpg is None or peers.optional("pgqueuer") is None:
        return []
    import json

    from pgqueuer.db import AsyncpgDriver
    from pgqueuer.qm import QueueManager
    from pgqueuer.queries import Queries
    from pgqueuer.types import QueueExecutionMode

    url, payload = os.environ["DATABASE_URL"], json.dumps(VALUE).encode()

    async def connected() -> Any:
        return AsyncpgDriver(await asyncpg.connect(url))

    def ask(work: Callable[[Any], Any]) -> None:
        async def run() -> None:
            await work(await connected())

        asyncio.run(run())

    async def install(driver: Any) -> None:
        await Queries(driver).install()

    def fill(count: int) -> None:
        async def put(driver: Any) -> None:
            queries = Queries(driver)
            for start in range(0, count, 1000):
                size = min(1000, count - start)
                await queries.enqueue(["noop"] * size, [payload] * size, [0] * size)

        ask(put)
        _settle()

    def drain(_count: int) -> None:
        async def work(driver: Any) -> None:
            manager = QueueManager(Queries(driver))

            @manager.entrypoint("noop")
            async def noop(_job: Any) -> None:
                return None

            await manager.run(mode=QueueExecutionMode.drain, batch_size=BATCH)

        ask(work)

    def put(count: int) -> None:
        async def one_by_one(driver: Any) -> None:
            queries = Queries(driver)
            for _ in range(count):
                await queries.enqueue("noop", payload)

        ask(one_by_one)

    ask(install)
    return [_sides("peer", "pgqueuer", put=put, one_by_one=None, batches=drain, fill=fill)]


def _settle() -> None:
    """Let nobody's vacuum or statistics fall into somebody else's time."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        database.execute("VACUUM ANALYZE")
