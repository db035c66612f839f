from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from events import context
from events.domain.principal import Principal, PrincipalKind
from tests.integration.workflows.work.conftest import row
from workflows.work import runner, schedules, services
from workflows.work.domain.timing import ScheduleInvalid
from workflows.work.models import Schedule, Work
from workflows.work.registry import InputInvalid, KindUnknown

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _act_as_an_operator() -> Any:
    with context.acting(Principal(kind=PrincipalKind.USER, id="7")):
        yield


def make_due(schedule: Schedule, **ago: float) -> datetime:
    """Move the next slot into the past; return it."""
    slot = timezone.now() - timedelta(**ago)
    anchor = slot - timedelta(seconds=schedule.every_s or 0)
    Schedule.objects.filter(pk=schedule.pk).update(next_at=slot, anchor_at=anchor)
    return slot


def fates(schedule: Schedule) -> list[tuple[str, int]]:
    return list(schedule.slots.order_by("slot_at").values_list("fate", "stands_for"))


class TestDeclare:
    def test_knows_its_next_slot(self) -> None:
        made = services.schedule("lab.echo", cron="30 2 * * *", tz="Europe/Berlin", input={"n": 1})

        assert made.next_at is not None
        assert made.next_at > timezone.now()
        assert made.next_at.astimezone(UTC).minute == 30
        assert (made.name, made.principal) == ("lab.echo", "user:7")

    def test_keeps_its_rhythm_when_nothing_changes(self) -> None:
        first = services.schedule("lab.echo", every="1h", input={"n": 1})
        again = services.schedule("lab.echo", every="60m", input={"n": 2})

        assert (again.next_at, again.anchor_at) == (first.next_at, first.anchor_at)
        assert again.input == '{"n":2}'

    def test_starts_over_with_a_new_rule(self) -> None:
        first = services.schedule("lab.echo", every="1h", input={"n": 1})
        again = services.schedule("lab.echo", every="30m", input={"n": 1})

        assert again.next_at is not None
        assert first.next_at is not None
        assert again.next_at < first.next_at
        assert Schedule.objects.count() == 1

    def test_refuses_what_could_not_be_enqueued(self) -> None:
        with pytest.raises(InputInvalid):
            services.schedule("lab.echo", every="1h", input={"n": "one"})
        with pytest.raises(KindUnknown):
            services.schedule("lab.nothing", every="1h")
        with pytest.raises(ScheduleInvalid):
            services.schedule("lab.echo", every="1h", cron="* * * * *", input={"n": 1})
        with pytest.raises(ScheduleInvalid, match="'perhaps' is none of skip, merge, all"):
            services.schedule("lab.echo", every="1h", input={"n": 1}, missed="perhaps")

        assert not Schedule.objects.exists()


class TestFire:
    def test_enqueues_the_work_of_a_slot_once(self) -> None:
        made = services.schedule("lab.echo", every="1h", input={"n": 5})
        slot = make_due(made, seconds=1)

        assert [schedules.fire_due(limit=10) for _ in range(3)] == [1, 0, 0]

        work = Work.objects.get()
        assert (work.input, work.subject, work.principal) == (
            '{"n":5}',
            "schedule/lab.echo",
            "user:7",
        )
        assert work.causation_id == f"schedule:lab.echo:{slot:%Y-%m-%dT%H:%M:%SZ}"
        made.refresh_from_db()
        assert made.next_at == slot + timedelta(hours=1)

    def test_is_held_to_once_by_the_table(self) -> None:
        """Even when the next slot is set back, as by a restored row."""
        made = services.schedule("lab.echo", every="1h", input={"n": 5}, overlap="queue")
        slot = make_due(made, seconds=1)
        schedules.fire_due(limit=10)
        Work.objects.update(status="done", finished_at=timezone.now())

        Schedule.objects.filter(pk=made.pk).update(next_at=slot)

        assert schedules.fire_due(limit=10) == 0
        assert Work.objects.count() == 1

    def test_fires_a_set_time_and_is_done(self) -> None:
        made = services.schedule("lab.echo", at=timezone.now(), input={"n": 5})

        assert schedules.fire_due(limit=10) == 1
        made.refresh_from_db()
        assert made.next_at is None

    def test_goes_on_past_one_that_cannot_be_read(self, caplog: pytest.LogCaptureFixture) -> None:
        lost = services.schedule("lab.echo", name="lost", cron="0 9 * * *", input={"n": 1})
        make_due(lost, seconds=2)
        Schedule.objects.filter(pk=lost.pk).update(tz="Mars/Base")
        make_due(services.schedule("lab.echo", every="1h", input={"n": 5}), seconds=1)

        assert schedules.fire_due(limit=10) == 1

        assert Work.objects.get().subject == "schedule/lab.echo"
        [record] = [each for each in caplog.records if each.levelname == "ERROR"]
        assert record.message == "A schedule could not be fired."
        assert vars(record)["schedule"] == "lost"

    def test_leaves_what_is_switched_off(self) -> None:
        made = services.schedule("lab.echo", every="1h", input={"n": 5})
        make_due(made, seconds=1)
        services.set_schedule_enabled("lab.echo", enabled=False)

        assert schedules.fire_due(limit=10) == 0

        on = services.set_schedule_enabled("lab.echo", enabled=True)
        assert on.next_at is not None
        assert on.next_at > timezone.now()


class TestMissed:
    @pytest.mark.parametrize(
        ("policy", "fired", "expected"),
        [
            ("skip", 0, [("missed", 3)]),
            ("merge", 1, [("fired", 3)]),
        ],
    )
    def test_is_made_up_for_as_declared(
        self, policy: str, fired: int, expected: list[tuple[str, int]]
    ) -> None:
        made = services.schedule("lab.echo", every="1h", input={"n": 1}, missed=policy)
        make_due(made, hours=2, minutes=30)

        assert schedules.fire_due(limit=10) == fired
        assert fates(made) == expected

    def test_can_be_made_up_for_in_full(self) -> None:
        made = services.schedule(
            "lab.echo", every="1h", input={"n": 1}, missed="all", overlap="queue"
        )
        make_due(made, hours=2, minutes=30)

        assert schedules.fire_due(limit=10) == 1
        assert fates(made) == [("fired", 1), ("queued", 1), ("queued", 1)]


class TestOverlap:
    def test_skips_while_the_one_before_is_not_finished(self) -> None:
        made = services.schedule("lab.echo", every="1h", input={"n": 1})
        make_due(made, seconds=1)
        schedules.fire_due(limit=10)
        make_due(made, seconds=0)

        assert schedules.fire_due(limit=10) == 0
        assert fates(made) == [("fired", 1), ("overlapped", 1)]

    def test_queues_and_goes_on_when_it_is(self) -> None:
        made = services.schedule("lab.echo", every="1h", input={"n": 1}, overlap="queue")
        make_due(made, seconds=1)
        schedules.fire_due(limit=10)
        make_due(made, seconds=0)
        assert schedules.fire_due(limit=10) == 0

        runner.work_off(worker="w", kinds=["lab.echo"])

        assert [schedules.fire_due(limit=10) for _ in range(2)] == [1, 0]
        assert fates(made) == [("fired", 1), ("fired", 1)]
        assert {row(slot.work_id).kind for slot in made.slots.all()} == {"lab.echo"}  # type: ignore[arg-type]

    @pytest.mark.parametrize(("policy", "fate"), [("queue", "queued"), ("skip", "overlapped")])
    def test_fires_what_is_queued_before_what_became_due_since(
        self, policy: str, fate: str
    ) -> None:
        made = services.schedule("lab.echo", every="1h", input={"n": 1}, overlap="queue")
        for ago in (3, 2):
            make_due(made, seconds=ago)
            schedules.fire_due(limit=10)
        runner.work_off(worker="w", kinds=["lab.echo"])
        Schedule.objects.filter(pk=made.pk).update(overlap=policy)

        make_due(made, seconds=1)

        assert schedules.fire_due(limit=10) == 1
        assert fates(made) == [("fired", 1), ("fired", 1), (fate, 1)]
        assert schedules.fire_due(limit=10) == 0
