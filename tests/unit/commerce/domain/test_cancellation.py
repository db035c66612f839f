from datetime import UTC, date, datetime

import pytest

from commerce.domain import cancellation
from commerce.domain.cancellation import (
    RULES_MAX,
    Entitlement,
    PolicyNotPublishable,
    RefundType,
    Rule,
    Segment,
    Terms,
)
from commerce.domain.money import Money

TIERS = (
    Rule(days_before=30, refund_bp=10_000, refund_type=RefundType.CASH),
    Rule(days_before=15, refund_bp=5_000, refund_type=RefundType.CASH),
    Rule(days_before=7, refund_bp=2_500, refund_type=RefundType.CREDIT),
    Rule(days_before=0),
)
PRICE = Money(10_001, "EUR")


def terms(*rules: Rule, currency: str = "EUR") -> Terms:
    return Terms(version_id="v1", currency=currency, rules=rules)


def share(days_before: int, refund_bp: int) -> Rule:
    return Rule(days_before=days_before, refund_bp=refund_bp, refund_type=RefundType.CASH)


def amount(days_before: int, cents: int) -> Rule:
    return Rule(days_before=days_before, flat_amount_cents=cents, refund_type=RefundType.CASH)


def refusal_of(rules: list[Rule]) -> str:
    try:
        cancellation.check_publishable(rules)
    except PolicyNotPublishable as refusal:
        return str(refusal)
    return ""


class TestEvaluate:
    @pytest.mark.parametrize(
        ("days", "amount", "kind"),
        [
            (31, 10_001, RefundType.CASH),
            (30, 10_001, RefundType.CASH),
            (29, 5_000, RefundType.CASH),
            (15, 5_000, RefundType.CASH),
            (14, 2_500, RefundType.CREDIT),
            (7, 2_500, RefundType.CREDIT),
            (6, 0, RefundType.NONE),
            (0, 0, RefundType.NONE),
            (-3, 0, RefundType.NONE),
        ],
    )
    def test_counts_the_threshold_itself_as_reached(
        self, days: int, amount: int, kind: RefundType
    ) -> None:
        given = cancellation.evaluate(terms(*TIERS), days_before=days, price=PRICE)

        assert (given.amount_cents, given.refund_type) == (amount, kind)

    def test_does_not_depend_on_the_order_of_the_rules(self) -> None:
        given = cancellation.evaluate(terms(*reversed(TIERS)), days_before=20, price=PRICE)

        assert given.amount_cents == 5_000

    def test_never_gives_back_more_than_the_price(self) -> None:
        flat = Rule(days_before=0, flat_amount_cents=99_999, refund_type=RefundType.CASH)

        given = cancellation.evaluate(terms(flat), days_before=1, price=PRICE)

        assert given.amount_cents == PRICE.amount_cents
        assert given.refund_bp == 10_000

    def test_says_the_share_that_was_agreed_where_it_does_not_divide_evenly(self) -> None:
        given = cancellation.evaluate(terms(*TIERS), days_before=20, price=Money(9_999, "EUR"))

        assert (given.amount_cents, given.refund_bp) == (4_999, 5_000)

    def test_prefers_a_flat_amount_to_a_share(self) -> None:
        both = Rule(
            days_before=0, refund_bp=10_000, flat_amount_cents=50, refund_type=RefundType.CASH
        )

        assert cancellation.evaluate(terms(both), days_before=1, price=PRICE).amount_cents == 50

    def test_gives_nothing_without_rules(self) -> None:
        given = cancellation.evaluate(terms(), days_before=99, price=PRICE)

        assert (given.amount_cents, given.refund_type) == (0, RefundType.NONE)

    def test_leaves_another_currency_to_a_person(self) -> None:
        given = cancellation.evaluate(terms(*TIERS, currency="USD"), days_before=99, price=PRICE)

        assert (given.amount_cents, given.manual_review) == (0, "currency_mismatch")

    def test_divides_nothing_by_a_price_of_nothing(self) -> None:
        given = cancellation.evaluate(terms(*TIERS), days_before=99, price=Money(0, "EUR"))

        assert (given.amount_cents, given.refund_bp) == (0, 0)


class TestEvaluateAll:
    NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def segment(self, cents: int, day: date, applied: Terms | None) -> Segment:
        return Segment(price=Money(cents, "EUR"), service_date=day, terms=applied)

    def test_adds_up_what_each_part_gives_back(self) -> None:
        parts = [
            self.segment(10_000, date(2026, 3, 31), terms(*TIERS)),
            self.segment(10_000, date(2026, 3, 20), terms(*TIERS)),
        ]

        given = cancellation.evaluate_all(parts, at=self.NOON, currency="EUR")

        assert given.amount_cents == 15_000
        assert (given.refund_bp, given.refund_type) == (7_500, RefundType.CASH)

    def test_says_the_share_that_all_parts_agree_on(self) -> None:
        parts = [self.segment(9_999, date(2026, 3, 20), terms(*TIERS))] * 3

        given = cancellation.evaluate_all(parts, at=self.NOON, currency="EUR")

        assert (given.amount_cents, given.refund_bp) == (3 * 4_999, 5_000)

    def test_calls_different_forms_mixed(self) -> None:
        parts = [
            self.segment(10_000, date(2026, 3, 31), terms(*TIERS)),
            self.segment(10_000, date(2026, 3, 10), terms(*TIERS)),
        ]

        given = cancellation.evaluate_all(parts, at=self.NOON, currency="EUR")

        assert given.refund_type is RefundType.MIXED

    def test_leaves_a_part_without_terms_to_a_person(self) -> None:
        parts = [
            self.segment(10_000, date(2026, 3, 31), terms(*TIERS)),
            self.segment(10_000, date(2026, 3, 31), None),
        ]

        given = cancellation.evaluate_all(parts, at=self.NOON, currency="EUR")

        assert (given.amount_cents, given.manual_review) == (0, "policy_snapshot_missing")


class TestDueBack:
    @pytest.mark.parametrize(
        ("paid", "due"),
        [
            (0, 0),
            (3_000, 0),
            (5_000, 0),
            (5_001, 1),
            (8_000, 3_000),
            (10_000, 5_000),
            (12_000, 5_000),
        ],
    )
    def test_is_what_was_paid_beyond_what_the_terms_keep(self, paid: int, due: int) -> None:
        given = cancellation.due_back_cents(
            entitled_cents=5_000, price_cents=10_000, paid_cents=paid
        )

        assert given == due


class TestCheckPublishable:
    def test_takes_the_usual_tiers_and_needs_the_last(self) -> None:
        cancellation.check_publishable(TIERS)
        with pytest.raises(PolicyNotPublishable):
            cancellation.check_publishable(TIERS[:-1])

    @pytest.mark.parametrize(
        ("rules", "why"),
        [
            ([], "needs at least one rule"),
            (TIERS[:3], "add a rule for 0 days"),
            ([*TIERS, Rule(days_before=15)], "the same number of days"),
            ([Rule(days_before=-1), Rule(days_before=0)], "cannot be negative"),
            ([Rule(days_before=0, refund_bp=10_001)], "between 0 and 10000"),
            ([Rule(days_before=0, flat_amount_cents=-1)], "flat amount cannot be negative"),
            ([Rule(days_before=0, refund_bp=1)], "says in which form"),
            (
                [
                    Rule(days_before=9, refund_bp=1, refund_type=RefundType.CASH),
                    Rule(days_before=0, refund_bp=2, refund_type=RefundType.CASH),
                ],
                "must not give back more",
            ),
            (
                [
                    Rule(days_before=9, flat_amount_cents=1, refund_type=RefundType.CASH),
                    Rule(days_before=0, flat_amount_cents=2, refund_type=RefundType.CASH),
                ],
                "must not give back more",
            ),
            ([share(9, 9_999), amount(0, 1)], "must not give back more"),
            ([amount(9, 10_000), share(0, 1)], "must not give back more"),
            ([share(9, 9_999), amount(5, 0), share(0, 1)], "must not give back more"),
            ([Rule(days_before=days) for days in range(RULES_MAX + 1)], "at most 20 rules"),
        ],
    )
    def test_refuses_a_ladder_that_would_surprise(self, rules: list[Rule], why: str) -> None:
        with pytest.raises(PolicyNotPublishable, match=why):
            cancellation.check_publishable(rules)

    @pytest.mark.parametrize(
        "rules",
        [
            [share(9, 10_000), amount(0, 5_000)],
            [amount(9, 5_000), share(0, 0)],
            [share(9, 10_000), amount(5, 5_000), amount(2, 5_000), share(0, 0)],
        ],
    )
    def test_lets_amounts_follow_what_is_never_less(self, rules: list[Rule]) -> None:
        assert refusal_of(rules) == ""


class TestStoredForm:
    def test_of_terms_comes_back(self) -> None:
        assert Terms.from_json(terms(*TIERS).as_json()) == terms(*TIERS)

    def test_of_an_entitlement_comes_back(self) -> None:
        given = cancellation.evaluate(terms(*TIERS), days_before=20, price=PRICE)

        assert Entitlement.from_json(given.as_json()) == given
