"""Liveness of workers. A process is alive if it has polled lately, not if it says so."""

import os
import socket
import time
from collections.abc import Sequence

from workflows.work import statements

REPORT_EVERY_S = 5.0
FORGET_AFTER_S = 86_400

_reported_at: dict[tuple[str, ...], float] = {}


def name(role: str) -> str:
    """Return what this process is called in leases and on screens."""
    return f"{role}@{socket.gethostname()}/{os.getpid()}"


def polled(worker: str, *, role: str, queues: Sequence[str]) -> bool:
    """Record that `worker` has just asked for work; say whether it was written down this time.

    It is at most every few seconds. `queues` are those that it takes from, as far as this shows.
    """
    now, report = time.monotonic(), (worker, *queues)
    if now - _reported_at.get(report, -REPORT_EVERY_S) < REPORT_EVERY_S:
        return False
    # In a container the name is that of the process before, which may have taken from others.
    is_first = all(name != worker for name, *_ in list(_reported_at))
    _reported_at[report] = now
    params = {"name": worker, "role": role, "queues": list(queues), "is_first": is_first}
    statements.run(statements.WORKER_POLLED, params)
    return True


def stopped(worker: str) -> None:
    """Record that `worker` has stopped in an orderly way."""
    for report in [key for key in _reported_at if key[0] == worker]:
        _reported_at.pop(report, None)
    statements.run(statements.WORKER_STOPPED, {"name": worker})


def forget_the_dead() -> None:
    """Delete the rows of workers that have not polled for a day."""
    statements.run(statements.WORKERS_FORGOTTEN, {"after_s": FORGET_AFTER_S})


def forget_reports() -> None:
    """Forget which workers have reported. For tests only."""
    _reported_at.clear()
