"""Laws of the cancellation ladder, over any ladder that may be published."""

from hypothesis import given
from hypothesis import strategies as st

from commerce.domain import cancellation
from commerce.domain.cancellation import PolicyNotPublishable, RefundType, Rule, Terms
from commerce.domain.money import Money

cents = st.integers(0, 10**9)
days = st.integers(-30, 400)


@st.composite
def ladders(draw: st.DrawFn) -> Terms:
    thresholds = [*draw(st.lists(st.integers(1, 365), unique=True, max_size=8)), 0]
    size = len(thresholds)
    shares = sorted(draw(st.lists(st.integers(0, 10_000), min_size=size, max_size=size)))
    amounts = sorted(draw(st.lists(cents, min_size=size, max_size=size)))
    is_flat = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    rules = (
        Rule(
            days_before=threshold,
            refund_bp=share,
            flat_amount_cents=amount if flat_here else None,
            refund_type=RefundType.CASH,
        )
        for threshold, share, amount, flat_here in zip(
            sorted(thresholds), shares, amounts, is_flat, strict=True
        )
    )
    kept: list[Rule] = []
    for rule in rules:
        try:
            cancellation.check_publishable([*kept, rule])
        except PolicyNotPublishable:
            continue  # A share and an amount that do not go together.
        kept.append(rule)
    return Terms(version_id="v", currency="EUR", rules=tuple(kept))


@given(ladders(), days, days, cents)
def test_cancelling_later_never_gives_back_more(
    terms: Terms, one: int, other: int, price: int
) -> None:
    earlier, later = max(one, other), min(one, other)

    def refund(when: int) -> int:
        money = Money(price, "EUR")
        return cancellation.evaluate(terms, days_before=when, price=money).amount_cents

    assert refund(earlier) >= refund(later)


@given(ladders(), days, cents)
def test_nothing_is_given_back_beyond_the_price(terms: Terms, when: int, price: int) -> None:
    given_back = cancellation.evaluate(terms, days_before=when, price=Money(price, "EUR"))

    assert 0 <= given_back.amount_cents <= price
    assert 0 <= given_back.refund_bp <= 10_000
    assert (given_back.refund_type is RefundType.NONE) == (given_back.amount_cents == 0)


@given(ladders(), st.integers(0, 400), cents)
def test_a_threshold_counts_as_reached(terms: Terms, index: int, price: int) -> None:
    rule = terms.rules[index % len(terms.rules)]

    given_back = cancellation.evaluate(
        terms, days_before=rule.days_before, price=Money(price, "EUR")
    )

    wanted = (
        price * rule.refund_bp // 10_000
        if rule.flat_amount_cents is None
        else min(price, rule.flat_amount_cents)
    )
    assert given_back.amount_cents == wanted
