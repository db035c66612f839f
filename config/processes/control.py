"""Talk to a running supervisor: one JSON line each way over a unix socket.

For `demo`, which kills a worker to show that nothing is lost, and for the fault tests.
"""

import json
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from config.processes.supervisor import AskedToStop, PartsNotReady, Supervisor

ANSWER_SECONDS_MAX = 90.0
ATTEMPTS_MAX = 3
REQUEST_SECONDS_MAX = 5.0
"""How long a visitor may take for the request; everything else waits for it."""


class ControlRefused(Exception):
    """The supervisor could not do what it was asked."""


def serve(supervisor: Supervisor, path: Path) -> None:
    """Accept commands for `supervisor` at `path`."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(8)
    supervisor.listen(listener, lambda ready: _answer(supervisor, ready))


def ask(path: str, **request: object) -> dict[str, Any]:
    """Send one request and return the answer.

    :raises ControlRefused: if the supervisor refuses, or does not answer.
    """
    line = json.dumps(request) + "\n"
    for _ in range(ATTEMPTS_MAX):
        # Who has no processor between the connection and the request is sent away unanswered.
        with suppress(BrokenPipeError, ConnectionResetError):
            if answered := _exchange(path, line):
                break
    else:
        raise ControlRefused("No supervisor answers.")
    answer: dict[str, Any] = json.loads(answered)
    if "error" in answer:
        raise ControlRefused(answer["error"])
    return answer


def _exchange(path: str, request: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS_MAX)
        connection.connect(path)
        with connection.makefile("rw") as line:
            line.write(request)
            line.flush()
            return line.readline()


def _answer(supervisor: Supervisor, listener: socket.socket) -> None:
    connection, _ = listener.accept()
    # Who says nothing, or does not stay for the answer, must not end what is looked after here.
    with connection, suppress(OSError), connection.makefile("rw") as line:
        connection.settimeout(REQUEST_SECONDS_MAX)
        try:
            request = json.loads(line.readline())
            answer = _DO[request.pop("do")](supervisor, **request)
        except (KeyError, ValueError, TypeError, PartsNotReady, AskedToStop) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        line.write(json.dumps(answer) + "\n")
        line.flush()


def _status(supervisor: Supervisor) -> dict[str, object]:
    return {
        name: {"pid": child.pid, "ready": child.is_ready, "deaths": child.deaths}
        for name, child in supervisor.children.items()
    }


def _hold(supervisor: Supervisor, *, part: str, by: str) -> dict[str, object]:
    supervisor.hold(part, signal.Signals[by])
    while supervisor.children[part].pid is not None and not supervisor.is_stopping:
        supervisor.turn(0.1)
    return {}


def _start(supervisor: Supervisor, *, part: str, environment: dict[str, str]) -> dict[str, object]:
    supervisor.start(part, environment)
    supervisor.wait_until_ready(part, seconds=ANSWER_SECONDS_MAX - 5)
    return {"pid": supervisor.children[part].pid}


_DO: dict[str, Callable[..., dict[str, object]]] = {
    "status": _status,
    "hold": _hold,
    "start": _start,
}
