"""Housekeeping that left nothing on record is forgotten; everything else stays (ADR 0190)."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import override_settings
from django.utils import timezone

from config import jobs, roles
from events import context, doctor, recorder
from events.domain.principal import Principal, PrincipalKind
from tests.integration.workflows.work.conftest import row, take
from workflows.work import conf, leases, queue, registry, retention, schedules, services, tasks
from workflows.work.domain.claim import Claim, PermanentFailure, WorkRef
from workflows.work.models import Attempt, EveryAttempt, Schedule, Slot, Work

pytestmark = pytest.mark.django_db

SWEPT = "lab.swept"
DAYS = 30
OPERATOR = Principal(kind=PrincipalKind.USER, id="7")


def _sweep(claim: Claim) -> None:
    if claim.input.get("fails"):
        raise PermanentFailure("no")


@pytest.fixture(autouse=True)
def _kind_of_housekeeping() -> Iterator[None]:
    registry.register(registry.WorkKind(name=SWEPT, handler=_sweep, housekeeping=True))
    with context.acting(OPERATOR):
        yield
    registry.forget(SWEPT)


def fired(kind: str = SWEPT) -> Claim:
    """Let a schedule fire, and claim its work."""
    made = services.schedule(kind, every="1h", input={"n": 1} if kind == "lab.echo" else {})
    Schedule.objects.filter(pk=made.pk).update(next_at=timezone.now() - timedelta(seconds=1))
    assert schedules.fire_due(limit=10) == 1
    slot = made.slots.latest("id")
    assert slot.work is not None
    return take(WorkRef(id=slot.work.pk, kind=kind))


def done(kind: str = SWEPT) -> Claim:
    claim = fired(kind)
    leases.complete_many([(claim, None)])
    return claim


def ended(claim: Claim, *, days: float) -> Claim:
    """Let it have ended so long ago."""
    at = timezone.now() - timedelta(days=days)
    Work.objects.filter(pk=claim.id).update(finished_at=at)
    Slot.objects.filter(work_id=claim.id).update(slot_at=at)
    return claim


def put_off(claim: Claim) -> None:
    """Have it on record that it was put off once."""
    now = timezone.now()
    Attempt.objects.create(
        work_id=claim.id, attempt=0, fence=0, worker="w", started_at=now, ended_at=now,
        outcome="snoozed",
    )  # fmt: skip


def forget() -> int:
    return retention.forget_page().forgotten


def test_it_goes_with_its_attempts_and_its_slot() -> None:
    old, young = ended(done(), days=DAYS + 0.01), ended(done(), days=DAYS - 0.01)
    put_off(old)

    assert forget() == 1

    assert [work.pk for work in Work.objects.all()] == [young.id]
    assert not Attempt.objects.exists()
    assert [attempt.work_id for attempt in EveryAttempt.objects.all()] == [young.id]
    assert [slot.work_id for slot in Slot.objects.all()] == [young.id]
    assert not Work.objects.filter(pk=old.id).exists()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    checks = {check.id: check for check in doctor.checks()}
    assert [checks[id_].inspect() for id_ in ("I3", "I6", "I7", "I8")] == [[], [], [], []]


def _of_another_kind() -> Claim:
    return done("lab.echo")


def _asked_for_by_a_person() -> Claim:
    claim = take(services.enqueue(SWEPT, {}))
    leases.complete_many([(claim, None)])
    return claim


def _that_has_a_key() -> Claim:
    claim = done()
    Work.objects.filter(pk=claim.id).update(idempotency_key="k", fingerprint="f" * 64)
    return claim


def _that_is_dead() -> Claim:
    claim = fired()
    Work.objects.filter(pk=claim.id).update(
        status="dead", lease_until=None, failures=1, finished_at=timezone.now()
    )
    return claim


def _that_was_cancelled() -> Claim:
    claim = fired()
    Work.objects.filter(pk=claim.id).update(
        status="cancelled", lease_until=None, finished_at=timezone.now()
    )
    return claim


def _that_raised_an_event() -> Claim:
    claim = done()
    story = row(claim).correlation_id
    with context.acting(OPERATOR, correlation_id=story), transaction.atomic():
        recorder.emit(jobs.CHECKED, {"nonce": "n"}, stream=jobs.STREAM)
    return claim


def _that_left_an_entry() -> Claim:
    claim = done()
    with context.acting(OPERATOR, correlation_id=row(claim).correlation_id):
        # An entry without an event, on another schedule.
        services.schedule("lab.echo", name="other", every="1d", input={"n": 1})
    return claim


def _that_somebody_retried() -> Claim:
    claim = _that_is_dead()
    with transaction.atomic():
        queue.re_drive(claim.id, reason="once more")
    again = take(WorkRef(id=claim.id, kind=SWEPT))
    leases.complete_many([(again, None)])
    return again


@pytest.mark.parametrize(
    "make",
    [
        _of_another_kind,
        _asked_for_by_a_person,
        _that_has_a_key,
        _that_is_dead,
        _that_was_cancelled,
        _that_raised_an_event,
        _that_left_an_entry,
        _that_somebody_retried,
    ],
)
def test_everything_else_is_kept(make: Callable[[], Claim]) -> None:
    ended(make(), days=10 * DAYS)
    last = ended(done(), days=DAYS + 1)

    assert forget() == 1

    assert Work.objects.count() == 1
    assert not Work.objects.filter(pk=last.id).exists()


@pytest.mark.parametrize("fate", ["missed", "overlapped"])
def test_a_slot_that_never_fired_goes_when_its_kind_is_housekeeping(fate: str) -> None:
    for name, kind in (("swept", SWEPT), ("told", "lab.echo")):
        services.schedule(kind, name=name, every="1h", input={"n": 1} if name == "told" else {})
    now = timezone.now()
    for name, days in (("swept", DAYS + 0.01), ("swept", DAYS - 0.01), ("told", 10 * DAYS)):
        at = now - timedelta(days=days)
        Slot.objects.create(schedule_id=name, slot_at=at, fate=fate)

    assert forget() == 1

    kept = Slot.objects.values_list("schedule_id", "slot_at").order_by("slot_at")
    assert list(kept) == [
        ("told", now - timedelta(days=10 * DAYS)),
        ("swept", now - timedelta(days=DAYS - 0.01)),
    ]


def test_a_slot_that_waits_for_its_turn_is_kept() -> None:
    made = services.schedule(SWEPT, every="1h", input={})
    long_ago = timezone.now() - timedelta(days=10 * DAYS)
    Slot.objects.create(schedule=made, slot_at=long_ago, fate="queued")

    assert forget() == 0

    assert Slot.objects.count() == 1


def test_how_long_is_a_setting() -> None:
    ended(done(), days=3)

    with override_settings(WORK_HOUSEKEEPING_DAYS=4):
        assert forget() == 0
    with override_settings(WORK_HOUSEKEEPING_DAYS=2):
        assert forget() == 1


def test_a_setting_below_a_day_is_refused() -> None:
    with (
        override_settings(WORK_HOUSEKEEPING_DAYS=0.5),
        pytest.raises(ImproperlyConfigured, match="WORK_HOUSEKEEPING_DAYS must be 1 at least"),
    ):
        conf.current()


def test_the_task_goes_on_to_the_last_old_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.work.retention.SLOTS_PER_PAGE", 2)
    kept = [ended(_that_raised_an_event(), days=DAYS + 2) for _ in range(2)]
    for _ in range(3):
        ended(done(), days=DAYS + 1)

    tasks.forget_housekeeping.apply(throw=True)

    assert {work.pk for work in Work.objects.all()} == {claim.id for claim in kept}


def test_a_slot_that_was_forgotten_does_not_fire_again() -> None:
    ended(done(), days=DAYS + 1)
    forget()

    assert schedules.fire_due(limit=10) == 0


class TestTheDatabase:
    """What it refuses, whoever asks."""

    def test_lets_nothing_else_go(self) -> None:
        kept = [
            ended(_asked_for_by_a_person(), days=DAYS),
            ended(_that_is_dead(), days=DAYS),
            ended(_that_has_a_key(), days=DAYS),
            ended(done(), days=0.99),
        ]

        with connection.cursor() as cursor:
            cursor.execute("SELECT work_forget(%s)", [[claim.id for claim in kept]])
            assert cursor.fetchone() == (0,)

        assert Work.objects.count() == 4

    def test_keeps_attempts_whose_work_is_there(self) -> None:
        put_off(ended(done(), days=DAYS))

        for sql in ("DELETE FROM work_attempt", "UPDATE work_attempt SET worker = 'x'"):
            with (
                pytest.raises(IntegrityError, match="work_attempt is append-only"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(sql)

    def test_lets_the_runtime_role_forget_and_no_more(self) -> None:
        put_off(ended(done(), days=DAYS + 1))
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE daybook_tests_runtime")
            cursor.execute("CREATE ROLE daybook_tests_stranger")
            roles.grant("daybook_tests_runtime")

            cursor.execute("SET LOCAL ROLE daybook_tests_stranger")
            with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
                cursor.execute("SELECT work_forget('{}')")
            cursor.execute("SET LOCAL ROLE daybook_tests_runtime")
            with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
                cursor.execute("DELETE FROM work_attempt")
            assert forget() == 1
            cursor.execute("RESET ROLE")

        assert not Attempt.objects.exists()


def test_the_doctor_says_when_nothing_is_forgotten() -> None:
    [check] = [check for check in doctor.checks() if check.id == "work-retention"]
    ended(done(), days=DAYS + retention.OVERDUE_DAYS - 0.5)
    ended(_that_raised_an_event(), days=DAYS + retention.OVERDUE_DAYS + 0.25)
    assert check.inspect() == []

    ended(done(), days=DAYS + retention.OVERDUE_DAYS + 0.5)

    assert check.inspect() == ["1 finished jobs or more are older than 30 days: does beat run?"]
