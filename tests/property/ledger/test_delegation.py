"""Whatever chains there are: a child never reaches further than its parent."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.domain.delegation import (
    DelegationTooWide,
    Spending,
    Terms,
    Used,
    why_ended,
    why_over_budget,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
CAPABILITIES = ["booking.cancel", "booking.read", "invoice.read", "refund.request"]
TYPES = ["booking", "invoice"]
IDS = ["1", "2", "3"]

LIMITS = ("actions_max", "cents_max", "per_minute_max")

limits = st.none() | st.integers(0, 5)
scopes = st.lists(
    st.sampled_from([*CAPABILITIES, "booking.*", "invoice.*", "*"]), min_size=1, max_size=3
).map(tuple)
resources = st.dictionaries(
    st.sampled_from(TYPES), st.lists(st.sampled_from(IDS), max_size=2).map(tuple), max_size=2
)
money = st.none() | st.tuples(st.integers(0, 5), st.sampled_from(["EUR", "EUR", "USD"]))
hours = st.sampled_from([None, (11, 13), (11, 14), (12, 13), (12, 14)])


def agreed(**some: Any) -> Terms:
    """Return terms of which only `some` are limits."""
    return Terms(**{"scopes": ("*",), "expires_at": NOW + timedelta(days=1), **some})


# Each law is about a few terms; drawn with all the others, few children would differ in these.
reaches = st.builds(agreed, scopes=scopes, resources=resources)
lives = st.builds(
    lambda start, end: agreed(
        starts_at=NOW + timedelta(hours=start), expires_at=NOW + timedelta(hours=end)
    ),
    st.integers(-2, 2),
    st.integers(-2, 2),
)
days = st.builds(agreed, starts_at=st.just(NOW - timedelta(days=1)), hours=hours)
periods = st.tuples(lives, lives) | st.tuples(days, days) | st.tuples(days, days)
budgets = st.builds(
    lambda actions, money, rate: agreed(
        actions_max=actions,
        cents_max=money[0] if money else None,
        currency=money[1] if money else "",
        per_minute_max=rate,
    ),
    limits,
    money,
    limits,
)


def reach(of: Terms) -> set[tuple[str, str, str]]:
    return {
        (capability, type_, id_)
        for capability in CAPABILITIES
        for type_ in TYPES
        for id_ in IDS
        if of.covers(capability) and of.includes(type_, id_)
    }


def is_within(child: Terms, parent: Terms) -> bool:
    with contextlib.suppress(DelegationTooWide):
        child.check_within(parent)
        return True
    return False


def effective(child: Terms, parent: Terms) -> Terms:
    """Return what a child may do: what it does not limit itself is limited by its parent."""
    inherited = {
        name: getattr(parent, name)
        for name in (*LIMITS, "hours", "starts_at")
        if getattr(child, name) is None
    }
    return replace(child, **inherited, currency=child.currency or parent.currency)


class TestAChildWithinItsParent:
    @given(reaches, reaches)
    def test_reaches_no_further(self, parent: Terms, child: Terms) -> None:
        assume(is_within(child, parent))

        assert reach(child) <= reach(parent)

    @given(periods, st.integers(-2, 2))
    def test_is_in_force_only_when_its_parent_is(
        self, family: tuple[Terms, Terms], hours_from_now: int
    ) -> None:
        parent, child = family
        assume(is_within(child, parent))
        at = NOW + timedelta(hours=hours_from_now)

        of_parent = why_ended(parent, Used(), delegation_id="p", at=at)
        of_child = why_ended(effective(child, parent), Used(), delegation_id="c", at=at)

        assert of_child is not None or of_parent is None

    @given(reaches | lives | days | budgets)
    def test_may_be_as_wide(self, same: Terms) -> None:
        assert is_within(same, same)


doings = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["EUR", "EUR", "USD"]), st.integers(0, 40)),
    max_size=12,
)
"""What an action costs, and how many seconds after the one before it comes."""


def spend(used: Used, cents: int, at: datetime) -> Used:
    started = used.minute_started_at
    is_same_minute = started is not None and (at - started).total_seconds() < 60
    return Used(
        actions=used.actions + 1,
        cents=used.cents + cents,
        minute_started_at=started if is_same_minute else at,
        in_minute=used.in_minute + 1 if is_same_minute else 1,
    )


def is_allowed(under: Terms, used: Used, cents: int, currency: str, at: datetime) -> bool:
    spending = Spending(cents=cents, currency=currency)
    return why_over_budget(under, used, spending, delegation_id="d", at=at) is None


class TestTheBudgetOfAChildWithinItsParent:
    @given(budgets, budgets)
    def test_has_no_limit_above_its_parents(self, parent: Terms, child: Terms) -> None:
        assume(is_within(child, parent))

        for name in LIMITS:
            own, above = getattr(child, name), getattr(parent, name)
            assert None in {own, above} or own <= above
        assert "" in {child.currency, parent.currency} or child.currency == parent.currency

    @given(budgets, budgets, doings)
    def test_allows_nothing_that_its_parent_would_refuse(
        self, parent: Terms, child: Terms, tried: list[tuple[int, str, int]]
    ) -> None:
        assume(is_within(child, parent))
        child = effective(child, parent)

        used, at = Used(), NOW
        for cents, currency, seconds in tried:
            at += timedelta(seconds=seconds)
            if is_allowed(child, used, cents, currency, at):
                assert is_allowed(parent, used, cents, currency, at)
                used = spend(used, cents, at)


class TestABudget:
    @given(budgets, st.lists(st.integers(0, 3), max_size=12))
    def test_is_never_overdrawn(self, budget: Terms, costs: list[int]) -> None:
        used = Used(minute_started_at=NOW)
        for cents in costs:
            if is_allowed(budget, used, cents, budget.currency, NOW):
                used = spend(used, cents, NOW)

        assert budget.actions_max is None or used.actions <= budget.actions_max
        assert budget.cents_max is None or used.cents <= budget.cents_max
        assert budget.per_minute_max is None or used.in_minute <= budget.per_minute_max

    @given(st.integers(1, 9))
    def test_in_money_is_of_one_currency(self, cents: int) -> None:
        budget = agreed(cents_max=10, currency="EUR")

        why = why_over_budget(
            budget, Used(), Spending(cents=cents, currency="USD"), delegation_id="d", at=NOW
        )

        assert why is not None
        assert why.code == "budget_exceeded"
