from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any
from uuid import UUID

import pytest

from ledger.domain import reversals as rules
from ledger.domain.reversals import (
    Declaration,
    Outcome,
    ReversalAlreadyReversed,
    ReversalExceedsOriginal,
    ReversalExpired,
    ReversalKind,
    ReversalNotReversible,
    ReversalRefused,
    ReversalUnderWay,
    Standing,
    State,
    Step,
    StepKind,
    Undoing,
)

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
ENTRY = UUID(int=1)
LATER = UUID(int=2)
COUNTED = Standing(amount_cents=100)


ASKED, ALSO_ASKED = UUID(int=3), UUID(int=4)


def step(
    kind: StepKind, cents: int = 0, outcome: Outcome | None = None, *, under: UUID | None = None
) -> Step:
    return Step(
        entry_id=LATER, kind=kind, at=NOON, outcome=outcome, amount_cents=cents, approval_id=under
    )


def after(*steps: Step, of: Standing = COUNTED) -> Standing:
    return reduce(rules.evolve, steps, of)


def check(standing: Standing, undoing: Undoing, *, at: datetime = NOON) -> None:
    rules.check_step(ENTRY, standing, undoing, at=at)


def is_allowed(standing: Standing, undoing: Undoing) -> bool:
    try:
        check(standing, undoing)
    except ReversalRefused:
        return False
    return True


class TestBegin:
    def test_has_no_way_back_where_none_is_declared(self) -> None:
        sent = Declaration(kind=ReversalKind.NONE, why="It has left the house.")

        assert rules.begin(sent).state is State.NOT_REVERSIBLE

    def test_waits_with_its_amount_and_its_end(self) -> None:
        paid = Declaration(
            kind=ReversalKind.REVERT,
            command="payment.reverse",
            version=1,
            until=NOON,
            amount_cents=100,
            currency="EUR",
        )

        assert rules.begin(paid) == Standing(amount_cents=100, until=NOON)


class TestADeclaration:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"command": ""},
            {"version": None},
            {"why": "It has left the house."},
            {"kind": ReversalKind.NONE},
            {"kind": ReversalKind.NONE, "command": "", "version": None},
            {"currency": ""},
            {"amount_cents": None},
            {"amount_cents": 0},
        ],
    )
    def test_that_contradicts_itself_is_a_bug(self, wrong: dict[str, Any]) -> None:
        right: dict[str, Any] = {
            "kind": ReversalKind.REVERT,
            "command": "payment.reverse",
            "version": 1,
            "amount_cents": 1,
            "currency": "EUR",
        }
        Declaration(**right)

        with pytest.raises(AssertionError):
            Declaration(**{**right, **wrong})


class TestEvolve:
    def test_runs_until_what_has_begun_is_settled(self) -> None:
        begun = rules.evolve(COUNTED, step(StepKind.BEGUN, 60))
        settled = rules.evolve(begun, step(StepKind.SETTLED, 60, Outcome.PARTIAL))

        assert (begun.state, begun.left_cents) == (State.RUNNING, 40)
        assert (settled.state, settled.outcome) == (State.COMPLETED, Outcome.PARTIAL)
        assert (settled.done_cents, settled.left_cents) == (60, 40)
        assert settled.reversed_by == LATER

    def test_frees_the_amount_of_what_came_back(self) -> None:
        begun = rules.evolve(COUNTED, step(StepKind.BEGUN, 60))
        returned = rules.evolve(begun, step(StepKind.RETURNED, 60, Outcome.FAILED))

        assert (returned.state, returned.outcome) == (State.FAILED, Outcome.FAILED)
        assert returned.left_cents == 100

    def test_forgets_a_request_that_came_to_nothing(self) -> None:
        asked = after(step(StepKind.REQUESTED, under=ASKED))
        withdrawn = after(step(StepKind.WITHDRAWN, under=ASKED), of=asked)

        assert (asked.state, asked.requests) == (State.REQUESTED, (ASKED,))
        assert (withdrawn.state, withdrawn.requests) == (State.AVAILABLE, ())

    def test_waits_until_the_last_request_has_ended(self) -> None:
        both = after(
            step(StepKind.REQUESTED, under=ASKED), step(StepKind.REQUESTED, under=ALSO_ASKED)
        )
        one = after(step(StepKind.WITHDRAWN, under=ASKED), of=both)

        assert (one.state, one.requests) == (State.REQUESTED, (ALSO_ASKED,))

    def test_uses_up_the_request_under_which_it_is_done(self) -> None:
        asked = after(step(StepKind.REQUESTED, under=ASKED))

        begun = after(step(StepKind.BEGUN, 60, under=ASKED), of=asked)
        done = after(step(StepKind.COMPLETED, 60, Outcome.PARTIAL, under=ASKED), of=asked)

        assert (begun.state, begun.requests) == (State.RUNNING, ())
        assert (done.state, done.requests) == (State.COMPLETED, ())

    def test_still_waits_for_what_may_be_tried_again(self) -> None:
        failed = after(
            step(StepKind.REQUESTED, under=ASKED), step(StepKind.FAILED, 0, Outcome.FAILED)
        )

        assert (failed.state, failed.outcome) == (State.REQUESTED, Outcome.FAILED)

    def test_waits_again_when_what_ran_beside_it_has_ended(self) -> None:
        beside = after(
            step(StepKind.REQUESTED, under=ASKED),
            step(StepKind.BEGUN, 60),
            step(StepKind.SETTLED, 60, Outcome.PARTIAL),
        )

        assert (beside.state, beside.outcome) == (State.REQUESTED, Outcome.PARTIAL)

    def test_waits_for_nothing_asked_before_its_time_was_over(self) -> None:
        over = after(step(StepKind.REQUESTED, under=ASKED), step(StepKind.EXPIRED))
        again = after(step(StepKind.REQUESTED, under=ALSO_ASKED), of=over)

        assert (over.state, over.requests) == (State.EXPIRED, ())
        assert (again.state, again.requests) == (State.REQUESTED, (ALSO_ASKED,))

    def test_keeps_requests_in_one_order(self) -> None:
        # A set has these the other way round.
        late, early = UUID(int=8), UUID(int=1)
        three = after(*(step(StepKind.REQUESTED, under=each) for each in (late, early, ASKED)))

        assert three.requests == (early, ASKED, late)
        assert after(step(StepKind.WITHDRAWN, under=ASKED), of=three).requests == (early, late)

    def test_counts_the_steps(self) -> None:
        ended = after(step(StepKind.BEGUN, 60), step(StepKind.SETTLED, 60, Outcome.PARTIAL))

        assert ended.steps == 2

    def test_keeps_what_was_done_before_an_attempt_that_failed(self) -> None:
        failed = after(
            step(StepKind.COMPLETED, 60, Outcome.PARTIAL), step(StepKind.FAILED, 0, Outcome.FAILED)
        )
        withdrawn = after(step(StepKind.WITHDRAWN, under=ASKED), of=failed)

        assert (failed.state, failed.outcome) == (State.FAILED, Outcome.PARTIAL)
        assert withdrawn.state is State.FAILED

    def test_runs_on_when_another_attempt_fails_beside_it(self) -> None:
        failed = after(step(StepKind.BEGUN, 60), step(StepKind.FAILED, 0, Outcome.FAILED))

        assert (failed.state, failed.running_cents) == (State.RUNNING, 60)

    def test_stays_undone_when_a_later_attempt_fails(self) -> None:
        failed = after(
            step(StepKind.COMPLETED, 100, Outcome.FULL), step(StepKind.FAILED, 0, Outcome.FAILED)
        )

        assert failed.outcome is Outcome.FULL

    def test_waits_for_nothing_once_all_is_undone(self) -> None:
        undone = after(
            step(StepKind.REQUESTED, under=ASKED), step(StepKind.COMPLETED, 100, Outcome.FULL)
        )

        assert (undone.state, undone.outcome) == (State.COMPLETED, Outcome.FULL)

    @pytest.mark.parametrize(
        ("kind", "state"), [(StepKind.EXPIRED, State.EXPIRED), (StepKind.FAILED, State.FAILED)]
    )
    def test_is_as_before_when_a_request_is_withdrawn(self, kind: StepKind, state: State) -> None:
        again = after(
            step(kind), step(StepKind.REQUESTED, under=ASKED), step(StepKind.WITHDRAWN, under=ASKED)
        )

        assert again.state is state

    def test_does_not_expire_what_is_done(self) -> None:
        done = rules.evolve(COUNTED, step(StepKind.COMPLETED, 60, Outcome.PARTIAL))

        assert rules.evolve(done, step(StepKind.EXPIRED)).state is State.COMPLETED
        assert rules.evolve(COUNTED, step(StepKind.EXPIRED)).state is State.EXPIRED


class TestOutcomeOf:
    def test_is_full_with_the_last_part(self) -> None:
        half = Standing(amount_cents=100, done_cents=50, outcome=Outcome.PARTIAL)

        assert rules.outcome_of(half, Undoing(of=ENTRY, amount_cents=49)) is Outcome.PARTIAL
        assert rules.outcome_of(half, Undoing(of=ENTRY, amount_cents=50)) is Outcome.FULL

    def test_is_what_the_command_says_where_nothing_is_counted(self) -> None:
        assert rules.outcome_of(Standing(), Undoing(of=ENTRY)) is Outcome.FULL
        assert rules.outcome_of(Standing(), Undoing(of=ENTRY, is_partial=True)) is Outcome.PARTIAL

    def test_is_full_when_the_last_part_has_settled(self) -> None:
        settled = Undoing(of=ENTRY, step=StepKind.SETTLED, amount_cents=100)

        assert rules.outcome_of(COUNTED, settled) is Outcome.FULL

    def test_is_what_the_command_says_where_one_of_both_counts_nothing(self) -> None:
        assert rules.outcome_of(COUNTED, Undoing(of=ENTRY, is_partial=True)) is Outcome.PARTIAL
        assert rules.outcome_of(Standing(), Undoing(of=ENTRY, amount_cents=1)) is Outcome.FULL

    @pytest.mark.parametrize("kind", [StepKind.FAILED, StepKind.RETURNED])
    def test_is_failed_when_an_attempt_came_to_nothing(self, kind: StepKind) -> None:
        failed = Undoing(of=ENTRY, step=kind, amount_cents=100)

        assert rules.outcome_of(COUNTED, failed) is Outcome.FAILED

    def test_is_not_known_of_what_has_only_begun(self) -> None:
        begun = Undoing(of=ENTRY, step=StepKind.BEGUN, amount_cents=100)

        assert rules.outcome_of(COUNTED, begun) is None


class TestCheckStep:
    def test_refuses_what_declares_no_way_back(self) -> None:
        with pytest.raises(ReversalNotReversible):
            check(Standing(state=State.NOT_REVERSIBLE), Undoing(of=ENTRY))

    def test_refuses_what_is_undone(self) -> None:
        undone = Standing(state=State.COMPLETED, outcome=Outcome.FULL, reversed_by=LATER)

        with pytest.raises(ReversalAlreadyReversed) as refusal:
            check(undone, Undoing(of=ENTRY))

        assert refusal.value.facts["reversed_by"] == str(LATER)

    def test_refuses_what_has_nothing_left(self) -> None:
        gone = Standing(amount_cents=100, done_cents=100, outcome=Outcome.PARTIAL)
        on_its_way = Standing(amount_cents=100, running=1, running_cents=100)

        with pytest.raises(ReversalAlreadyReversed) as refusal:
            check(gone, Undoing(of=ENTRY, amount_cents=1))
        with pytest.raises(ReversalExceedsOriginal):
            check(on_its_way, Undoing(of=ENTRY, amount_cents=1))

        assert refusal.value.facts["reversed_by"] is None

    @pytest.mark.parametrize("over", [Standing(until=NOON), Standing(expired_at=NOON)])
    def test_says_when_the_time_was_over(self, over: Standing) -> None:
        with pytest.raises(ReversalExpired) as refusal:
            check(over, Undoing(of=ENTRY))

        assert refusal.value.facts["until"] == NOON.isoformat()

    def test_lets_what_is_counted_be_undone_without_an_amount(self) -> None:
        assert is_allowed(COUNTED, Undoing(of=ENTRY))

    def test_refuses_from_the_last_moment_on(self) -> None:
        ending = Standing(until=NOON)

        check(ending, Undoing(of=ENTRY), at=NOON - timedelta(microseconds=1))
        with pytest.raises(ReversalExpired):
            check(ending, Undoing(of=ENTRY), at=NOON)

    def test_lets_a_follow_up_come_when_the_time_is_over(self) -> None:
        over = Standing(until=NOON)

        assert is_allowed(over, Undoing(of=ENTRY, is_follow_up=True))
        assert not is_allowed(over, Undoing(of=ENTRY))

    def test_refuses_more_than_is_left_while_some_is_on_its_way(self) -> None:
        begun = Standing(state=State.RUNNING, amount_cents=100, running=1, running_cents=60)

        check(begun, Undoing(of=ENTRY, amount_cents=40))
        with pytest.raises(ReversalExceedsOriginal) as refusal:
            check(begun, Undoing(of=ENTRY, amount_cents=41))

        assert (refusal.value.facts["requested_cents"], refusal.value.facts["left_cents"]) == (
            41,
            40,
        )

    def test_refuses_a_second_attempt_while_the_whole_is_under_way(self) -> None:
        with pytest.raises(ReversalUnderWay):
            check(Standing(state=State.RUNNING, running=1), Undoing(of=ENTRY))

    def test_lets_what_failed_be_tried_again(self) -> None:
        failed = Standing(state=State.FAILED, outcome=Outcome.FAILED)

        assert is_allowed(failed, Undoing(of=ENTRY))
