from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from commerce.domain import horizon
from commerce.domain.horizon import CLOCKS_DIFFER, HORIZON, BeyondHorizon, StillToCome
from events.domain.errors import Rejected

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def passes(check: Callable[..., None], *given: object, **where: object) -> bool:
    """Return whether `check` refuses nothing."""
    try:
        check(*given, **where)
    except Rejected:
        return False
    return True


class TestCheckWithin:
    @pytest.mark.parametrize("when", [None, NOON, NOON - HORIZON, NOON + HORIZON])
    def test_takes_what_business_has_to_do_with(self, when: datetime | None) -> None:
        assert passes(horizon.check_within, when, now=NOON, pointer="/starts_at")

    @pytest.mark.parametrize(
        "when", [FIRST, NOON - HORIZON - INSTANT, NOON + HORIZON + INSTANT, LAST]
    )
    def test_refuses_what_is_beyond_and_says_where_it_stands(self, when: datetime) -> None:
        with pytest.raises(BeyondHorizon) as refused:
            horizon.check_within(when, now=NOON, pointer="/starts_at")

        assert refused.value.pointer == "/starts_at"


class TestCheckDayWithin:
    def test_refuses_the_first_and_the_last_day_of_all(self) -> None:
        for day in (date.min, date.max):
            with pytest.raises(BeyondHorizon):
                horizon.check_day_within(day, today=NOON.date(), pointer="/due_date")

    def test_takes_a_day_that_is_the_horizon_away(self) -> None:
        last = NOON.date() + HORIZON
        assert passes(horizon.check_day_within, last, today=NOON.date(), pointer="/due_date")


class TestCheckHappened:
    def test_takes_what_a_clock_ahead_of_ours_says(self) -> None:
        soon = NOON + CLOCKS_DIFFER
        assert passes(horizon.check_happened, soon, now=NOON, pointer="/paid_at")

    def test_refuses_what_is_still_to_come(self) -> None:
        with pytest.raises(StillToCome):
            horizon.check_happened(NOON + CLOCKS_DIFFER + INSTANT, now=NOON, pointer="/paid_at")

    def test_refuses_what_was_before_any_business(self) -> None:
        with pytest.raises(BeyondHorizon):
            horizon.check_happened(FIRST, now=NOON, pointer="/paid_at")
