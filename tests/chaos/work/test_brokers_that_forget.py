"""Valkey flushed, full, absent, cut off; PostgreSQL cut off (F06, F08-F10)."""

import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection

from config.embedded.valkey import Valkey
from tests.chaos.work.conftest import (
    START_S,
    Start,
    enqueue,
    eventually,
    forget_all_messages,
    healthy,
    row,
)
from tests.integration.workflows.work.conftest import broken_broker
from workflows.work import selectors
from workflows.work.domain.claim import WorkRef
from workflows.work.models import Work

pytestmark = pytest.mark.chaos

NO_BROKER = "redis://127.0.0.1:1/0"
BELL_PATIENCE_S = 0.5
STOPS_WITHIN_S = 60
HARDLY_LATE_S = 15
"""On a machine that is busy with other things; by itself it is a tenth of a second."""


def all_done(refs: list[WorkRef]) -> bool:
    ids = [ref.id for ref in refs]
    return Work.objects.filter(pk__in=ids, status="done").count() == len(refs)


class TestAFlushedBroker:
    def test_loses_messages_and_no_work(self, worker: Start, sweeper: Start) -> None:
        refs = [enqueue("lab.echo", {"n": n}) for n in range(20)]
        forget_all_messages()
        worker()
        sweeper()

        eventually(lambda: all_done(refs))
        forget_all_messages()
        more = [enqueue("lab.echo", {"n": n}) for n in range(5)]
        forget_all_messages()
        eventually(lambda: all_done(more))

        assert healthy()

    def test_is_the_end_without_a_sweeper(self, worker: Start) -> None:
        """Negative control: a worker that is alive and idle finds nothing by itself."""
        lost = enqueue("lab.echo", {"n": 1})
        forget_all_messages()
        worker()
        eventually(worker_is_listening)

        time.sleep(3 * BELL_PATIENCE_S)

        assert row(lost).status == "ready"


def worker_is_listening() -> bool:
    """Whether a worker waits for the next message."""
    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        number = settings.REDIS_URL.rpartition("db=")[2]
        clients = valkey.client_list()
        return any(one["db"] == number and one["cmd"] == "brpop" for one in clients)


class TestACutConnection:
    def test_to_the_broker_is_made_again(self, worker: Start, sweeper: Start) -> None:
        worker()
        sweeper()
        first = enqueue("lab.echo", {"n": 1})
        eventually(lambda: all_done([first]))

        _cut_all_clients()
        second = enqueue("lab.echo", {"n": 2})

        eventually(lambda: all_done([second]))

    def test_to_postgresql_is_made_again(self, sweeper: Start) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            [(before,)] = cursor.fetchall()
        process = sweeper("--execute", CELERY_BROKER_URL=NO_BROKER)
        first = enqueue("lab.echo", {"n": 1})
        eventually(lambda: all_done([first]))

        with connection.cursor() as cursor:
            # Those of the sweeper, and none that tests keep from one to the next.
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_start > %s"
                " AND datname = current_database() AND pid <> pg_backend_pid()",
                [before],
            )
            assert cursor.rowcount > 0
        second = enqueue("lab.echo", {"n": 2})

        eventually(lambda: all_done([second]))
        assert process.poll() is None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey of the test's own: its memory is that of all who use it."""
    # The path of a socket holds 107 characters.
    with TemporaryDirectory(prefix="daybook-", dir="/tmp") as sockets:
        valkey = Valkey(sockets=Path(sockets), log=tmp_path / "valkey.log")
        valkey.start()
        valkey.wait_until_ready()
        yield valkey
        valkey.stop()


class TestAFullBroker:
    def test_takes_no_message_and_the_work_is_done_all_the_same(
        self, worker: Start, sweeper: Start, broker: Valkey
    ) -> None:
        url = f"redis+socket://{broker.socket}"
        worker(CELERY_BROKER_URL=url)
        sweeper(CELERY_BROKER_URL=url)
        with broken_broker(url):
            first = enqueue("lab.echo", {"n": 0})
            eventually(lambda: all_done([first]))
            with redis.Redis.from_url(broker.url) as valkey:
                valkey.config_set("maxmemory", 1)
                with pytest.raises(redis.OutOfMemoryError):
                    valkey.set("any", "thing")
            refs = [enqueue("lab.echo", {"n": n}) for n in range(10)]

            eventually(lambda: all_done(refs))

        assert healthy()


class TestNoBrokerAtAll:
    def test_the_sweeper_does_the_work_and_stops_at_once(self, sweeper: Start) -> None:
        with broken_broker(NO_BROKER):
            refs = [enqueue("lab.echo", {"n": n}) for n in range(10)]
            refs += [enqueue("lab.light", {"n": n}) for n in range(10)]
        process = sweeper("--execute", CELERY_BROKER_URL=NO_BROKER)

        eventually(lambda: all_done(refs))
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=STOPS_WITHIN_S) == 0
        [gone] = selectors.workers()
        assert gone.stopped_at is not None
        assert healthy()

    def test_timers_are_never_early_and_hardly_late(self, sweeper: Start) -> None:
        sweeper("--execute", CELERY_BROKER_URL=NO_BROKER)
        warm = enqueue("lab.echo", {"n": 0})
        eventually(lambda: all_done([warm]))

        refs = [
            enqueue("lab.echo", {"n": n}, delay=timedelta(milliseconds=137 * n)) for n in range(15)
        ]
        eventually(lambda: all_done(refs))

        late_s = [(row(ref).claimed_at - row(ref).due_at).total_seconds() for ref in refs]  # type: ignore[operator]
        assert min(late_s) >= 0
        assert max(late_s) <= HARDLY_LATE_S


class TestTheSweeperItself:
    def test_may_die_between_taking_and_ringing(self, worker: Start, sweeper: Start) -> None:
        ref = enqueue("lab.echo", {"n": 1})
        forget_all_messages()
        first = sweeper(FAILPOINTS="sweeper.after_claim:kill")
        assert first.wait(timeout=START_S) == -signal.SIGKILL
        worker()
        sweeper()

        eventually(lambda: all_done([ref]))

    def test_writes_down_that_it_lives(self, sweeper: Start, settings: Any) -> None:
        process = sweeper()
        eventually(lambda: any(not one.is_stale for one in selectors.workers()))

        process.kill()
        process.wait()
        settings.WORK_STALE_AFTER_S = 0.1

        eventually(lambda: all(one.is_stale for one in selectors.workers()))
        assert selectors.overview().workers_stale == 1


def _cut_all_clients() -> None:
    url = settings.REDIS_URL
    number = url.rpartition("db=")[2]
    with redis.Redis.from_url(url) as valkey:
        for client in valkey.client_list():
            if client["db"] == number and client["cmd"] != "client|list":
                valkey.client_kill_filter(_id=client["id"])
