from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any, TypeVar
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test import override_settings

from tests import worklab
from workflows.work import doorbell, heartbeat, leases, liveness, queue, registry
from workflows.work.domain.claim import Claim, WorkRef
from workflows.work.models import Work

T = TypeVar("T")
Enqueue = Callable[..., WorkRef]


@pytest.fixture(autouse=True)
def _kinds_of_the_lab() -> None:
    assert registry.get("lab.echo").handler is worklab.echo


@pytest.fixture(autouse=True)
def _bells_that_ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # No worker takes those that other tests have left.
    monkeypatch.setattr("workflows.work.doorbell.waiting", lambda _queue: 0)
    doorbell.close_breaker()
    liveness.forget_reports()
    yield
    doorbell.close_breaker()


@pytest.fixture
def enqueue(db: None) -> Enqueue:
    """Put work on the list, in a transaction of its own."""

    def put(kind: str = "lab.echo", value: Any = None, **options: Any) -> WorkRef:
        given = {"n": 1} if value is None else value
        with transaction.atomic():
            return queue.enqueue(kind, subject=options.pop("subject", "s"), input=given, **options)

    return put


def take(ref: WorkRef, worker: str = "w") -> Claim:
    """Claim it, which must be possible."""
    [claim] = leases.claim([ref.id], worker=worker, kinds=registry.names())
    return claim


def row(ref: WorkRef | Claim | UUID) -> Work:
    return Work.objects.get(pk=ref if isinstance(ref, UUID) else ref.id)


def journal(ref: WorkRef | Claim) -> list[tuple[int, int, str]]:
    """Attempt, fence and outcome of every attempt, in the order in which they ended."""
    rows = row(ref).attempts.order_by("id")
    return list(rows.values_list("attempt", "fence", "outcome"))


def let_time_pass(ref: WorkRef | Claim, **span: float) -> None:
    """Move everything about one row into the past: the clock is the database's."""
    found, by = row(ref), timedelta(**span)
    moved = {
        name: getattr(found, name) - by
        for name in ("due_at", "claimed_at", "lease_until", "rung_at")
        if getattr(found, name)
    }
    Work.objects.filter(pk=found.pk).update(**moved)


@contextmanager
def short_lease(seconds: float) -> Iterator[None]:
    with override_settings(WORK_LEASE_S=seconds):
        heartbeat.reset()  # Its thread rests for a third of the lease that it knows.
        yield
    heartbeat.reset()


def at_once(count: int, act: Callable[[int], T]) -> list[T | Exception]:
    """Run `act(number)` in `count` threads that start together; return what each came to."""
    barrier, results = Barrier(count), dict[int, T | Exception]()

    def run(number: int) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=60)
            results[number] = act(number)
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            results[number] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=180)
    return [results[number] for number in range(count)]


@contextmanager
def broken_broker(url: str) -> Iterator[None]:
    """Let Celery believe that its broker is at `url`."""
    from celery import current_app  # noqa: PLC0415

    before = current_app.conf.broker_url
    current_app.conf.update(broker_url=url, broker_write_url=url)
    try:
        yield
    finally:
        current_app.conf.update(broker_url=before, broker_write_url=before)
