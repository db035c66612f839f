import pytest

from commerce.domain import chargebacks
from commerce.domain.chargebacks import ChargebackStatus


class TestSplit:
    @pytest.mark.parametrize(
        ("claimed", "left", "charged_back", "disputed"),
        [
            (24_000, 24_000, 24_000, 0),
            (9_000, 24_000, 9_000, 0),
            (24_000, 12_000, 12_000, 12_000),
            (12_000, 12_000, 12_000, 0),
            (1, 0, 0, 1),
            (30_000, 24_000, 24_000, 6_000),
        ],
    )
    def test_takes_no_more_than_is_left_and_disputes_the_rest(
        self, claimed: int, left: int, charged_back: int, disputed: int
    ) -> None:
        [part] = chargebacks.split(claimed_cents=claimed, left_cents=[left]).values()

        assert (part.charged_back_cents, part.disputed_cents) == (charged_back, disputed)

    @pytest.mark.parametrize(
        ("claimed", "parts"),
        [
            # Of 9,000 and 15,000 that are left:
            (10_000, {1: (10_000, 0)}),
            (15_000, {1: (15_000, 0)}),
            (20_000, {1: (15_000, 0), 0: (5_000, 0)}),
            (25_000, {1: (15_000, 1_000), 0: (9_000, 0)}),
        ],
    )
    def test_takes_from_as_few_payments_as_possible(
        self, claimed: int, parts: dict[int, tuple[int, int]]
    ) -> None:
        found = chargebacks.split(claimed_cents=claimed, left_cents=[9_000, 15_000])

        assert {
            place: (part.charged_back_cents, part.disputed_cents) for place, part in found.items()
        } == parts
        assert next(iter(found)) == 1


class TestMoneyBack:
    @pytest.mark.parametrize(
        ("status", "due", "returned", "surplus"),
        [
            (ChargebackStatus.WON, 24_000, 24_000, 0),
            (ChargebackStatus.WITHDRAWN, 24_000, 24_000, 0),
            (ChargebackStatus.WON, 10_000, 10_000, 14_000),
            (ChargebackStatus.WON, 0, 0, 24_000),
            (ChargebackStatus.LOST, 24_000, 0, 0),
        ],
    )
    def test_is_all_of_it_unless_it_is_lost(
        self, status: ChargebackStatus, due: int, returned: int, surplus: int
    ) -> None:
        back = chargebacks.money_back(status, charged_back_cents=24_000, due_cents=due)

        assert (back.returned_cents, back.surplus_cents) == (returned, surplus)
