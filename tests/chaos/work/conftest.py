"""Real workers and sweepers, to be killed, stopped and cut off."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection, transaction

from config.testing import fork_server
from config.testing.fork_server import Forked
from events import doctor
from workflows.work import doorbell, liveness, queue
from workflows.work.domain.claim import WorkRef
from workflows.work.models import Work

LEASE_S = 0.8
START_S = 60
"""How long a process may take to come up on a machine that is busy with other things."""
INVARIANTS = {"I6", "I7", "I8", "I11-work"}

Start = Callable[..., Forked]


@pytest.fixture(autouse=True)
def _a_quiet_start(transactional_db: None) -> Iterator[None]:
    doorbell.close_breaker()
    liveness.forget_reports()
    forget_all_messages()
    yield
    forget_all_messages()


@pytest.fixture(autouse=True)
def _short_leases(settings: Any) -> None:
    settings.WORK_LEASE_S, settings.WORK_PATIENCE_S, settings.WORK_TICK_S = LEASE_S, 0.5, 0.1


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a real process in a group of its own; it does not outlive the test."""
    started: list[Forked] = []

    def begin(*arguments: str, **environment: str) -> Forked:
        log = tmp_path / f"process-{len(started)}.log"
        process = fork_server.start(*arguments, environment=_environment() | environment, log=log)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment() -> dict[str, str]:
    database = connection.settings_dict
    host = database["OPTIONS"].get("host") or database["HOST"]
    url = f"postgresql://{database['USER']}@/{database['NAME']}?host={host}"
    return os.environ | {
        "DATABASE_URL": url,
        "REDIS_URL": settings.REDIS_URL,
        "DJANGO_SETTINGS_MODULE": "tests.settings_lab",
        "LAB_LEASE_S": str(LEASE_S),
        "PYTHONWARNINGS": "ignore",
    }


@pytest.fixture
def worker(start: Start) -> Start:
    """A Celery worker that knows the kinds of the lab."""
    flags = "--without-gossip --without-mingle --without-heartbeat --loglevel INFO"

    def begin(*, pool: str = "solo", **environment: str) -> Forked:
        arguments = ["worker", "--pool", pool, "--concurrency", "1", "--include", "tests.worklab"]
        arguments += flags.split()
        return start("celery", "--app", "config.celery", *arguments, **environment)

    return begin


@pytest.fixture
def sweeper(start: Start) -> Start:
    """`manage.py sweep`, which knows the kinds of the lab."""

    def begin(*arguments: str, **environment: str) -> Forked:
        return start("tests.chaos.work.manage_lab", "sweep", *arguments, **environment)

    return begin


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the outside world wrote down about the calls it got."""
    return tmp_path / "calls.jsonl"


def calls(log: Path) -> list[tuple[str, int]]:
    """Token and attempt of every call that reached the outside world."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(call["token"], call["attempt"]) for call in map(json.loads, lines)]


def enqueue(kind: str, value: Any, **options: Any) -> WorkRef:
    with transaction.atomic():
        return queue.enqueue(kind, subject="s", input=value, **options)


def row(ref: WorkRef) -> Work:
    return Work.objects.get(pk=ref.id)


def journal(ref: WorkRef) -> list[tuple[int, str]]:
    return list(row(ref).attempts.order_by("id").values_list("attempt", "outcome"))


def eventually(what: Callable[[], Any], *, within_s: float = START_S) -> float:
    """Wait until `what()` is true; return how long it took."""
    started = time.monotonic()
    while not what():
        assert time.monotonic() - started < within_s, "it did not come to that"
        time.sleep(0.02)
    return time.monotonic() - started


def healthy() -> bool:
    findings = [doctor.examine(check) for check in doctor.checks() if check.id in INVARIANTS]
    assert [finding.violations for finding in findings if not finding.is_healthy] == []
    return True


def forget_all_messages() -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        valkey.flushdb()
