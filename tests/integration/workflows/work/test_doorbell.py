import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.db import transaction

from events import context
from events.domain.principal import Principal, PrincipalKind
from tests.integration.workflows.work.conftest import (
    Enqueue,
    broken_broker,
    let_time_pass,
    row,
)
from workflows.work import doorbell, queue, runner, sweeper
from workflows.work.doorbell import waiting
from workflows.work.queue import Item

HARDLY_S = 20
"""On a machine that is busy with much else. Who has no limit waits for ever."""


@pytest.fixture
def bells() -> Iterator[Any]:
    """The messages that wait in Valkey, oldest first."""
    valkey = redis.Redis.from_url(settings.REDIS_URL)
    valkey.delete(settings.CELERY_TASK_DEFAULT_QUEUE)

    def waiting() -> list[dict[str, Any]]:
        raw = valkey.lrange(settings.CELERY_TASK_DEFAULT_QUEUE, 0, -1)
        return [json.loads(message) for message in reversed(raw)]

    yield waiting
    valkey.delete(settings.CELERY_TASK_DEFAULT_QUEUE)
    valkey.close()


@pytest.mark.django_db(transaction=True)
class TestBells:
    def test_carry_ids_and_nothing_else(self, enqueue: Enqueue, bells: Any) -> None:
        who = Principal(kind=PrincipalKind.USER, id="7")
        with context.acting(who, correlation_id="cor_1", causation_id="evt_1"):
            ref = enqueue("lab.light", {"secret": "c4n4ry"})

        [bell] = bells()
        assert "c4n4ry" not in json.dumps(bell)
        assert bell["headers"]["task"] == "work.run"
        assert bell["headers"]["daybook_principal"] == "user:7"
        assert bell["headers"]["daybook_correlation"] == "cor_1"
        assert bell["headers"]["daybook_causation"] == "evt_1"
        assert bell["headers"]["eta"] is None
        assert str(ref.id) in _body(bell)

    def test_ring_only_after_commit(self, enqueue: Enqueue, bells: Any) -> None:
        with transaction.atomic():
            enqueue()
            assert bells() == []
            transaction.set_rollback(True)

        assert bells() == []

    def test_are_shared_by_light_work(self, bells: Any) -> None:
        with transaction.atomic():
            queue.enqueue_many("lab.light", [Item(input={}) for _ in range(150)])

        assert len(bells()) == 2

    def test_are_few_for_a_flood(self, bells: Any) -> None:
        with transaction.atomic():
            queue.enqueue_many("lab.echo", [Item(input={"n": n}) for n in range(50)])

        assert len(bells()) == doorbell.BELLS_PER_COMMIT_MAX

    def test_are_not_repeated_while_all_workers_are_busy(
        self, enqueue: Enqueue, bells: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        monkeypatch.setattr("workflows.work.doorbell.waiting", waiting)
        settings.WORK_BELLS_WAITING_MAX = 2
        for _ in range(2):
            let_time_pass(enqueue(), seconds=10)

        assert sweeper.sweep(worker="sweeper@test").rung == 0

        redis.Redis.from_url(settings.REDIS_URL).lpop(settings.CELERY_TASK_DEFAULT_QUEUE)

        assert sweeper.sweep(worker="sweeper@test").rung == 2
        assert len(bells()) == 3

    def test_do_not_ring_for_what_is_due_later(self, enqueue: Enqueue, bells: Any) -> None:
        from datetime import timedelta  # noqa: PLC0415

        enqueue(delay=timedelta(seconds=30))

        assert bells() == []

    def test_ring_for_a_dead_letter_that_is_taken_up(self, enqueue: Enqueue, bells: Any) -> None:
        letter = enqueue("lab.fails", {"how": "permanent"})
        runner.take([letter.id], worker="w")
        assert row(letter).status == "dead"
        before = len(bells())

        with transaction.atomic():
            queue.re_drive(letter.id)
            assert len(bells()) == before

        *_, bell = bells()
        assert len(bells()) == before + 1
        assert str(letter.id) in _body(bell)

    def test_go_through_celery_to_a_broker_that_keeps_no_lists(self, enqueue: Enqueue) -> None:
        with broken_broker("memory://"), current_app.connection_for_write("memory://") as broker:
            ref = enqueue("lab.echo")

            waiting = broker.SimpleQueue(settings.CELERY_TASK_DEFAULT_QUEUE)
            assert waiting.get(timeout=HARDLY_S).payload[1] == {"ids": [str(ref.id)]}


@pytest.fixture
def black_hole() -> Iterator[socket.socket]:
    """A broker that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def visitors(server: socket.socket) -> int:
    """Return how many connections wait for a word."""
    server.setblocking(False)  # noqa: FBT003 (the name of the standard library's argument)
    count = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


@pytest.mark.django_db(transaction=True)
class TestADeadBroker:
    def test_hardly_holds_up_the_caller(self, enqueue: Enqueue) -> None:
        with broken_broker("redis://127.0.0.1:1/0"):
            started = time.monotonic()
            ref = enqueue()
            assert time.monotonic() - started < HARDLY_S

        assert row(ref).status == "ready"

    def test_that_swallows_everything_does_not_either(
        self, enqueue: Enqueue, black_hole: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(doorbell, "SILENCE_S", 600)
        monkeypatch.setattr(doorbell, "_PATIENCE_S", 0.5)
        with broken_broker(f"redis://127.0.0.1:{black_hole.getsockname()[1]}/0"):
            started = time.monotonic()
            refs = [enqueue() for _ in range(5)]
            assert time.monotonic() - started < HARDLY_S

        assert visitors(black_hole) == 1
        assert [row(ref).status for ref in refs] == ["ready"] * 5

    def test_is_heard_of_once_and_then_left_alone(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(doorbell, "SILENCE_S", 600)
        with broken_broker("redis://127.0.0.1:1/0"):
            assert doorbell.ring("default", [Item(input=1).id]) is False
            assert doorbell.ring("default", [Item(input=1).id]) is False

        assert [record.message for record in caplog.records] == ["The broker does not take bells."]


def _body(bell: dict[str, Any]) -> str:
    import base64  # noqa: PLC0415

    return base64.b64decode(bell["body"]).decode()
