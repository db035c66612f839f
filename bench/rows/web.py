"""A create through the API: sync views under ASGI with and without a pool, and under WSGI."""

import argparse
import importlib.util
from collections.abc import Callable, Sequence

from bench.harness import Measured, Side
from bench.rows.fanout import secret_of
from bench.web import load
from bench.web.server import Server


def sides(options: argparse.Namespace) -> Sequence[Side]:
    secret = secret_of("event.read")
    uvicorn = ["-m", "uvicorn", "config.asgi:application", "--log-level", "error", "--fd", "{fd}"]
    contenders = [
        ("uvicorn, one process, pool", "daybook", uvicorn, "1"),
        ("uvicorn, one process, no pool", "without", uvicorn, "0"),
    ]
    if importlib.util.find_spec("gunicorn"):
        gunicorn = ["-m", "gunicorn", "config.wsgi:application", "-b", "fd://{fd}"]
        contenders += [
            ("gunicorn, one sync worker", "wsgi", gunicorn, "0"),
            (
                "gunicorn, one process of 8 threads",
                "wsgi",
                [*gunicorn, "-k", "gthread", "--threads", "8"],
                "0",
            ),
        ]
    return [
        _side(name, role, Server(command, {"DATABASE_POOL": pool}), secret, options)
        for name, role, command, pool in contenders
    ]


def _side(name: str, role: str, server: Server, secret: str, options: argparse.Namespace) -> Side:
    return Side(
        group="POST /api/v1/ws-tickets, 8 clients, requests/s",
        name=name,
        role=role,
        run=_run(server, secret, options.seconds),
        close=server.stop,
    )


def _run(server: Server, secret: str, seconds: float) -> Callable[[], Measured]:
    headers = {"Authorization": f"Bearer {secret}"}

    def run() -> Measured:
        port = server.port()
        load.posting(port, "/api/v1/ws-tickets", headers=headers, seconds=1.0)
        return load.posting(port, "/api/v1/ws-tickets", headers=headers, seconds=seconds)

    return run
