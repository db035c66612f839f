from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.domain.action import UNKNOWN_TARGET
from ledger.domain.delegation import (
    BudgetExceeded,
    DelegationEnded,
    DelegationNotBegun,
    DelegationTooWide,
    OutsideHours,
    RateExceeded,
    Spending,
    Terms,
    Used,
    why_ended,
    why_over_budget,
)

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def agreed(**changes: Any) -> Terms:
    terms: dict[str, Any] = {"scopes": ("booking.*",), "expires_at": NOON + HOUR}
    return Terms(**{**terms, **changes})


class TestAFilter:
    BOOKINGS = agreed(resources={"booking": ("1", "2")})

    @pytest.mark.parametrize(("type_", "id_"), [("booking", "3"), ("invoice", "1")])
    def test_keeps_out_what_it_does_not_name(self, type_: str, id_: str) -> None:
        assert not self.BOOKINGS.includes(type_, id_)

    @pytest.mark.parametrize("id_", ["1", "2", UNKNOWN_TARGET])
    def test_lets_pass_what_it_names_and_what_has_no_id_yet(self, id_: str) -> None:
        assert self.BOOKINGS.includes("booking", id_)

    def test_that_is_none_lets_everything_pass(self) -> None:
        assert agreed().includes("invoice", "9")


ABOVE = agreed(
    starts_at=NOON,
    resources={"booking": ("1", "2")},
    actions_max=5,
    cents_max=500,
    currency="EUR",
    per_minute_max=5,
    hours=(9, 17),
)
WITHIN: dict[str, Any] = {"starts_at": NOON, "resources": {"booking": ("1",)}}


def too_wide(terms: Terms, above: Terms) -> str | None:
    try:
        terms.check_within(above)
    except DelegationTooWide as why:
        return why.pointer
    return None


class TestTermsWithinOthers:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"resources": {"booking": ("2", "1")}},
            {"starts_at": None},
            {"starts_at": NOON + HOUR},
            {"actions_max": 5, "cents_max": 500, "currency": "EUR", "per_minute_max": 5},
            {"hours": (9, 17)},
            {"hours": (10, 16)},
        ],
    )
    def test_may_be_as_wide_or_narrower(self, changes: dict[str, Any]) -> None:
        assert too_wide(agreed(**{**WITHIN, **changes}), ABOVE) is None

    @pytest.mark.parametrize(
        ("name", "changes"),
        [
            ("scopes", {"scopes": ("booking.*", "invoice.read")}),
            ("resources", {"resources": {}}),
            ("resources", {"resources": {"booking": ("1", "3")}}),
            ("resources", {"resources": {"booking": ("1",), "invoice": ("1",)}}),
            ("expires_at", {"expires_at": NOON + HOUR + SECOND}),
            ("starts_at", {"starts_at": NOON - SECOND}),
            ("actions_max", {"actions_max": 6}),
            ("cents_max", {"cents_max": 501, "currency": "EUR"}),
            ("currency", {"cents_max": 1, "currency": "USD"}),
            ("per_minute_max", {"per_minute_max": 6}),
            ("hours", {"hours": (8, 17)}),
            ("hours", {"hours": (9, 18)}),
        ],
    )
    def test_name_the_first_that_reaches_further(self, name: str, changes: dict[str, Any]) -> None:
        assert too_wide(agreed(**{**WITHIN, **changes}), ABOVE) == f"/{name}"

    @pytest.mark.parametrize(
        "limit",
        [
            {"resources": {"booking": ("1",)}},
            {"starts_at": NOON},
            {"actions_max": 1, "cents_max": 1, "currency": "EUR", "per_minute_max": 1},
            {"hours": (0, 1)},
        ],
    )
    def test_may_have_any_limit_where_there_is_none(self, limit: dict[str, Any]) -> None:
        assert too_wide(agreed(**limit), agreed()) is None


class TestWhetherItIsInForce:
    @pytest.mark.parametrize(
        ("at", "why"),
        [
            (NOON - SECOND, DelegationNotBegun),
            (NOON, None),
            (NOON + HOUR - SECOND, None),
            (NOON + HOUR, DelegationEnded),
        ],
    )
    def test_is_from_its_first_moment_to_before_its_last(
        self, at: datetime, why: type[Exception] | None
    ) -> None:
        found = why_ended(agreed(starts_at=NOON), Used(), delegation_id="d", at=at)

        assert (None if found is None else type(found)) is why

    def test_is_not_once_it_was_ended(self) -> None:
        ended = why_ended(agreed(), Used(is_ended=True), delegation_id="d", at=NOON)

        assert isinstance(ended, DelegationEnded)

    @pytest.mark.parametrize(("hour", "is_in"), [(8, False), (9, True), (16, True), (17, False)])
    def test_is_within_its_hours_only(self, hour: int, *, is_in: bool) -> None:
        terms = agreed(hours=(9, 17), expires_at=NOON + 24 * HOUR)

        found = why_ended(terms, Used(), delegation_id="d", at=NOON.replace(hour=hour))

        assert (found is None) is is_in
        assert is_in or isinstance(found, OutsideHours)


class TestSpending:
    @pytest.mark.parametrize(
        ("facts", "cents", "currency"),
        [
            ({}, 0, ""),
            ({"amount_cents": None, "currency": None}, 0, ""),
            ({"amount_cents": 7, "currency": "EUR"}, 7, "EUR"),
            ({"amount_cents": -7, "currency": "EUR"}, 7, "EUR"),
        ],
    )
    def test_is_the_amount_of_the_action_whatever_its_sign(
        self, facts: dict[str, Any], cents: int, currency: str
    ) -> None:
        assert Spending.of(facts) == Spending(cents=cents, currency=currency)


class TestABudget:
    @pytest.mark.parametrize(
        ("limits", "used", "spending", "of"),
        [
            ({"actions_max": 2}, Used(actions=1), Spending(), None),
            ({"actions_max": 2}, Used(actions=2), Spending(), "actions"),
            (
                {"cents_max": 5, "currency": "EUR"},
                Used(cents=2),
                Spending(cents=3, currency="EUR"),
                None,
            ),
            (
                {"cents_max": 5, "currency": "EUR"},
                Used(cents=2),
                Spending(cents=4, currency="EUR"),
                "money",
            ),
            (
                {"cents_max": 5, "currency": "EUR"},
                Used(),
                Spending(cents=1, currency="USD"),
                "not in USD",
            ),
            ({"cents_max": 5, "currency": "EUR"}, Used(), Spending(cents=0, currency="USD"), None),
            ({}, Used(actions=9, cents=9), Spending(cents=9, currency="EUR"), None),
        ],
    )
    def test_is_used_up_to_its_last_unit_and_no_further(
        self, limits: dict[str, Any], used: Used, spending: Spending, of: str | None
    ) -> None:
        why = why_over_budget(agreed(**limits), used, spending, delegation_id="d", at=NOON)

        if of is None:
            assert why is None
        else:
            assert isinstance(why, BudgetExceeded)
            assert of in str(why)
            assert why.facts["delegation_id"] == "d"

    @pytest.mark.parametrize(
        ("in_minute", "later", "is_let"),
        [
            (1, timedelta(0), True),
            (2, timedelta(seconds=59), False),
            (2, timedelta(minutes=1), True),
        ],
    )
    def test_of_a_minute_begins_anew_with_the_next(
        self, in_minute: int, later: timedelta, *, is_let: bool
    ) -> None:
        used = Used(minute_started_at=NOON, in_minute=in_minute)

        why = why_over_budget(
            agreed(per_minute_max=2), used, Spending(), delegation_id="d", at=NOON + later
        )

        assert (why is None) is is_let
        assert is_let or isinstance(why, RateExceeded)
