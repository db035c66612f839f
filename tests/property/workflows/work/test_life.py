"""Whatever happens to a piece of work, in whatever order, its rules hold."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from workflows.work.domain import ends
from workflows.work.domain.claim import token_of
from workflows.work.domain.life import (
    DEAD_LETTERS,
    FINISHED,
    TRANSITIONS,
    Budget,
    State,
    Trigger,
)
from workflows.work.domain.retry import RetryPolicy
from workflows.work.domain.timing import Missed, Rule, plan

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 20),
    base_s=st.floats(0, 60),
    factor=st.floats(1, 10),
    cap_s=st.floats(60, 3600),
    jitter=st.floats(0, 0.99),
)


class Life:
    """The rules at work on one row, as the statements apply them."""

    def __init__(self, policy: RetryPolicy, crashes_max: int) -> None:
        self.policy, self.crashes_max = policy, crashes_max
        self.state, self.failures, self.crashes, self.attempt, self.fence = State.READY, 0, 0, 0, 0

    def move(self, trigger: Trigger, *, uniform: float, permanent: bool) -> None:
        if (self.state, trigger) not in TRANSITIONS:
            return
        before = self.state
        self.state = self._next(trigger, uniform=uniform, permanent=permanent)
        assert self.state in TRANSITIONS[before, trigger]

    def _next(self, trigger: Trigger, *, uniform: float, permanent: bool) -> State:
        budget = Budget(
            failures=self.failures,
            failures_max=self.policy.max_attempts,
            crashes=self.crashes,
            crashes_max=self.crashes_max,
        )
        if trigger is Trigger.FAIL:
            return self._fail(budget, uniform=uniform, permanent=permanent)
        if trigger is Trigger.EXPIRE:
            self.crashes, self.fence = self.crashes + 1, self.fence + 1
            return ends.crashed(budget, cancel_requested=False).state
        if trigger is Trigger.CLAIM:
            self.attempt, self.fence = self.attempt + 1, self.fence + 1
        elif trigger is Trigger.RE_DRIVE:
            self.failures = self.crashes = 0
        [after] = TRANSITIONS[self.state, trigger] - {State.LEASED} or {State.LEASED}
        return after

    def _fail(self, budget: Budget, *, uniform: float, permanent: bool) -> State:
        self.failures += 1
        end = ends.failed(
            budget, self.policy, failure=ends.NO_FAILURE, uniform=uniform, permanent=permanent
        )
        assert 0 <= end.delay_s <= self.policy.cap_s * (1 + self.policy.jitter) + 1e-6
        return end.state


@given(
    policy=policies,
    crashes_max=st.integers(1, 5),
    moves=st.lists(
        st.tuples(st.sampled_from(Trigger), st.floats(0, 1), st.booleans()), max_size=60
    ),
)
def test_budgets_hold_and_what_is_over_stays_over(
    policy: RetryPolicy, crashes_max: int, moves: list[tuple[Trigger, float, bool]]
) -> None:
    life = Life(policy, crashes_max)
    for trigger, uniform, permanent in moves:
        was, attempt, fence = life.state, life.attempt, life.fence
        life.move(trigger, uniform=uniform, permanent=permanent)

        assert life.failures <= policy.max_attempts
        assert life.crashes <= crashes_max
        assert life.fence >= life.attempt >= life.failures + life.crashes
        assert life.attempt >= attempt
        assert life.fence >= fence
        if was in FINISHED - DEAD_LETTERS:
            assert life.state is was


@given(policy=policies, failures=st.integers(1, 5000), uniform=st.floats(0, 1))
def test_delays_are_bounded_and_grow(policy: RetryPolicy, failures: int, uniform: float) -> None:
    delay_s = policy.delay_s(failures, uniform=uniform)

    assert 0 <= delay_s <= policy.cap_s * (1 + policy.jitter) + 1e-6
    assert policy.delay_s(failures + 1, uniform=uniform) >= delay_s - 1e-6


@given(st.uuids())
def test_a_token_is_a_fit_idempotency_key(work_id: UUID) -> None:
    token = token_of(work_id)

    assert token == token_of(UUID(str(work_id)))
    assert token.isascii()
    assert len(token) == len("wrk_") + 32
    assert token.replace("_", "").isalnum()


rules = st.one_of(
    st.builds(Rule, every_s=st.integers(1, 90_000), anchor_at=st.just(NOON)),
    st.builds(
        Rule,
        cron=st.sampled_from(
            [
                "* * * * *",
                "30 2 * * *",
                "0 */6 * * *",
                "15 1,2,3 * * *",
                "0 0 * * 7",
                "5 2 28-31 3 *",
            ]
        ),
        tz=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        anchor_at=st.just(NOON),
    ),
)


@given(rule=rules, start_h=st.integers(0, 9000), lateness_s=st.integers(0, 400_000))
def test_making_up_for_all_fires_each_slot_once_in_order(
    rule: Rule, start_h: int, lateness_s: int
) -> None:
    first = rule.next_after(NOON + timedelta(hours=start_h))
    assert first is not None
    now = first + timedelta(seconds=lateness_s)

    made = plan(rule, first=first, now=now, missed=Missed.ALL, missed_after_s=60)

    slots = [firing.slot_at for firing in made.firings]
    assert slots[0] == first
    assert slots == sorted(set(slots))
    assert slots[-1] <= now
    assert made.next_at is None or made.next_at > slots[-1]


@given(
    rule=rules,
    start_h=st.integers(0, 9000),
    lateness_s=st.integers(0, 400_000),
    missed=st.sampled_from([Missed.SKIP, Missed.MERGE]),
)
def test_one_firing_at_most_stands_for_an_absence(
    rule: Rule, start_h: int, lateness_s: int, missed: Missed
) -> None:
    first = rule.next_after(NOON + timedelta(hours=start_h))
    assert first is not None
    now = first + timedelta(seconds=lateness_s)

    made = plan(rule, first=first, now=now, missed=missed, missed_after_s=60)

    [firing] = made.firings
    assert first <= firing.slot_at <= now
    assert made.next_at is not None
    assert made.next_at > now
