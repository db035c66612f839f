"""Wakes a worker after commit. A lost wake-up costs time, never work: the sweeper rings again.

Note [A dead broker]: ringing never raises, and hardly delays the caller. The broker gets half a
second; if it does not answer, this process sends no more wake-ups for a while.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import kombu.pools
from celery import current_app
from django.db import transaction
from kombu import Connection
from redis.exceptions import RedisError

from events import context
from events import doorbell as wake_ups
from events.failpoints import declare, failpoint
from workflows.work import celery_messages, conf, queues, registry
from workflows.work.registry import WorkKind

logger = logging.getLogger(__name__)

TASK = "work.run"
BELLS_PER_COMMIT_MAX = 20
"""Who enqueues more rings for the first; workers go on with the next by themselves."""
PROBE_EXPIRES_S = 10.0
"""A broker that can drops a probe that nobody has answered by then."""
SILENCE_S = 5.0
_PATIENCE_S = 0.5

BEFORE_BELL = declare("work.before_bell")
"""After the commit, before the wake-up."""

_silent_until = 0.0


def ring_after_commit(kind: WorkKind, ids: Sequence[UUID]) -> None:
    """Ring for `ids` once the surrounding transaction has committed."""
    if not ids:
        return

    # A def, not functools.partial: a failing partial defeats robust=True on Django 5.2.
    def call() -> None:
        failpoint(BEFORE_BELL)
        ring(kind.queue, ids[: BELLS_PER_COMMIT_MAX * size], size=size)

    size = conf.current().batch_max if kind.light else 1
    transaction.on_commit(call, robust=True)


def wake_after_commit(due_in_s: float) -> None:
    """Wake the sweeper for what is due before it would look by itself, once that is committed."""
    if due_in_s >= conf.current().tick_s:
        return
    due = time.monotonic() + due_in_s

    def call() -> None:
        wake_ups.set_timer(due - time.monotonic())

    transaction.on_commit(call, robust=True)


def ring(queue: str, ids: Sequence[UUID], *, size: int = 1) -> bool:
    """Send a bell for every `size` of `ids`, now. Return whether the broker took them all.

    The context in force goes along as headers (config.celery_context).
    """
    return _ring(queue, list(_chunks(ids, size)))


def _ring(queue: str, batches: Sequence[Sequence[UUID]], **options: Any) -> bool:
    global _silent_until  # noqa: PLW0603 (one breaker per process)
    if time.monotonic() < _silent_until:
        return False
    try:
        _send(queue, batches, **options)
    except Exception:
        # An edge: whatever a broker can do to us, the work is on record.
        _silent_until = time.monotonic() + SILENCE_S
        logger.warning("The broker does not take bells.", extra={"queue": queue}, exc_info=True)
        return False
    return True


def probe_queues() -> None:
    """Send a bell without ids into each queue: whoever takes from it says so (liveness).

    Into none in which messages wait, so that they do not heap up where nobody takes them.
    """
    for queue in registry.all_queues():
        if not waiting(queue):
            _ring(queue, [[]], expires=PROBE_EXPIRES_S)


def waiting(queue: str) -> int:
    """Return how many bells of `queue` no worker has taken yet; 0 if its broker cannot say."""
    url = celery_messages.url_of_valkey(current_app.conf.broker_write_url)
    if url is None or time.monotonic() < _silent_until:
        return 0
    try:
        return celery_messages.count(url, _key_of(queue), patience_s=_PATIENCE_S)
    except RedisError:
        # The next bell will say so.
        return 0


def close_breaker() -> None:
    """Try the broker again at once, although it was silent. For tests only."""
    global _silent_until  # noqa: PLW0603 (one breaker per process)
    _silent_until = 0.0


def _send(queue: str, batches: Sequence[Sequence[UUID]], **options: Any) -> None:
    broker_url = current_app.conf.broker_write_url
    url = celery_messages.url_of_valkey(broker_url)
    if url is None:
        _send_through_celery(broker_url, queue, batches, **options)
        return
    key = _key_of(queue)
    headers = context.as_headers()
    messages = [celery_messages.message(TASK, ids, key=key, headers=headers) for ids in batches]
    celery_messages.client(url, _PATIENCE_S).lpush(key, *messages)


def _key_of(queue: str) -> str:
    return queues.celery_name(queue, str(current_app.conf.task_default_queue))


def _send_through_celery(
    broker_url: str, queue: str, batches: Sequence[Sequence[UUID]], **options: Any
) -> None:
    connection = _connection_to(broker_url)
    with kombu.pools.producers[connection].acquire(block=True, timeout=_PATIENCE_S) as producer:
        for ids in batches:
            current_app.send_task(
                TASK,
                kwargs={"ids": [str(id_) for id_ in ids]},
                queue=_key_of(queue),
                producer=producer,
                retry=False,
                ignore_result=True,
                **options,
            )


@lru_cache(maxsize=4)
def _connection_to(url: str) -> Connection:
    # A name for the pool, not a socket: the pool opens and keeps the sockets. It is not
    # Celery's own pool, because consumers must be able to wait longer than half a second.
    # Made once: it took a quarter of a bell.
    return current_app.connection_for_write(
        url,
        connect_timeout=_PATIENCE_S,
        transport_options={
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
            "interval_max": 0,
            "socket_timeout": _PATIENCE_S,
            "socket_connect_timeout": _PATIENCE_S,
        },
    )


def _chunks(ids: Sequence[UUID], size: int) -> Iterator[Sequence[UUID]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
