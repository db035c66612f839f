from workflows.work.domain import ends
from workflows.work.domain.ends import Failure, Outcome
from workflows.work.domain.life import Budget, State
from workflows.work.domain.retry import RetryPolicy

POLICY = RetryPolicy(max_attempts=3, base_s=10, jitter=0)
TROUBLE = Failure(error_class="E", error="e")
FRESH = Budget(failures=0, failures_max=3, crashes=0, crashes_max=2)


class TestFailed:
    def test_waits_for_the_next_try(self) -> None:
        end = ends.failed(FRESH, POLICY, failure=TROUBLE, uniform=0.5)

        assert (end.state, end.delay_s, end.failed) == (State.RETRY, 10, True)

    def test_waits_for_a_person_after_the_last(self) -> None:
        spent = Budget(failures=2, failures_max=3, crashes=0, crashes_max=2)

        end = ends.failed(spent, POLICY, failure=TROUBLE, uniform=0.5)

        assert (end.state, end.delay_s) == (State.DEAD, 0)


class TestCrashed:
    def test_moves_the_fence_and_costs_no_attempt(self) -> None:
        end = ends.crashed(FRESH, cancel_requested=False)

        assert (end.state, end.outcome) == (State.RETRY, Outcome.CRASHED)
        assert end.taken_away
        assert not end.failed


class TestSnoozed:
    def test_never_asks_for_the_past(self) -> None:
        assert ends.snoozed(-5).delay_s == 0
