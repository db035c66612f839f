"""When the sweeper looks again: exactly when something is due, also if it was set meanwhile."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from events import wire
from events.domain.principal import Principal
from tests.integration.workflows.work.conftest import Enqueue, let_time_pass, take
from workflows.work import handover, leases, runner, services, sweeper
from workflows.work.domain import ends
from workflows.work.handover import NextWork
from workflows.work.models import Work

pytestmark = pytest.mark.django_db


class TestTimers:
    def test_set_the_pace(self, enqueue: Enqueue, settings: Any) -> None:
        assert sweeper.rest_s(timezone.now()) == 0.5
        settings.WORK_TICK_S = 600
        enqueue(delay=timedelta(seconds=60))

        assert 0 < sweeper.rest_s(timezone.now()) <= 60

    def test_that_came_too_late_for_a_pass_are_for_the_next(
        self, enqueue: Enqueue, settings: Any
    ) -> None:
        settings.WORK_TICK_S = 600
        ref = enqueue(delay=timedelta(seconds=60))
        began = timezone.now()
        let_time_pass(ref, seconds=60)
        Work.objects.filter(pk=ref.id).update(due_at=began + timedelta(microseconds=1))

        assert sweeper.rest_s(began) == sweeper.PAUSE_S_MIN
        assert sweeper.rest_s(began + timedelta(seconds=1)) == 600

    def test_of_schedules_count_too(self, settings: Any) -> None:
        settings.WORK_TICK_S = 600
        services.schedule("lab.echo", cron="* * * * *", input={"n": 1})

        assert 0 < sweeper.rest_s(timezone.now()) <= 60


class TestTheBellOfTimers:
    """Rings for what is due before the sweeper looks by itself, whoever lists it."""

    @pytest.fixture
    def woken(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        seconds: list[float] = []
        monkeypatch.setattr("events.doorbell.set_timer", seconds.append)
        return seconds

    @pytest.mark.parametrize(("delay_s", "rings"), [(0, 0), (0.2, 1), (0.6, 0)])
    def test_rings_for_what_is_put_on_the_list(
        self,
        enqueue: Enqueue,
        woken: list[float],
        django_capture_on_commit_callbacks: Any,
        delay_s: float,
        rings: int,
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            enqueue(delay=timedelta(seconds=delay_s))

        assert len(woken) == rings
        assert all(seconds <= delay_s for seconds in woken)

    def test_rings_for_a_retry(
        self, enqueue: Enqueue, woken: list[float], django_capture_on_commit_callbacks: Any
    ) -> None:
        claim = take(enqueue())
        with django_capture_on_commit_callbacks(execute=True):
            leases.end(claim, ends.snoozed(0.25))

        assert [seconds <= 0.25 for seconds in woken] == [True]

    def test_rings_for_what_is_handed_over(
        self, woken: list[float], django_capture_on_commit_callbacks: Any
    ) -> None:
        due_at = timezone.now() + timedelta(seconds=0.25)
        later = timezone.now() + timedelta(seconds=60)
        wanted = [
            NextWork(kind="lab.echo", input={"n": 1}, due_at=at) for at in (later, due_at, None)
        ]
        with django_capture_on_commit_callbacks(execute=True):
            listed = handover.statement(None, wanted, by=Principal.parse("system:test"))
            listed.on_rows(wire.fetch(listed.sql.format(head="0"), listed.params))

        assert [seconds <= 0.25 for seconds in woken] == [True]


@pytest.mark.django_db(transaction=True)
class TestTheLoop:
    def test_wakes_for_a_timer_that_is_set_while_it_rests(
        self, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        settings.WORK_TICK_S = 600
        stop, is_resting, rest_s = threading.Event(), threading.Event(), sweeper.rest_s

        def resting(since: datetime) -> float:
            seconds = rest_s(since)
            is_resting.set()
            return seconds

        def take_all(ids: Any, **_options: Any) -> int:
            stop.set()
            return len(ids)

        monkeypatch.setattr(sweeper, "rest_s", resting)
        monkeypatch.setattr(runner, "take", take_all)

        def run() -> None:
            sweeper.run_forever(stop, execute=True)
            connection.close()

        loop = threading.Thread(target=run, daemon=True)
        loop.start()
        assert is_resting.wait(60)
        # A ring before the loop listens is lost, as one that would hold up its writer is.
        for _ in range(200):
            enqueue(delay=timedelta(seconds=0.05))
            loop.join(0.1)
            if not loop.is_alive():
                break

        assert not loop.is_alive()
