"""The main function of each process of the product, called in a child forked with Django ready.

In production the same is started by the usual commands: `uvicorn config.asgi:application`,
`celery -A config worker`, `manage.py sequencer`, `manage.py sweep`.
"""

import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.utils.module_loading import autodiscover_modules

from config.embedded import process
from config.processes.supervisor import Part
from events import failpoints
from ledger import expressions
from workflows.work import queues

WEB_GRACE_SECONDS = 3

WEB_KEEP_ALIVE_SECONDS = 75
"""Longer than proxies and HTTP clients keep a connection idle (60 s, mostly).

Whoever closes first loses a request that the other is sending."""

POOL_CHILDREN = 2
# They do nothing but wait for receivers.
WEBHOOK_THREADS = 8
WORKER = "worker"
WEBHOOK_WORKER = f"{WORKER}-{queues.WEBHOOKS}"
QUEUE_THREADS = 16
"""Of the worker of each queue that `WORK_QUEUES` adds."""

Ready = Callable[[], None]

_NEEDED = (
    "celery.apps.worker",
    "celery.beat",
    "celery.bin.worker",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.worker.strategy",
    "cffi.cparser",  # By it each child of a worker says that it wants to die with its parent.
    "config.asgi",
    "config.urls",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)


def product(listener: socket.socket, *, folder: Path, scratch: Path, workers: int) -> list[Part]:
    """Return the parts that are Daybook itself.

    `folder` has what they keep, `scratch` what is not needed once they have ended.
    """
    names = [WORKER, *(f"{WORKER}-{number}" for number in range(2, workers + 1))]
    added = queues.added_by(settings.WORK_QUEUES)
    runs: dict[str, Callable[[Ready], object]] = {
        "web": lambda ready: _web(listener, ready),
        **{name: partial(_worker, name, folder, [queues.WEBHOOKS, *added]) for name in names},
        WEBHOOK_WORKER: partial(_waiting_worker, queues.WEBHOOKS, WEBHOOK_THREADS, WORKER),
        **{
            worker_of(one, name): partial(_waiting_worker, one, QUEUE_THREADS, name)
            for name in names
            for one in added
        },
        "sequencer": lambda ready: _command("sequencer", ready),
        "sweeper": lambda ready: _command("sweep", ready),
    }
    return [_part(name, run, scratch) for name, run in runs.items()]


def _part(name: str, run: Callable[[Ready], object], scratch: Path) -> Part:
    def live(ready: Ready) -> None:
        # Imported before the fork, so it has read an environment that was not this part's.
        failpoints.arm(os.environ.get("FAILPOINTS", ""))
        # A part ends without its farewells, or is killed: a worker leaves a folder behind.
        tempfile.tempdir = str(scratch)
        run(ready)

    return Part(name=name, run=live)


def import_product() -> None:
    """Import what the parts need while there is one process to do it, not five."""
    for module in _NEEDED:
        import_module(module)
    autodiscover_modules("admin", "tasks")
    expressions.load()


def _web(listener: socket.socket, ready: Ready) -> None:
    import uvicorn

    from config import database, websockets

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    database.use_pool()
    settings = uvicorn.Config(
        "config.asgi:application",
        http="httptools",
        access_log=False,
        log_config=None,  # Or its lines would be its own: without ids, and with tickets.
        server_header=False,
        timeout_graceful_shutdown=WEB_GRACE_SECONDS,
        timeout_keep_alive=WEB_KEEP_ALIVE_SECONDS,
        **websockets.OPTIONS,
    )
    Server(settings).run(sockets=[listener])


def _worker(name: str, folder: Path, others: Sequence[str], ready: Ready) -> None:
    process.take_forks_along()
    arguments = ["--exclude-queues", ",".join(map(_celery_name, others))]
    arguments += ["--concurrency", str(POOL_CHILDREN)]
    if name == WORKER:
        arguments += ["--beat", "--schedule", str(folder / "beat-schedule")]
    _celery(name, arguments, ready)


def worker_of(queue: str, beside: str = WORKER) -> str:
    """Return the name of the worker that takes from `queue` alone, beside another worker."""
    return f"{beside}-{queue}"


def _waiting_worker(queue: str, threads: int, beside: str, ready: Ready) -> None:
    arguments = ["--queues", _celery_name(queue)]
    arguments += ["--pool", "threads", "--concurrency", str(threads)]
    _celery(worker_of(queue, beside), arguments, ready)


def _celery(name: str, arguments: Sequence[str], ready: Ready) -> None:
    from celery import signals

    from config.celery import app

    signals.worker_ready.connect(lambda **_: ready(), weak=False)
    usual = ["--hostname", f"{name}@{os.getpid()}", "--loglevel", "INFO"]
    # Of no use to processes that learn from the database what there is to do.
    usual += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(["worker", *usual, *arguments])


def _celery_name(queue: str) -> str:
    return queues.celery_name(queue, settings.CELERY_TASK_DEFAULT_QUEUE)


def _command(name: str, ready: Ready) -> None:
    ready()
    call_command(name)
