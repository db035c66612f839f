"""A create through the API: sync views under ASGI with and without a pool, and under WSGI."""

import argparse
import http.client
import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence

from bench.harness import Measured, Side
from bench.rows.fanout import secret_of_a_reader
from bench.web import load

_ENVIRONMENT = {
    "HTTPS": "false",
    "LOG_LEVEL": "ERROR",
    "API_REQUESTS_PER_MINUTE_API_KEY": "100000000",
}


def sides(options: argparse.Namespace) -> Sequence[Side]:
    secret = secret_of_a_reader()
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
        _side(name, role, _Server(command, pool), secret, options)
        for name, role, command, pool in contenders
    ]


class _Server:
    """Started when it is first asked for its port."""

    def __init__(self, command: Sequence[str], pool: str) -> None:
        self._command, self._pool = command, pool
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def port(self) -> int:
        if self._process is None:
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                listener.listen(64)
                self._port = listener.getsockname()[1]
                number = listener.fileno()
                self._process = subprocess.Popen(
                    [sys.executable, *(one.format(fd=number) for one in self._command)],
                    env={**os.environ, **_ENVIRONMENT, "DATABASE_POOL": self._pool},
                    pass_fds=[number],
                )
            _wait_for(self._port)
        return self._port

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


def _wait_for(port: int) -> None:
    # The kernel takes connections for a server that still starts.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/api/v1/event-types")
    connection.getresponse().read()
    connection.close()


def _side(name: str, role: str, server: _Server, secret: str, options: argparse.Namespace) -> Side:
    return Side(
        group="POST /api/v1/ws-tickets, 8 clients, requests/s",
        name=name,
        role=role,
        run=_run(server, secret, options.seconds),
        close=server.stop,
    )


def _run(server: _Server, secret: str, seconds: float) -> Callable[[], Measured]:
    headers = {"Authorization": f"Bearer {secret}"}

    def run() -> Measured:
        port = server.port()
        load.posting(port, "/api/v1/ws-tickets", headers=headers, seconds=1.0)
        return load.posting(port, "/api/v1/ws-tickets", headers=headers, seconds=seconds)

    return run
