from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.utils import timezone

from events import doctor
from tests.integration.workflows.work.conftest import Enqueue, let_time_pass, take
from workflows.work import checkups, leases, selectors
from workflows.work.domain.claim import WorkRef
from workflows.work.models import Attempt, Work

pytestmark = pytest.mark.django_db

SEEN = ["I6", "I7"]
CHECKS = ["I6", "I7", "I8", "I11-work", "work-leases", "work-backlog", "work-rules"]


def ill() -> list[str]:
    known = {check.id: check for check in doctor.checks()}
    return [id_ for id_ in CHECKS if known[id_].inspect()]


@pytest.fixture
def done(enqueue: Enqueue) -> WorkRef:
    """Work that was done at its second attempt: the first lost its worker."""
    ref = enqueue()
    take(ref, "dead")
    let_time_pass(ref, seconds=26)
    leases.expire(limit=10)
    leases.complete_many([(take(ref), None)])
    return ref


def _ended(ref: WorkRef, outcome: str, *, fence: int) -> None:
    now = timezone.now()
    Work.objects.filter(pk=ref.id).update(attempt=3, fence=4)
    Attempt.objects.create(
        work_id=ref.id, attempt=3, fence=fence, worker="w", started_at=now, ended_at=now,
        outcome=outcome,
    )  # fmt: skip


def _second_success(ref: WorkRef) -> None:
    _ended(ref, "done", fence=4)


def _fence_that_goes_back(ref: WorkRef) -> None:
    _ended(ref, "failed", fence=0)


def _attempt_off_the_record(ref: WorkRef) -> None:
    Work.objects.filter(pk=ref.id).update(attempt=3, fence=4, status="ready", finished_at=None)


def _foreign_fence(ref: WorkRef) -> None:
    Work.objects.filter(pk=ref.id).update(fence=9)


class TestChecks:
    def test_are_green_after_honest_work(self, done: WorkRef, enqueue: Enqueue) -> None:
        take(enqueue())
        enqueue()
        leases.complete_many([(take(enqueue()), None)])

        assert ill() == []

    def test_see_a_success_of_which_nobody_knows_the_fence(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        leases.complete_many([(take(ref), None)])

        _foreign_fence(ref)

        assert ill() == ["I6", "I7"]

    @pytest.mark.parametrize(
        ("spoil", "expected"),
        [
            (_second_success, ["I6", "I8"]),
            (_fence_that_goes_back, ["I7", "I8"]),
            (_attempt_off_the_record, ["I6", "I7", "I8"]),
            (_foreign_fence, ["I8"]),
        ],
    )
    def test_see_what_is_wrong(
        self, done: WorkRef, spoil: Callable[[WorkRef], None], expected: list[str]
    ) -> None:
        spoil(done)

        assert ill() == expected

    @pytest.mark.parametrize(
        ("spoilt", "drawn", "expected"),
        [(0, 0, SEEN), (0, 4, []), (2, 4, []), (4, 0, []), (4, 4, SEEN), (5, 0, SEEN)],
    )
    def test_look_at_the_latest_of_much_and_at_others_from_a_drawn_place_on(
        self,
        enqueue: Enqueue,
        monkeypatch: pytest.MonkeyPatch,
        spoilt: int,
        drawn: int,
        expected: list[str],
    ) -> None:
        refs = [enqueue() for _ in range(7)]
        leases.complete_many([(take(ref), None) for ref in refs])
        monkeypatch.setattr("events.samples.SAMPLED_MAX", 2)
        place = refs[drawn].id.int - refs[0].id.int
        monkeypatch.setattr("secrets.randbelow", lambda _below: place)

        _foreign_fence(refs[spoilt])

        assert ill() == expected

    def test_see_a_lease_that_nobody_sweeps(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        take(ref, "dead")
        let_time_pass(ref, seconds=26)

        [sentence] = next(c for c in doctor.checks() if c.id == "work-leases").inspect()
        assert sentence.startswith(f"work {ref.id} of lab.echo: the lease of dead ran out at ")

    def test_see_work_that_nobody_does(self, enqueue: Enqueue) -> None:
        let_time_pass(enqueue(), seconds=61)

        assert ill() == ["work-backlog"]

    def test_see_work_that_nothing_will_wake(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        take(ref)
        Work.objects.filter(pk=ref.id).update(leased_by="")

        assert ill() == ["I11-work"]

    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER TABLE work DISABLE TRIGGER work_keeps_its_rules",
            "DROP TRIGGER work_attempt_keeps_its_rules ON work_attempt",
        ],
    )
    def test_see_rules_that_nobody_keeps(self, statement: str) -> None:
        _run_alone(statement)

        assert ill() == ["work-rules"]


class TestCheckup:
    def test_keeps_what_the_doctor_found(self, enqueue: Enqueue) -> None:
        let_time_pass(enqueue(), seconds=61)

        checkups.check_up()

        checkup = selectors.latest_checkup()
        assert checkup is not None
        assert not checkup.is_healthy
        assert checkup.findings["work-backlog"]["count"] == 1
        assert checkup.findings["I6"]["count"] == 0


class TestTheJournal:
    def test_only_grows(self, done: WorkRef) -> None:
        for sql in ("UPDATE work_attempt SET outcome = 'failed'", "DELETE FROM work_attempt"):
            with pytest.raises(Exception, match="work_attempt is append-only"):
                _run_alone(sql)

    def test_holds_one_end_for_each_attempt(self, done: WorkRef) -> None:
        with pytest.raises(Exception, match="work_attempt_ends_once"):
            _run_alone(
                "INSERT INTO work_attempt (work_id, attempt, fence, worker, started_at, ended_at,"
                " outcome, error_class, error, stack) SELECT work_id, attempt, fence, worker,"
                " started_at, ended_at, 'failed', '', '', '' FROM work_attempt"
            )

    def test_counts_from_zero(self, done: WorkRef) -> None:
        with pytest.raises(Exception, match="work_attempt_counts_from_zero"):
            Attempt.objects.create(
                work_id=done.id, attempt=2, fence=-1, worker="w", started_at=timezone.now(),
                ended_at=timezone.now(), outcome="failed",
            )  # fmt: skip


class TestTheTable:
    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            ("status = 'asleep'", "work_state_is_known"),
            ("status = 'leased'", "work_is_leased_exactly_while_it_has_a_lease"),
            ("lease_until = now()", "work_is_leased_exactly_while_it_has_a_lease"),
            ("status = 'done'", "work_is_finished_exactly_when_it_has_an_end"),
            ("failures = 9, attempt = 20, fence = 20", "work_keeps_to_its_budgets"),
            ("failures = 1", "work_counts_every_attempt_and_fence"),
            ("status = 'poisoned', finished_at = now()", "work_is_poisoned_only_by_crashes"),
            ("status = 'dead', finished_at = now()", "work_is_dead_only_by_errors"),
            ("cancel_requested_at = now()", "work_asked_to_stop_goes_nowhere_else"),
            ("result = '1'", "work_has_a_result_only_when_done"),
            ("status = 'discarded', finished_at = now()", "work_is_discarded_for_a_reason"),
            ("input_hash = 'x'", "work_input_is_here_or_by_hash"),
            ("idempotency_key = 'k'", "work_key_has_a_fingerprint"),
            ("crashes = -1", "work_counts_from_zero"),
            ("rings = -1", "work_counts_from_zero"),
        ],
    )
    def test_says_the_rules_again(self, enqueue: Enqueue, change: str, constraint: str) -> None:
        enqueue()

        with pytest.raises(Exception, match=constraint):
            _run_alone(f"UPDATE work SET {change}")


def _run_alone(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
