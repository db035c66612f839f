"""Refunds and chargebacks in any order: never more goes back than came in, no claim is lost."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.domain import chargebacks, refunds
from commerce.domain.refunds import RefundExceedsPayment

CAPTURED = 24_000
cents = st.integers(1, CAPTURED + 5_000)


@dataclass(frozen=True, kw_only=True)
class Money:
    held: tuple[int, ...] = ()
    taken: int = 0
    disputed: int = 0
    claimed: int = 0

    @property
    def gone(self) -> int:
        return sum(self.held) + self.taken


def ask(money: Money, amount: int) -> Money:
    try:
        refunds.check_refund_of_payment(
            payment_id="p", paid_cents=CAPTURED, held_cents=money.gone, amount_cents=amount
        )
    except RefundExceedsPayment:
        return money
    return replace(money, held=(*money.held, amount))


def fail(money: Money, which: int) -> Money:
    if not money.held:
        return money
    cut = which % len(money.held)
    return replace(money, held=money.held[:cut] + money.held[cut + 1 :])


def charge_back(money: Money, amount: int) -> Money:
    [split] = chargebacks.split(claimed_cents=amount, left_cents=[CAPTURED - money.gone]).values()
    assert min(split.charged_back_cents, split.disputed_cents) >= 0
    return replace(
        money,
        taken=money.taken + split.charged_back_cents,
        disputed=money.disputed + split.disputed_cents,
        claimed=money.claimed + amount,
    )


@given(st.lists(st.tuples(st.sampled_from([ask, fail, charge_back]), cents), max_size=30))
def test_what_goes_back_never_exceeds_what_came_in(steps: list[tuple[object, int]]) -> None:
    money = Money()
    for act, amount in steps:
        money = act(money, amount)  # type: ignore[operator]
        assert 0 <= money.gone <= CAPTURED
        assert money.taken + money.disputed == money.claimed


def test_a_charge_that_is_told_last_takes_what_refunds_left() -> None:
    money = charge_back(ask(Money(), 12_000), CAPTURED)

    assert (money.taken, money.disputed) == (12_000, 12_000)
    with pytest.raises(RefundExceedsPayment):
        refunds.check_refund_of_payment(
            payment_id="p", paid_cents=CAPTURED, held_cents=money.gone, amount_cents=1
        )


@given(st.integers(1, 50_000), st.lists(st.integers(0, CAPTURED), min_size=1, max_size=6))
def test_a_claim_is_parted_over_payments_without_a_cent_lost(claimed: int, left: list[int]) -> None:
    parts = chargebacks.split(claimed_cents=claimed, left_cents=left)

    assert sum(p.charged_back_cents + p.disputed_cents for p in parts.values()) == claimed
    assert all(0 <= part.charged_back_cents <= left[place] for place, part in parts.items())
    if any(part.disputed_cents for part in parts.values()):
        assert sum(part.charged_back_cents for part in parts.values()) == sum(left)
    # Fewer payments, whichever, would not have been enough.
    fewer = sorted(left, reverse=True)[: len(parts) - 1]
    assert len(parts) == 1 or sum(fewer) < claimed
