"""Create a product through the API: with event, entry and list row, and as a tutorial does it."""

import argparse
import importlib.util
from collections.abc import Callable, Sequence

import orjson
from django.db import connection

from bench.harness import Measured, Side
from bench.rows.fanout import secret_of
from bench.web import load
from bench.web.server import Server

PRODUCT = {"name": "A walk", "currency": "EUR", "sell_amount_cents": 2_500}


def sides(options: argparse.Namespace) -> Sequence[Side]:
    from bench.bare.models import DDL

    with connection.cursor() as cursor:
        cursor.execute(DDL)
    secret = secret_of("product.create")
    return [
        _side(
            "with event, entry and list row",
            "daybook",
            "config.wsgi",
            "/api/v1/products",
            secret,
            options,
        ),
        _side("Django REST framework, bare", "peer", "bench.bare.wsgi", "/products/", "", options),
    ]


def _side(
    name: str, role: str, module: str, path: str, secret: str, options: argparse.Namespace
) -> Side:
    server = Server(_command(module), {"DATABASE_POOL": "0"}, path=path)
    return Side(
        group="POST a product, 8 clients, one process, requests/s",
        name=name,
        role=role,
        run=_run(server, path, secret, options.seconds),
        close=server.stop,
    )


def _command(module: str) -> list[str]:
    if importlib.util.find_spec("gunicorn"):
        return [
            "-m",
            "gunicorn",
            f"{module}:application",
            "-b",
            "fd://{fd}",
            "--log-level",
            "error",
        ]
    server = ["-m", "uvicorn", f"{module}:application", "--interface", "wsgi"]
    return [*server, "--log-level", "error", "--fd", "{fd}"]


def _run(server: Server, path: str, secret: str, seconds: float) -> Callable[[], Measured]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
    body = orjson.dumps(PRODUCT)

    def run() -> Measured:
        port = server.port()
        load.posting(port, path, headers=headers, seconds=1.0, body=body)
        return load.posting(port, path, headers=headers, seconds=seconds, body=body)

    return run
