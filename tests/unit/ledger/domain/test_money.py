import pytest

from ledger.domain.money import written


@pytest.mark.parametrize(
    ("amount_cents", "currency", "text"),
    [
        (123_456, "EUR", "1,234.56 EUR"),
        (5, "EUR", "0.05 EUR"),
        (-5, "EUR", "-0.05 EUR"),
        (1_500, "JPY", "1,500 JPY"),
        (1_500, "KWD", "1.500 KWD"),
        (1_500, "", "15.00 "),
    ],
)
def test_an_amount_is_written_with_the_digits_of_its_currency(
    amount_cents: int, currency: str, text: str
) -> None:
    assert written(amount_cents, currency) == text
