"""The clock of the database is set, or its machine sleeps: what the sweeper makes of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.integration.workflows.work.conftest import Enqueue, let_time_pass, row, take
from workflows.work import sweeper
from workflows.work.sweeper import Clock, Swept

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the bells that the sweeper sends. A double at the port."""
    sent: list[str] = []

    def ring(_queue: str, ids: Any, **_options: Any) -> bool:
        sent.extend(map(str, ids))
        return True

    monkeypatch.setattr("workflows.work.doorbell.ring", ring)
    return sent


def sweep() -> Swept:
    return sweeper.sweep(worker="sweeper@test")


class TestALeapOfTheClock:
    """As of a machine that slept: all leases look as if nobody renewed them."""

    def test_takes_nobody_for_dead_until_all_who_live_could_renew_their_leases(self) -> None:
        here = 100.0
        clock, now = Clock(lambda: here), timezone.now()

        def leapt(*, passed_s: float, and_s: float = 0) -> bool:
            nonlocal here, now
            here, now = here + passed_s, now + timedelta(seconds=passed_s + and_s)
            return clock.leapt(now)

        assert not clock.leapt(now)
        assert not leapt(passed_s=600)
        assert not leapt(passed_s=1, and_s=7)
        assert leapt(passed_s=1, and_s=8)
        assert leapt(passed_s=14)
        assert not leapt(passed_s=1)
        assert (leapt(passed_s=1, and_s=-3_600), clock.was_set_back) == (True, True)
        assert (leapt(passed_s=1), clock.was_set_back) == (True, False)
        assert not leapt(passed_s=14)

    def test_leaves_the_leases_alone_while_the_rest_goes_on(
        self, enqueue: Enqueue, rung: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held, lost = enqueue(), enqueue()
        take(held)
        let_time_pass(held, seconds=60)
        let_time_pass(lost, seconds=60)

        with monkeypatch.context() as leap:
            leap.setattr(Clock, "leapt", lambda _clock, _now: True)
            assert sweep().expired == 0
        assert len(rung) == 1
        assert sweep().expired == 1

    def test_back_makes_due_what_was_wanted_by_the_clock_of_before(
        self, enqueue: Enqueue, rung: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted, timer = enqueue(), enqueue(delay=timedelta(hours=2))
        let_time_pass(wanted, seconds=-3_600)
        due = row(timer).due_at

        monkeypatch.setattr(sweeper._clock, "was_set_back", True)
        monkeypatch.setattr(Clock, "leapt", lambda _clock, _now: True)
        sweep()

        assert row(wanted).due_at <= timezone.now()
        assert row(timer).due_at == due

    def test_back_lets_the_lease_of_who_died_before_it_end(self, enqueue: Enqueue) -> None:
        dead, alive = enqueue(), enqueue()
        for ref in (dead, alive):
            take(ref)
        let_time_pass(dead, seconds=-3_600)
        let_time_pass(alive, seconds=-500)

        assert sweep().expired == 1

        assert (row(dead).status, row(alive).status) == ("retry", "leased")
