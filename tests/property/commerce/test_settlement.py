"""However often, late or twice a provider reports: the same money counts once."""

from hypothesis import given
from hypothesis import strategies as st

from commerce.domain.settlement import newly_applied_cents


@given(st.integers(0, 10**6), st.lists(st.integers(-10, 2 * 10**6), max_size=20))
def test_reports_in_any_order_never_overpay(total: int, reports: list[int]) -> None:
    paid = 0
    for reported in reports:
        newly = newly_applied_cents(total_cents=total, paid_cents=paid, reported_cents=reported)
        assert newly >= 0
        paid += newly
    assert paid == max([0, *(min(total, reported) for reported in reports)])


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_report_heard_twice_counts_once(total: int, paid: int, reported: int) -> None:
    paid = min(paid, total)
    first = newly_applied_cents(total_cents=total, paid_cents=paid, reported_cents=reported)

    again = newly_applied_cents(total_cents=total, paid_cents=paid + first, reported_cents=reported)

    assert again == 0


@given(st.integers(1, 10**6), st.data())
def test_money_that_was_charged_back_is_not_booked_from_the_same_report(
    total: int, data: st.DataObject
) -> None:
    taken = data.draw(st.integers(0, total))
    paid_anew = data.draw(st.integers(0, taken))

    heard_again = newly_applied_cents(
        total_cents=total,
        paid_cents=total - taken,
        reported_cents=total,
        charged_back_cents=taken,
    )
    with_new_money = newly_applied_cents(
        total_cents=total,
        paid_cents=total - taken,
        reported_cents=total + paid_anew,
        charged_back_cents=taken,
    )

    assert (heard_again, with_new_money) == (0, paid_anew)
