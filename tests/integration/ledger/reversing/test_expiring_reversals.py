"""Windows that close, what is tried in vain, and what two do about one original at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from events import context
from ledger import recording
from ledger.access.authority import Caller
from ledger.domain.reversals import StepKind, Undoing
from ledger.models import Entry, Mutation, ReversalStanding
from ledger.reversing import previews
from ledger.services import reversals
from ledger.services.reversals import ReversalChangedNothing, ReversalPreviewStale
from tests.integration.ledger.at_once import DONE, ending
from tests.integration.ledger.conftest import grant
from tests.integration.ledger.lamp import Lamp, LampBroken, lamp_of, switch_off, switching
from tests.integration.ledger.reversing.test_standings import CLERK

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_new_lamp() -> Iterator[None]:
    with lamp_of(CLERK):
        yield


@pytest.fixture
def chief(alice: User) -> Caller:
    return Caller(grant(alice, "event.read"))


def switched_off_long_ago(*, seconds: int = 1) -> UUID:
    return switch_off(until=timezone.now() - timedelta(seconds=seconds))


def undo(entry_id: UUID, by: Caller) -> None:
    token = previews.preview(entry_id).token
    reversals.execute_reversal(entry_id=entry_id, token=token, reason="Too dark.", caller=by)


def steps_of(entry_id: UUID) -> list[str]:
    rows = Mutation.objects.filter(reverses=entry_id).order_by("reversal_number")
    return list(rows.values_list("reversal_step", flat=True))


class TestClosing:
    def test_leaves_what_was_undone_in_time(self, chief: Caller) -> None:
        entry_id = switch_off(until=timezone.now() + timedelta(minutes=1))
        undo(entry_id, chief)
        _put_off(entry_id)

        assert reversals.expire_reversals() == 0
        assert steps_of(entry_id) == ["completed"]

    def test_closes_what_somebody_has_asked_to_undo(self) -> None:
        entry_id = switched_off_long_ago()
        waiting = ReversalStanding.objects.filter(entry=entry_id)
        waiting.update(state="requested", requests=[uuid4()])

        assert reversals.expire_reversals() == 1
        assert (steps_of(entry_id), waiting.get().state) == (["expired"], "expired")

    def test_closes_each_of_several_once_and_the_longest_open_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        newer, older = switched_off_long_ago(seconds=1), switched_off_long_ago(seconds=60)
        monkeypatch.setattr(reversals, "EXPIRED_MAX", 1)

        assert reversals.expire_reversals() == 1
        assert (steps_of(older), steps_of(newer)) == (["expired"], [])
        assert reversals.expire_reversals() == 1
        assert (steps_of(older), steps_of(newer)) == (["expired"], ["expired"])
        assert reversals.expire_reversals() == 0

    def test_of_what_is_closed_happens_once_whatever_is_tried_after_it(self) -> None:
        entry_id = switched_off_long_ago()
        reversals.expire_reversals()
        with recording.recorded(switching("lamp.candle")) as proof:
            # What can still be done instead did not work out.
            proof.undoes(Undoing(of=entry_id, step=StepKind.FAILED, is_follow_up=True))
        assert ReversalStanding.objects.get(entry=entry_id).state == "failed"

        assert reversals.expire_reversals() == 0
        assert steps_of(entry_id) == ["expired", "failed"]

    def test_passes_by_what_somebody_is_at_and_closes_the_others(self) -> None:
        held, other = switched_off_long_ago(seconds=60), switched_off_long_ago()
        is_held, is_over = Barrier(2), Barrier(2)

        def hold() -> None:
            try:
                with transaction.atomic():
                    ReversalStanding.objects.select_for_update().get(entry=held)
                    is_held.wait(60)
                    is_over.wait(60)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(hold)
            is_held.wait(60)
            try:
                assert reversals.expire_reversals() == 1
            finally:
                is_over.wait(60)
            ended.result()

        assert (steps_of(held), steps_of(other)) == ([], ["expired"])
        assert reversals.expire_reversals() == 1

    def test_leaves_what_is_undone_between_the_look_and_the_lock(self, chief: Caller) -> None:
        entry_id = switch_off(until=timezone.now() + timedelta(hours=1))
        token = previews.preview(entry_id).token
        undone: list[str] = []

        def undo_in_time() -> None:
            with context.acting(CLERK):
                reversals.execute_reversal(
                    entry_id=entry_id, token=token, reason="Too dark.", caller=chief
                )

        def beforehand(execute: Any, sql: str, *rest: Any) -> Any:
            # It was begun while there was time, and commits only now.
            if "SKIP LOCKED" in sql and not undone:
                with time_machine.travel(now, tick=False), ThreadPoolExecutor(1) as another:
                    undone.append(another.submit(ending, undo_in_time).result(60))
            return execute(sql, *rest)

        now = timezone.now()
        with (
            time_machine.travel(now + timedelta(hours=2), tick=False),
            connection.execute_wrapper(beforehand),
        ):
            closed = reversals.expire_reversals()

        assert (closed, undone, steps_of(entry_id)) == (0, [DONE], ["completed"])

    def test_at_once_in_two_sweeps_closes_each_once(self) -> None:
        ids = [switched_off_long_ago() for _ in range(4)]
        start = Barrier(2)

        def sweep(_: int) -> int:
            try:
                start.wait(60)
                return reversals.expire_reversals()
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            closed = sum(pool.map(sweep, range(2)))

        assert closed == len(ids)
        assert [steps_of(each) for each in ids] == [["expired"]] * 4


class TestWhatIsTriedInVain:
    def test_because_there_was_nothing_to_undo_says_so_and_is_on_record(
        self, chief: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry_id = switch_off()
        monkeypatch.setattr(Lamp, "is_on", True)

        with pytest.raises(ReversalChangedNothing) as refused:
            undo(entry_id, chief)

        assert refused.value.facts["entry_id"] == str(entry_id)
        assert steps_of(entry_id) == ["failed"]

    def test_because_the_state_has_moved_is_stale_and_no_failed_attempt(
        self, chief: Caller
    ) -> None:
        entry_id = switch_off()
        Lamp.moved, Lamp.fails = staticmethod(_move), LampBroken()

        with pytest.raises(ReversalPreviewStale):
            undo(entry_id, chief)

        assert steps_of(entry_id) == []

    def test_while_nothing_moved_is_a_failed_attempt(self, chief: Caller) -> None:
        entry_id = switch_off()
        Lamp.fails = LampBroken()

        with pytest.raises(LampBroken):
            undo(entry_id, chief)

        assert steps_of(entry_id) == ["failed"]
        assert Entry.objects.get(mutation__reverses=entry_id).action_name == "reversal.execute"


def _move() -> None:
    Lamp.version += 1


def _put_off(entry_id: UUID) -> None:
    """Let the window of an original be over, whatever became of it."""
    past = timezone.now() - timedelta(seconds=1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        ReversalStanding.objects.filter(entry=entry_id).update(until=past)
