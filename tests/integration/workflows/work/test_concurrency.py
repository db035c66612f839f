"""Many at once, on real connections. Each test starts its threads on one barrier."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from events import context
from events.domain.principal import SYSTEM
from tests.integration.workflows.work.conftest import (
    Enqueue,
    at_once,
    journal,
    let_time_pass,
    row,
    take,
)
from tests.live import eventually
from workflows.work import leases, queue, registry, runner, schedules, services, sweeper
from workflows.work.domain import timing
from workflows.work.domain.claim import ClaimLost, WorkRef
from workflows.work.domain.life import NotPossible, State
from workflows.work.models import Schedule, Work
from workflows.work.queue import JobKeyConflict

pytestmark = pytest.mark.django_db(transaction=True)


class TestClaim:
    def test_by_twenty_gives_each_row_to_one(self, enqueue: Enqueue) -> None:
        refs = [enqueue() for _ in range(40)]
        ids = [ref.id for ref in refs]

        claims = at_once(20, lambda n: leases.claim(ids, worker=f"w{n}", kinds=registry.names()))

        taken = Counter(claim.id for found in claims for claim in _fine(found))
        assert taken == Counter(ids)

    def test_of_the_next_by_twenty_is_disjoint(self, enqueue: Enqueue) -> None:
        refs = [enqueue() for _ in range(40)]

        claims = at_once(
            20, lambda n: leases.claim_next(worker=f"w{n}", kinds=["lab.echo"], limit=2)
        )

        taken = [claim.id for found in claims for claim in _fine(found)]
        assert len(taken) == len(set(taken)) == 40
        assert set(taken) == {ref.id for ref in refs}

    def test_of_the_next_leaves_what_it_does_not_take_to_a_bell(self, enqueue: Enqueue) -> None:
        old, new = enqueue(), enqueue("lab.light", {})
        let_time_pass(old, seconds=60)

        def answer(_number: int) -> list[UUID]:
            found = leases.claim([new.id], worker="rung", kinds=registry.names())
            return [claim.id for claim in found]

        with transaction.atomic():
            [first] = leases.claim_next(worker="goes on", kinds=registry.names())
            [answered] = at_once(1, answer)

        assert (first.id, answered) == (old.id, [new.id])


class TestCompletion:
    def test_by_twenty_holders_of_one_claim_counts_once(self, enqueue: Enqueue) -> None:
        claim = take(enqueue())

        def complete(number: int) -> None:
            with transaction.atomic():
                queue.complete(claim, number)

        ends = at_once(20, complete)

        assert sum(end is None for end in ends) == 1
        assert sum(isinstance(end, ClaimLost) for end in ends) == 19
        assert journal(claim) == [(1, 1, "done")]

    def test_and_cancellation_never_both_win(self, enqueue: Enqueue) -> None:
        for _ in range(5):
            claim = take(enqueue())

            def race(number: int, claim: Any = claim) -> State | None:
                with transaction.atomic():
                    if number:
                        return queue.cancel(claim.id, reason="race")
                    queue.complete(claim, 1)
                    return None

            completed, cancelled = at_once(2, race)

            if completed is None:
                assert isinstance(cancelled, NotPossible)
                assert row(claim).status == "done"
            else:
                assert isinstance(completed, ClaimLost)
                assert (cancelled, row(claim).status) == (State.LEASED, "leased")


class TestIdempotencyKey:
    def test_of_twenty_is_one_job(self) -> None:
        def enqueue(_number: int) -> WorkRef:
            with context.acting(SYSTEM):
                return services.enqueue("lab.echo", {"n": 1}, idempotency_key="k")

        refs = [_fine(ref) for ref in at_once(20, enqueue)]

        assert len({ref.id for ref in refs}) == 1
        assert sum(ref.is_new for ref in refs) == 1
        assert Work.objects.count() == 1

    def test_with_twenty_inputs_lets_the_first_win(self) -> None:
        def enqueue(number: int) -> WorkRef:
            with context.acting(SYSTEM):
                return services.enqueue("lab.echo", {"n": number}, idempotency_key="k")

        ends = at_once(20, enqueue)

        assert sum(isinstance(end, JobKeyConflict) for end in ends) == 19
        assert Work.objects.count() == 1


def make_due(schedule: Schedule) -> None:
    slot = timezone.now() - timedelta(seconds=1)
    anchor = slot - timedelta(hours=1)
    Schedule.objects.filter(pk=schedule.pk).update(next_at=slot, anchor_at=anchor)


class TestTwoSweepers:
    def test_expire_each_lease_once(self, enqueue: Enqueue) -> None:
        refs = [enqueue() for _ in range(20)]
        for ref in refs:
            take(ref)
            let_time_pass(ref, seconds=60)

        at_once(4, lambda _: leases.expire(limit=100))

        assert [journal(ref) for ref in refs] == [[(1, 1, "crashed")]] * 20
        assert {row(ref).crashes for ref in refs} == {1}

    def test_ring_each_bell_once(self, enqueue: Enqueue, settings: Any) -> None:
        settings.WORK_BELLS_PER_WORKER = 10
        refs = [enqueue() for _ in range(20)]
        for ref in refs:
            let_time_pass(ref, seconds=60)

        swept = at_once(4, lambda n: sweeper.sweep(worker=f"sweeper{n}"))

        assert sum(_fine(one).rung for one in swept) == 20
        assert {row(ref).rings for ref in refs} == {1}

    def test_fire_each_slot_once(self) -> None:
        with context.acting(SYSTEM):
            for number in range(10):
                services.schedule("lab.echo", name=f"s{number}", every="1h", input={"n": number})
        Schedule.objects.update(next_at=timezone.now() - timedelta(seconds=1))

        fired = at_once(4, lambda _: schedules.fire_due(limit=100))

        assert sum(_fine(one) for one in fired) == 10
        assert Work.objects.count() == 10

    def test_that_find_one_slot_due_at_once_fire_it_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with context.acting(SYSTEM):
            services.schedule("lab.echo", name="s", every="1h", input={"n": 1})
        Schedule.objects.update(next_at=timezone.now() - timedelta(seconds=1))
        both, plan = Barrier(2), timing.plan

        def planned(*given: Any, **more: Any) -> Any:
            # Neither goes on before the other is here, unless something keeps that one out.
            with suppress(BrokenBarrierError):
                both.wait(timeout=0.3)
            return plan(*given, **more)

        monkeypatch.setattr(schedules, "plan", planned)
        fired = at_once(2, lambda _: schedules.fire_due(limit=1))

        assert sum(_fine(one) for one in fired) == 1
        assert Work.objects.count() == 1

    def test_pass_by_a_slot_that_another_has_in_hand(self, hourly: Schedule) -> None:
        make_due(hourly)

        assert self.fired_by_two() == (1, 0)
        assert Work.objects.count() == 1

    def test_pass_by_a_queued_slot_that_another_has_in_hand(self, hourly: Schedule) -> None:
        for _ in range(2):
            make_due(hourly)
            schedules.fire_due(limit=1)
        runner.work_off(worker="w", kinds=["lab.echo"])

        assert self.fired_by_two() == (1, 0)
        assert schedules.fire_due(limit=1) == 0
        assert Work.objects.count() == 2

    @pytest.fixture
    def hourly(self) -> Schedule:
        with context.acting(SYSTEM):
            return services.schedule("lab.echo", every="1h", input={"n": 1}, overlap="queue")

    def fired_by_two(self) -> tuple[int, int]:
        """Let one fire while the other has not committed yet, and neither wait."""

        def fire(_number: int) -> int:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            return schedules.fire_due(limit=1)

        with transaction.atomic():
            first = schedules.fire_due(limit=1)
            [second] = at_once(1, fire)
        return first, _fine(second)

    def test_do_each_piece_once(self, enqueue: Enqueue, tmp_path: Path) -> None:
        log = str(tmp_path / "log")
        refs = [enqueue("lab.effect", {"log": log}) for _ in range(20)]

        swept = at_once(3, lambda n: sweeper.sweep(worker=f"sweeper{n}", execute=True))

        assert all(not isinstance(one, Exception) for one in swept)

        def all_are_done() -> bool:
            # What one finds while another has its hand on it waits for the next pass.
            sweeper.sweep(worker="late", execute=True)
            return {row(ref).status for ref in refs} == {"done"}

        eventually(all_are_done)
        assert (tmp_path / "log").read_text().count("\n") == 20


class TestMessages:
    def test_repeated_and_out_of_order_by_many_workers_come_to_the_same(
        self, enqueue: Enqueue, tmp_path: Path
    ) -> None:
        log = str(tmp_path / "log")
        refs = [enqueue("lab.effect", {"log": log}) for _ in range(10)]
        ids: list[UUID] = [ref.id for ref in refs]

        def deliver(number: int) -> None:
            for id_ in [*ids[number:], *ids[:number], *reversed(ids)]:
                runner.take([id_], worker=f"w{number}")

        at_once(5, deliver)

        assert (tmp_path / "log").read_text().count("\n") == 10
        assert [journal(ref) for ref in refs] == [[(1, 1, "done")]] * 10


def _fine(result: Any) -> Any:
    if isinstance(result, Exception):
        raise result
    return result
