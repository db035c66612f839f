from datetime import date

import pytest

from commerce.domain import numbering
from commerce.domain.numbering import Reset, SeriesExhausted

DAY = date(2026, 3, 9)


@pytest.mark.parametrize(
    ("reset", "period"), [(Reset.NEVER, ""), (Reset.ANNUAL, "26"), (Reset.MONTHLY, "2603")]
)
def test_a_period_is_named_by_its_day(reset: Reset, period: str) -> None:
    assert numbering.period_of(reset, DAY) == period


def test_a_number_says_series_period_and_place() -> None:
    assert numbering.format_number("BK", "2603", 7) == "BK-2603-000007"
    assert numbering.format_number("BK", "", 999_999) == "BK-999999"


def test_a_series_ends_loudly() -> None:
    with pytest.raises(SeriesExhausted):
        numbering.format_number("BK", "2603", 1_000_000)
