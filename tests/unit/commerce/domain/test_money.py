import pytest

from commerce.domain.money import (
    AMOUNT_CENTS_MAX,
    AmountOutOfRange,
    CurrenciesMixed,
    CurrencyUnknown,
    Money,
    total,
)


class TestMoney:
    def test_adds_subtracts_and_multiplies(self) -> None:
        assert Money(250, "EUR") + Money(50, "EUR") == Money(300, "EUR")
        assert Money(250, "EUR") - Money(300, "EUR") == Money(-50, "EUR")
        assert Money(250, "EUR") * 3 == Money(750, "EUR")

    def test_rounds_a_share_down(self) -> None:
        assert Money(999, "EUR").share(5_000) == Money(499, "EUR")
        assert Money(999, "EUR").share(0) == Money(0, "EUR")
        assert Money(999, "EUR").share(10_000) == Money(999, "EUR")

    def test_is_written_with_the_digits_of_its_currency(self) -> None:
        assert str(Money(123_456, "EUR")) == "1,234.56 EUR"
        assert str(Money(1_500, "JPY")) == "1,500 JPY"

    def test_refuses_to_mix_currencies(self) -> None:
        with pytest.raises(CurrenciesMixed):
            Money(1, "EUR") + Money(1, "USD")

    @pytest.mark.parametrize("currency", ["eur", "EURO", "XXX", "", "€"])
    def test_refuses_what_is_no_currency(self, currency: str) -> None:
        with pytest.raises(CurrencyUnknown):
            Money(1, currency)

    def test_refuses_what_a_column_would_not_hold_exactly(self) -> None:
        assert Money(AMOUNT_CENTS_MAX, "EUR").amount_cents == AMOUNT_CENTS_MAX
        with pytest.raises(AmountOutOfRange):
            Money(AMOUNT_CENTS_MAX, "EUR") * 2

    def test_totals_nothing_to_zero(self) -> None:
        assert total([], currency="EUR") == Money(0, "EUR")
        with pytest.raises(CurrenciesMixed):
            total([Money(1, "USD")], currency="EUR")
