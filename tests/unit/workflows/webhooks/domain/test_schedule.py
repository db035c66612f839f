from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.webhooks.domain import schedule

NEW = timedelta()


class TestDelaySeconds:
    @pytest.mark.parametrize(
        ("failures", "seconds"), [(1, 5), (2, 300), (3, 1800), (4, 7200), (9, 57600)]
    )
    def test_grows_from_seconds_to_hours(self, failures: int, seconds: float) -> None:
        assert schedule.delay_seconds(failures=failures, age=NEW, uniform=0.5) == seconds

    def test_gives_up_after_the_last_one(self) -> None:
        assert schedule.delay_seconds(failures=10, age=NEW, uniform=0.5) is None

    def test_spreads_by_a_tenth_to_both_sides(self) -> None:
        assert schedule.delay_seconds(failures=2, age=NEW, uniform=0) == 270
        assert schedule.delay_seconds(failures=2, age=NEW, uniform=1) == pytest.approx(330)

    @pytest.mark.parametrize(
        ("asked", "seconds"), [(0, 5), (60, 60), (7 * 86400, 86400)], ids=["less", "more", "much"]
    )
    def test_waits_as_long_as_the_receiver_asks_up_to_a_day(
        self, asked: float, seconds: float
    ) -> None:
        delay = schedule.delay_seconds(failures=1, age=NEW, uniform=0.5, retry_after=asked)

        assert delay == seconds

    def test_gives_up_rather_than_come_late(self) -> None:
        age = timedelta(days=2, hours=12)

        assert schedule.delay_seconds(failures=8, age=age, uniform=0.5) is None
        assert schedule.delay_seconds(failures=1, age=age, uniform=0.5, retry_after=86400) is None
        assert schedule.delay_seconds(failures=1, age=age, uniform=0.5) == 5

    @given(st.lists(st.floats(0, 1), min_size=20, max_size=20), st.none() | st.floats(0, 10**6))
    def test_never_reaches_beyond_three_days(
        self, lucks: list[float], retry_after: float | None
    ) -> None:
        age = timedelta()
        for failures, uniform in enumerate(lucks, start=1):
            delay = schedule.delay_seconds(
                failures=failures, age=age, uniform=uniform, retry_after=retry_after
            )
            if delay is None:
                break
            age += timedelta(seconds=delay)
        else:
            pytest.fail("it was never given up")

        assert age <= timedelta(days=3)


class TestTurnSeconds:
    @pytest.mark.parametrize(
        ("age_s", "seconds"), [(0, 1), (2, 1), (20, 10), (120, 60), (86_400, 60)]
    )
    def test_is_half_of_the_age_within_bounds(self, age_s: float, seconds: float) -> None:
        assert schedule.turn_seconds(age=timedelta(seconds=age_s), uniform=0.5) == seconds

    def test_spreads_by_half_to_both_sides(self) -> None:
        age = timedelta(seconds=20)

        assert schedule.turn_seconds(age=age, uniform=0) == 5
        assert schedule.turn_seconds(age=age, uniform=1) == 15
