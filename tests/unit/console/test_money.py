"""Amounts on pages have as many digits after the point as their currency."""

import pytest

from console.templatetags.console import money


@pytest.mark.parametrize(
    ("cents", "currency", "shown"),
    [
        (123_450, "EUR", "1,234.50 EUR"),
        (-5, "EUR", "-0.05 EUR"),
        (1_999, "JPY", "1,999 JPY"),
        (1_001, "KWD", "1.001 KWD"),
        (None, "EUR", ""),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(
    cents: int | None, currency: str, shown: str
) -> None:
    assert money(cents, currency) == shown
