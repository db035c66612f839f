import pytest

from workflows.work.domain.life import (
    ABANDONED,
    DEAD_LETTERS,
    FINISHED,
    OPEN,
    TRANSITIONS,
    WAITING,
    Budget,
    NotPossible,
    State,
    Trigger,
    after_expiry,
    after_failure,
    states_that_allow,
)


def budget(*, failures: int = 0, crashes: int = 0) -> Budget:
    return Budget(failures=failures, failures_max=3, crashes=crashes, crashes_max=2)


class TestTheTable:
    def test_has_a_state_for_every_row_to_be_in(self) -> None:
        assert {*WAITING, State.LEASED, *FINISHED} == set(State)
        assert not OPEN & FINISHED

    def test_leaves_every_open_state_by_some_trigger(self) -> None:
        assert {state for state, _ in TRANSITIONS} >= OPEN

    @pytest.mark.parametrize("state", sorted(FINISHED - DEAD_LETTERS))
    def test_never_leaves_what_is_over(self, state: State) -> None:
        assert [trigger for known, trigger in TRANSITIONS if known is state] == []

    def test_leads_from_waiting_to_every_end(self) -> None:
        reached = set(WAITING)
        for _ in State:
            reached |= {
                after for (state, _), ends in TRANSITIONS.items() if state in reached
                for after in ends
            }  # fmt: skip

        assert reached == set(State)

    def test_names_the_states_that_allow_a_trigger(self) -> None:
        assert states_that_allow(Trigger.RE_DRIVE) == DEAD_LETTERS
        assert states_that_allow(Trigger.CLAIM) == WAITING
        assert states_that_allow(Trigger.CANCEL) == OPEN

    def test_lets_a_part_of_something_else_only_go_on(self) -> None:
        assert states_that_allow(Trigger.CANCEL, is_part=True) == frozenset()
        assert states_that_allow(Trigger.DISCARD, is_part=True) == frozenset()
        assert states_that_allow(Trigger.RE_DRIVE, is_part=True) == DEAD_LETTERS | ABANDONED


class TestAfterFailure:
    def test_tries_again_while_there_is_budget(self) -> None:
        assert after_failure(budget(failures=1), permanent=False) is State.RETRY

    def test_gives_up_with_the_last_of_it(self) -> None:
        assert after_failure(budget(failures=2), permanent=False) is State.DEAD

    def test_gives_up_at_once_when_it_is_permanent(self) -> None:
        assert after_failure(budget(), permanent=True) is State.DEAD


class TestAfterExpiry:
    def test_tries_again_while_there_is_budget(self) -> None:
        assert after_expiry(budget(failures=2), cancel_requested=False) is State.RETRY

    def test_poisons_what_keeps_killing_workers(self) -> None:
        assert after_expiry(budget(crashes=1), cancel_requested=False) is State.POISONED

    def test_cancels_what_was_to_be_cancelled(self) -> None:
        assert after_expiry(budget(crashes=1), cancel_requested=True) is State.CANCELLED


class TestNotPossible:
    def test_says_when_it_would_be(self) -> None:
        refusal = NotPossible("w1", Trigger.DISCARD, State.DONE)

        assert str(refusal) == "Work w1 is done; discard is possible while dead or poisoned."
        assert refusal.facts["allowed_states"] == ["dead", "poisoned"]
