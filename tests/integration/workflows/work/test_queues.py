"""Queues: work in one does not wait for work in another, and it is known who takes from which."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.test import override_settings

from events import doctor
from events.domain.principal import Principal, PrincipalKind
from tests.integration.workflows.work.conftest import (
    Enqueue,
    broken_broker,
    let_time_pass,
    row,
    take,
)
from workflows.work import (
    celery_messages,
    checks,
    doorbell,
    gauges,
    handover,
    liveness,
    queues,
    registry,
    runner,
    selectors,
    sweeper,
)
from workflows.work.doorbell import waiting
from workflows.work.handover import NextWork, TakenWork
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

SLOW, SLOW_KEY = "lab.slow", "daybook.webhooks"
PRINCIPAL = Principal(kind=PrincipalKind.USER, id="7")


@pytest.fixture(autouse=True)
def _a_kind_of_another_queue() -> Iterator[None]:
    registry.job(SLOW, queue=queues.WEBHOOKS)(lambda _claim: None)
    yield
    registry.forget(SLOW)


@pytest.fixture(autouse=True)
def ids_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list[list[str]]]]:
    """Return what the messages in a list of Valkey name, oldest first."""
    monkeypatch.setattr("workflows.work.doorbell.waiting", waiting)
    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        valkey.flushdb()
        yield lambda key: [_ids(message) for message in reversed(valkey.lrange(key, 0, -1))]
        valkey.flushdb()


def _ids(message: bytes) -> list[str]:
    _, named, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
    ids: list[str] = named["ids"]
    return ids


def sweep() -> int:
    return sweeper.sweep(worker="sweeper@test").rung


class TestBells:
    def test_lie_in_the_queue_of_the_kind(self, enqueue: Enqueue, ids_in: Any) -> None:
        slow, other = enqueue(SLOW), enqueue()

        assert ids_in(SLOW_KEY) == [[str(slow.id)]]
        assert ids_in("daybook") == [[str(other.id)]]

    def test_ring_where_the_kind_waits_now(self, enqueue: Enqueue, ids_in: Any) -> None:
        ref = enqueue(SLOW)
        Work.objects.update(queue="default")  # As an earlier release has written it.
        let_time_pass(ref, seconds=10)

        sweep()

        assert ids_in(SLOW_KEY) == [[str(ref.id)]] * 2
        assert ids_in("daybook") == []
        assert row(ref).queue == queues.WEBHOOKS

    def test_of_a_kind_of_a_newer_release_ring_where_that_said(
        self, enqueue: Enqueue, ids_in: Any
    ) -> None:
        ref = enqueue(SLOW)
        let_time_pass(ref, seconds=10)
        registry.forget(SLOW)

        sweep()

        assert ids_in(SLOW_KEY) == [[str(ref.id)]] * 2

    def test_of_a_queue_whose_workers_are_busy_hold_up_no_other(
        self, enqueue: Enqueue, ids_in: Any, settings: Any
    ) -> None:
        settings.WORK_BELLS_WAITING_MAX = 2
        for _ in range(2):
            let_time_pass(enqueue(SLOW), seconds=10)
        other = enqueue()
        let_time_pass(other, seconds=10)

        assert sweep() == 1

        assert len(ids_in(SLOW_KEY)) == 2
        assert ids_in("daybook") == [[str(other.id)]] * 2

    def test_are_as_many_as_the_workers_of_the_queue_can_answer(
        self, enqueue: Enqueue, settings: Any
    ) -> None:
        settings.WORK_BELLS_PER_WORKER = 1
        settings.WORK_BELLS_WAITING_MAX = 1_000
        for number in range(4):
            liveness.polled(f"celery@test/{number}", role="celery", queues=[queues.WEBHOOKS])
        for kind in [SLOW, "lab.echo"]:
            for _ in range(6):
                let_time_pass(enqueue(kind), seconds=10)

        assert sweep() == 4 + 2

        assert Work.objects.filter(kind=SLOW, rings=1).count() == 4

    def test_reach_celery_s_queue_where_the_broker_keeps_no_lists(self, enqueue: Enqueue) -> None:
        with broken_broker("memory://"), current_app.connection_for_write("memory://") as broker:
            ref = enqueue(SLOW)

            lane = broker.SimpleQueue(SLOW_KEY)
            assert lane.get(timeout=20).payload[1] == {"ids": [str(ref.id)]}


class TestAWorker:
    def test_goes_on_with_what_waits_in_the_queue_it_was_rung_for_from(
        self, enqueue: Enqueue
    ) -> None:
        slow, other = enqueue(SLOW), enqueue()

        assert runner.answer([], worker="w", queue=queues.WEBHOOKS) == 1

        assert (row(slow).status, row(other).status) == ("done", "ready")

    def test_hands_nothing_over_to_itself_that_waits_elsewhere(self, enqueue: Enqueue) -> None:
        claim = take(enqueue())
        claim.watch.goes_on = True
        follows = [NextWork(kind=SLOW, input={}), NextWork(kind="lab.echo", input={"n": 2})]

        assert _first_taken(claim, follows) == follows[1].id
        assert _first_taken(claim, follows[:1]) is None
        assert _first_taken(None, follows) == follows[0].id

    def test_says_from_which_queues_it_takes(self) -> None:
        for queue in ["default", queues.WEBHOOKS, "default"]:
            runner.answer([], worker="celery@test/1", queue=queue)
        sweep()
        sweeper.sweep(worker="sweeper@that/executes", execute=True)

        queues_by_worker = {worker.name: worker.queues for worker in selectors.workers()}
        assert queues_by_worker == {
            "celery@test/1": ["default", queues.WEBHOOKS],
            "sweeper@test": [],
            "sweeper@that/executes": ["default", queues.WEBHOOKS],
        }

    def test_of_the_same_name_as_one_before_takes_from_its_own_queues(self) -> None:
        runner.answer([], worker="celery@pod-0/8", queue=queues.WEBHOOKS)
        [before] = selectors.workers()

        liveness.forget_reports()  # As a process that has just started.
        runner.answer([], worker="celery@pod-0/8", queue="default")

        [after] = selectors.workers()
        assert after.queues == ["default"]
        assert after.started_at > before.started_at


def _first_taken(claim: Any, wanted: list[NextWork]) -> Any:
    taken = None if claim else TakenWork("w")
    statement = handover.statement(claim, wanted, by=PRINCIPAL, taken=taken)
    rows = json.loads(str(statement.params["wanted"]))
    return next((one.id for one, row in zip(wanted, rows, strict=True) if "taker" in row), None)


class TestTheRoll:
    def test_is_called_in_every_queue_and_heaps_up_in_none(
        self, ids_in: Callable[[str], list[list[str]]]
    ) -> None:
        for _ in range(3):
            doorbell.probe_queues()

        assert ids_in("daybook") == [[]]
        assert ids_in(SLOW_KEY) == [[]]

    def test_is_dropped_by_a_broker_that_cannot_count(self, monkeypatch: Any) -> None:
        sent: list[dict[str, Any]] = []
        monkeypatch.setattr(current_app, "send_task", lambda _name, **how: sent.append(how))
        with broken_broker("memory://"):
            doorbell.probe_queues()

        assert {how["queue"] for how in sent} >= {"daybook", SLOW_KEY}
        assert {how["expires"] for how in sent} == {doorbell.PROBE_EXPIRES_S}


class TestWhoTakesFromWhich:
    def test_is_told_by_the_figures(self, enqueue: Enqueue) -> None:
        liveness.polled("celery@test/1", role="celery", queues=["default"])
        let_time_pass(enqueue(SLOW), seconds=100)

        figures = {(each.metric.name, each.of): each.value for each in gauges.read_work()}
        assert figures["daybook_queue_workers", "default"] == 1
        assert figures["daybook_queue_workers", queues.WEBHOOKS] == 0
        waits = {(each.metric.name, each.of): each.value for each in gauges.read_kinds()}
        assert waits["daybook_queue_oldest_due_seconds", queues.WEBHOOKS] > 99
        assert waits["daybook_queue_oldest_due_seconds", "default"] == 0

    def test_is_told_by_the_doctor(self, enqueue: Enqueue) -> None:
        liveness.polled("celery@test/1", role="celery", queues=["default"])
        for kind in [SLOW, "lab.echo"]:
            let_time_pass(enqueue(kind), seconds=100)

        assert [says.rpartition("; ")[2] for says in _backlog() if SLOW in says] == [
            "no worker takes from its queue, webhooks"
        ]
        assert [says for says in _backlog() if "lab.echo" in says and "; " in says] == []

    def test_a_kind_of_another_release_is_said_to_be_one(self, enqueue: Enqueue) -> None:
        let_time_pass(enqueue(SLOW), seconds=100)
        registry.forget(SLOW)

        [says] = _backlog()
        assert says.endswith("; there is no such kind in this release")


def _backlog() -> list[str]:
    [check] = [each for each in doctor.checks() if each.id == "work-backlog"]
    return check.inspect()


class TestRoutes:
    def test_put_a_kind_into_another_queue(self, enqueue: Enqueue) -> None:
        registry.forget(SLOW)
        with override_settings(WORK_QUEUES={SLOW: "flows"}):
            registry.job(SLOW)(lambda _claim: None)

            assert registry.get(SLOW).queue == "flows"
            assert row(enqueue(SLOW)).queue == "flows"

    def test_to_no_kind_are_refused(self) -> None:
        with override_settings(WORK_QUEUES={"lab.none": "flows", SLOW: "flows"}):
            [error] = checks.routed_kinds_exist()

        assert (error.id, "lab.none" in error.msg) == ("work.E002", True)

    def test_to_no_queue_of_celery_are_refused(self) -> None:
        registry.forget(SLOW)
        registry.job(SLOW, queue="nowhere")(lambda _claim: None)

        [error] = checks.queues_are_declared()
        assert (error.id, "nowhere" in error.msg) == ("work.E001", True)


def test_a_worker_without_a_choice_takes_from_every_queue() -> None:
    consumed = set(current_app.amqp.queues.consume_from)

    names = {queues.celery_name(name, "daybook") for name in registry.all_queues()}
    assert consumed == names == {"daybook", SLOW_KEY}
    assert celery_messages.url_of_valkey(current_app.conf.broker_write_url)
