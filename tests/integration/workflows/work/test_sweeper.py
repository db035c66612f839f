import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from events import wire
from events.selectors import stream_events
from tests.integration.workflows.work.conftest import (
    Enqueue,
    broken_broker,
    journal,
    let_time_pass,
    row,
    take,
)
from workflows.work import leases, liveness, registry, schedules, selectors, statements, sweeper
from workflows.work.models import Work, Worker
from workflows.work.sweeper import Swept

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of the bells that the sweeper sends, in order. A double at the port."""
    sent: list[str] = []

    def ring(_queue: str, ids: Any, **_options: Any) -> bool:
        kinds = {work.pk: work.kind for work in Work.objects.filter(pk__in=ids)}
        sent.extend(kinds[id_] for id_ in ids)
        return True

    monkeypatch.setattr("workflows.work.doorbell.ring", ring)
    return sent


@pytest.fixture
def _the_clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all statements of a test that is one transaction be of its beginning."""
    for name, text in vars(statements).items():
        if isinstance(text, str) and "statement_timestamp()" in text:
            standing = text.replace("statement_timestamp()", "transaction_timestamp()")
            monkeypatch.setattr(statements, name, standing)


def sweep(**options: Any) -> Swept:
    return sweeper.sweep(worker="sweeper@test", **options)


@pytest.mark.usefixtures("_the_clock_stands_still")
class TestLostBells:
    def test_are_rung_again_after_a_while(self, enqueue: Enqueue, rung: list[str]) -> None:
        ref = enqueue()
        assert sweep().rung == 0

        let_time_pass(ref, seconds=4)

        assert sweep().rung == 1
        assert rung == ["lab.echo"]

    def test_are_rung_ever_more_patiently(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        for patience_s in [1.5, 3, 6, 12, 24, 48, 60, 60]:
            let_time_pass(ref, seconds=patience_s)
            assert sweep().rung == 0
            let_time_pass(ref, microseconds=1)
            assert sweep().rung == 1

    def test_are_not_needed_for_what_is_not_due(self, enqueue: Enqueue) -> None:
        ref = enqueue(delay=timedelta(seconds=10))
        assert sweep().rung == 0

        let_time_pass(ref, seconds=10)

        assert sweep().rung == 1


@pytest.mark.usefixtures("_the_clock_stands_still")
class TestAHerd:
    def test_is_let_through_in_bounded_batches(
        self, enqueue: Enqueue, rung: list[str], settings: Any
    ) -> None:
        settings.WORK_DISPATCH_MAX = 4
        settings.WORK_BELLS_PER_WORKER = 100
        for _ in range(10):
            let_time_pass(enqueue(), seconds=10)

        assert [sweep() for _ in range(4)] == [
            Swept(rung=4, is_full=True),
            Swept(rung=4, is_full=True),
            Swept(rung=2),
            Swept(),
        ]

    def test_gets_no_more_bells_than_the_workers_can_answer(
        self, enqueue: Enqueue, rung: list[str], settings: Any
    ) -> None:
        settings.WORK_BELLS_PER_WORKER = 2
        for number in range(3):
            liveness.polled(f"celery@test/{number}", role="celery", queues=["default"])
        refs = [enqueue() for _ in range(20)]
        for ref in refs:
            let_time_pass(ref, seconds=10)
        let_time_pass(enqueue("lab.light", {}), seconds=10)

        assert (sweep().rung, sorted(rung)) == (7, ["lab.echo"] * 6 + ["lab.light"])
        assert sweep().rung == 0

        answered = [ref for ref in refs if row(ref).rings]
        take(answered[0])
        assert sweep().rung == 1

        # Bells that nobody hears hold up no others.
        for ref in answered[1:]:
            let_time_pass(ref, seconds=4)
        assert sweep().rung == 5

    def test_of_light_work_gets_as_many_batches(self, enqueue: Enqueue, settings: Any) -> None:
        settings.WORK_BELLS_PER_WORKER, settings.WORK_BATCH_MAX = 1, 3
        for _ in range(10):
            let_time_pass(enqueue("lab.light", {}), seconds=10)

        assert sweep().rung == 2 * 3

    def test_of_one_kind_does_not_starve_another(
        self, enqueue: Enqueue, rung: list[str], settings: Any
    ) -> None:
        settings.WORK_DISPATCH_MAX = 6
        for n in range(20):
            let_time_pass(enqueue("lab.light", {}, subject=str(n)), seconds=100)
        for n in range(2):
            let_time_pass(enqueue("lab.echo", subject=str(n)), seconds=10)

        sweep()

        assert sorted(rung) == ["lab.echo"] * 2 + ["lab.light"] * 4

    def test_of_one_subject_does_not_starve_another(
        self, enqueue: Enqueue, rung: list[str], settings: Any
    ) -> None:
        settings.WORK_DISPATCH_MAX = 3
        for _ in range(10):
            let_time_pass(enqueue(subject="big"), seconds=100)
        small = enqueue(subject="small")
        let_time_pass(small, seconds=10)

        sweep()

        assert row(small).rings == 1

    def test_lets_the_urgent_through_first(self, enqueue: Enqueue, settings: Any) -> None:
        settings.WORK_DISPATCH_MAX = 1
        old, urgent = enqueue(), enqueue("lab.light", {}, priority=10)
        let_time_pass(old, seconds=100)
        let_time_pass(urgent, seconds=10)

        sweep()

        assert (row(old).rings, row(urgent).rings) == (0, 1)

    def test_is_rung_for_the_urgent_first_and_then_in_turns(
        self, enqueue: Enqueue, rung: list[str]
    ) -> None:
        for number, seconds in enumerate((100, 90)):
            let_time_pass(enqueue(subject=str(number)), seconds=seconds)
        let_time_pass(enqueue("lab.polite", {}), seconds=10)
        let_time_pass(enqueue("lab.fails", {"how": "error"}, priority=1), seconds=5)

        sweep()

        assert rung == ["lab.fails", "lab.echo", "lab.polite", "lab.echo"]


class TestExpiredLeases:
    def test_give_the_work_back_at_once(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        take(ref, "dead worker")
        let_time_pass(ref, seconds=16)

        assert sweep() == Swept(expired=1, rung=1)

        work = row(ref)
        assert (work.status, work.crashes, work.failures, work.fence) == ("retry", 1, 0, 2)
        assert work.last_error == "The worker fell silent until its lease ran out."
        assert journal(ref) == [(1, 1, "crashed")]

    def test_give_the_work_back_before_what_came_later(self, enqueue: Enqueue) -> None:
        lost = enqueue()
        take(lost, "dead worker")
        let_time_pass(lost, seconds=16)
        for _ in range(3):
            let_time_pass(enqueue(), seconds=10)
        sweep()

        [claim] = leases.claim_next(worker="w", kinds=["lab.echo"])

        assert claim.id == lost.id

    def test_are_let_alone_while_they_run(self, enqueue: Enqueue) -> None:
        take(enqueue())

        assert sweep() == Swept()

    def test_poison_what_keeps_killing_workers(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        for _ in range(3):
            take(ref)
            let_time_pass(ref, seconds=16)
            sweep()

        assert (row(ref).status, row(ref).crashes, row(ref).failures) == ("poisoned", 3, 0)
        assert [outcome for _, _, outcome in journal(ref)] == ["crashed"] * 3
        [event] = stream_events(("job", str(ref.id)))
        assert (event.name, event.data["outcome"]) == ("job.dead_lettered", "crashed")

    def test_cancel_what_was_to_stop(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        take(ref)
        Work.objects.filter(pk=ref.id).update(cancel_requested_at=timezone.now())
        let_time_pass(ref, seconds=16)

        sweep()

        assert row(ref).status == "cancelled"


class TestADeadBroker:
    def test_leaves_the_work_to_the_sweeper(
        self, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refs = [enqueue(), enqueue("lab.light", {}), enqueue("lab.light", {})]
        for ref in refs:
            let_time_pass(ref, seconds=16)
        monkeypatch.setattr("workflows.work.doorbell.ring", lambda *_, **__: False)

        assert sweep() == Swept(done=3)
        assert [row(ref).status for ref in refs] == ["done"] * 3

    def test_keeps_the_sweeper_from_leases_and_schedules_for_no_longer_than_a_worker(
        self, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        settings.WORK_GO_ON_S = 1e-9
        refs = [enqueue(), enqueue(), enqueue()]
        for ref in refs:
            let_time_pass(ref, seconds=16)
        monkeypatch.setattr("workflows.work.doorbell.ring", lambda *_, **__: False)

        assert sweep() == Swept(done=1)
        assert [(row(ref).status, row(ref).rung_at, row(ref).rings) for ref in refs[1:]] == [
            ("ready", None, 0),
            ("ready", None, 0),
        ]

        assert [sweep().done for _ in range(3)] == [1, 1, 0]


class TestExecute:
    def test_does_the_work_without_any_broker(self, enqueue: Enqueue) -> None:
        with broken_broker("redis://127.0.0.1:1/0"):
            refs = [enqueue(), enqueue("lab.light", {}), enqueue("lab.light", {})]

            assert sweep(execute=True) == Swept(done=3)

        assert [row(ref).status for ref in refs] == ["done"] * 3

    def test_fills_batches_of_light_work_although_kinds_take_turns(
        self, enqueue: Enqueue, django_assert_num_queries: Any
    ) -> None:
        sweep(execute=True)
        for _ in range(10):
            enqueue("lab.light", {})
            enqueue("lab.echo")

        # Two for schedules, one for the time, one for leases in a savepoint, one to pick; two for
        # each batch.
        with django_assert_num_queries(7 + 2 * (1 + 10)):
            assert sweep(execute=True).done == 20

    def test_stops_between_two_pieces(self, enqueue: Enqueue) -> None:
        enqueue()
        enqueue()
        answers = iter([False, True])

        assert sweep(execute=True, is_stopping=lambda: next(answers)).done == 1


class TestWorkers:
    def test_are_alive_while_they_poll(self, enqueue: Enqueue) -> None:
        sweep()
        [worker] = selectors.workers()
        assert (worker.name, worker.role, worker.is_stale) == ("sweeper@test", "sweeper", False)

    def test_are_stale_when_they_do_not(self) -> None:
        sweep()
        Worker.objects.update(seen_at=timezone.now() - timedelta(seconds=61))
        assert [worker.is_stale for worker in selectors.workers()] == [True]
        assert selectors.overview().workers_stale == 1

        liveness.stopped("sweeper@test")

        assert [worker.is_stale for worker in selectors.workers()] == [False]

    def test_are_forgotten_when_nobody_has_seen_them_for_a_day(self) -> None:
        for name, hours in (("killed@test", 25), ("silent@test", 23)):
            liveness.polled(name, role="celery", queues=["default"])
            seen_at = timezone.now() - timedelta(hours=hours)
            Worker.objects.filter(name=name).update(seen_at=seen_at)

        sweep()

        assert {worker.name for worker in selectors.workers()} == {"silent@test", "sweeper@test"}


class TestNegativeControls:
    def test_without_a_sweeper_lost_work_is_stuck(self, enqueue: Enqueue) -> None:
        """What the sweeper is for: nothing else ever finds an expired lease."""
        ref = enqueue()
        take(ref, "dead worker")
        let_time_pass(ref, hours=1)

        assert leases.claim([ref.id], worker="w", kinds=registry.names()) == []
        assert leases.claim_next(worker="w", kinds=registry.names()) == []

    def test_without_the_fence_a_stale_completion_wins(self, enqueue: Enqueue) -> None:
        """What the fence is for: take it out of the statement, and the wrong result stays."""
        [(sound,)] = wire.run("SELECT pg_get_functiondef('work_complete'::regproc)").fetchall()
        fenceless = sound.replace("AND work.fence = mine.fence", "")
        assert fenceless != sound
        wire.run(fenceless)
        ref = enqueue()
        stale = take(ref, "slow")
        let_time_pass(ref, seconds=16)
        sweep()
        take(ref, "quick")

        assert leases.complete_many([(stale, '"stale"')]) == {ref.id}
        assert row(ref).result == '"stale"'


@pytest.mark.django_db(transaction=True)
class TestTheLoop:
    def test_stops_when_told_and_says_goodbye(
        self, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        settings.WORK_TICK_S = 60
        stop = threading.Event()

        def fire_due(**_options: Any) -> int:
            stop.set()
            return 0

        monkeypatch.setattr(schedules, "fire_due", fire_due)

        sweeper.run_forever(stop)

        assert Worker.objects.get().stopped_at is not None

    def test_survives_a_bad_pass(
        self, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        settings.WORK_TICK_S = 0.01
        stop, passes = threading.Event(), []

        def expire(**_options: Any) -> dict[Any, Any]:
            passes.append(1)
            if len(passes) == 3:
                stop.set()
            raise RuntimeError("a bad row")

        monkeypatch.setattr(leases, "expire", expire)

        sweeper.run_forever(stop)

        assert len(passes) == 3
