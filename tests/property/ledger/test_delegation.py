"""Whatever chains there are: a child never reaches further than its parent."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given, settings
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

FIELDS = [
    ("scopes",),
    ("resources",),
    ("starts_at",),
    ("expires_at",),
    ("actions_max",),
    ("cents_max", "currency"),
    ("per_minute_max",),
    ("hours",),
]

limits = st.none() | st.integers(0, 5)
scopes = st.lists(
    st.sampled_from([*CAPABILITIES, "booking.*", "invoice.*", "*"]), min_size=1, max_size=3
).map(tuple)
resources = st.dictionaries(
    st.sampled_from(TYPES), st.lists(st.sampled_from(IDS), max_size=2).map(tuple), max_size=2
)
hours = st.none() | st.tuples(st.integers(0, 11), st.integers(12, 24))


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    cents_max = draw(limits)
    return Terms(
        scopes=draw(scopes),
        resources=draw(resources),
        starts_at=NOW + timedelta(hours=draw(st.integers(-3, 1))),
        expires_at=NOW + timedelta(hours=draw(st.integers(-1, 3))),
        actions_max=draw(limits),
        cents_max=cents_max,
        currency="" if cents_max is None else draw(st.sampled_from(["EUR", "USD"])),
        per_minute_max=draw(limits),
        hours=draw(hours),
    )


@st.composite
def families(draw: st.DrawFn) -> tuple[Terms, Terms]:
    """A parent, and a child that has most of its terms: of two at random none is within another."""
    parent, child = draw(terms()), draw(terms())
    kept = draw(st.sets(st.sampled_from(FIELDS), min_size=len(FIELDS) - 2))
    return parent, replace(
        child, **{name: getattr(parent, name) for names in kept for name in names}
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


class TestAChildWithinItsParent:
    @given(families())
    def test_reaches_no_further(self, family: tuple[Terms, Terms]) -> None:
        parent, child = family
        assume(is_within(child, parent))

        assert reach(child) <= reach(parent)

    # Of 50, none had a child that ended later than its parent and was let through for it.
    @settings(max_examples=500)
    @given(families(), st.integers(-4, 4))
    def test_is_in_force_only_when_its_parent_is(
        self, family: tuple[Terms, Terms], hours_from_now: int
    ) -> None:
        parent, child = family
        at = NOW + timedelta(hours=hours_from_now)
        # What a child does not limit itself is asked of its parent.
        assume(is_within(child, parent) and None not in {child.hours, child.starts_at})

        of_parent = why_ended(parent, Used(), delegation_id="p", at=at)
        of_child = why_ended(child, Used(), delegation_id="c", at=at)

        assert of_child is not None or of_parent is None

    @given(families(), terms())
    def test_of_a_child_is_within_the_first(self, family: tuple[Terms, Terms], c: Terms) -> None:
        a, b = family
        c = replace(b, scopes=c.scopes)
        assume(is_within(c, b) and is_within(b, a))

        assert reach(c) <= reach(a)

    @given(terms())
    def test_may_be_as_wide(self, same: Terms) -> None:
        assert is_within(same, same)


class TestABudget:
    @given(terms(), st.lists(st.integers(0, 3), max_size=12))
    def test_is_never_overdrawn(self, agreed: Terms, costs: list[int]) -> None:
        used = Used(minute_started_at=NOW)
        for cents in costs:
            spending = Spending(cents=cents, currency=agreed.currency)
            if why_over_budget(agreed, used, spending, delegation_id="d", at=NOW) is None:
                used = Used(
                    actions=used.actions + 1,
                    cents=used.cents + cents,
                    minute_started_at=NOW,
                    in_minute=used.in_minute + 1,
                )

        assert agreed.actions_max is None or used.actions <= agreed.actions_max
        assert agreed.cents_max is None or used.cents <= agreed.cents_max
        assert agreed.per_minute_max is None or used.in_minute <= agreed.per_minute_max

    @given(st.integers(1, 9))
    def test_in_money_is_of_one_currency(self, cents: int) -> None:
        agreed = Terms(scopes=("*",), expires_at=NOW, cents_max=10, currency="EUR")

        why = why_over_budget(
            agreed, Used(), Spending(cents=cents, currency="USD"), delegation_id="d", at=NOW
        )

        assert why is not None
        assert why.code == "budget_exceeded"
