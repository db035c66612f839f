"""What is passed on is spent from every budget above it, whatever the script of a family is."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from events.domain.errors import DomainError
from ledger.domain.delegation import DelegationTooWide
from ledger.invariants.delegations import agents_keep_within_their_delegations
from ledger.models import Delegation
from tests.integration.ledger.agents import act, acting, an_agent, delegated

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = ("actions_max", "cents_max", "per_minute_max")
MINUTE = timedelta(minutes=1)

budgets = st.fixed_dictionaries(
    {},
    optional={
        "actions_max": st.integers(1, 6),
        "cents_max": st.integers(0, 9),
        "per_minute_max": st.integers(1, 3),
    },
)
doings = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 4),
        st.sampled_from(["EUR", "EUR", "EUR", "USD"]),
        st.sampled_from([0, 0, 0, 30, 70]),
    ),
    min_size=4,
    max_size=12,
)
"""Which of the three acts, what it costs, and how many seconds after the one before."""

# Each case is three agents and a dozen transactions; to shrink one that fails takes minutes.
few = settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_numbers = count()


def narrowed(asked: Iterable[dict[str, int]]) -> list[dict[str, int]]:
    """Lower what is asked for to the least that is allowed above."""
    least: dict[str, int] = {}
    family = []
    for each in asked:
        own = {name: min(limit, least.get(name, limit)) for name, limit in each.items()}
        family.append(own)
        least |= own
    return family


def a_family(ada: User, budgets: list[dict[str, int]]) -> list[Delegation]:
    links: list[Delegation] = []
    for each in budgets:
        terms: dict[str, Any] = {**each}
        if "cents_max" in each:
            terms["currency"] = "EUR"
        above = links[-1].pk if links else None
        agent = an_agent(ada, f"agent {next(_numbers)}")
        links.append(delegated(agent, parent_id=above, **terms))
    return links


@dataclass
class Ledger:
    """What was spent under one link by whoever acts under it: the rules said once more."""

    limits: dict[str, int]
    cents: int = 0
    at: list[datetime] = field(default_factory=list)
    minute: list[datetime] = field(default_factory=list)

    def allows(self, cents: int, currency: str, now: datetime) -> bool:
        is_in_currency = not cents or "cents_max" not in self.limits or currency == "EUR"
        in_minute = len(self.minute) if self.minute and now - self.minute[0] < MINUTE else 0
        return (
            is_in_currency
            and len(self.at) < self.limits.get("actions_max", 99)
            and ("cents_max" not in self.limits or self.cents + cents <= self.limits["cents_max"])
            and in_minute < self.limits.get("per_minute_max", 99)
        )

    def take(self, cents: int, now: datetime) -> None:
        if "cents_max" in self.limits:
            self.cents += cents
        self.at.append(now)
        if self.minute and now - self.minute[0] >= MINUTE:
            self.minute.clear()
        self.minute.append(now)


def is_done(link: Delegation, cents: int, currency: str) -> bool:
    try:
        with acting(link):
            act(amount_cents=cents, currency=currency)
    except DomainError as why:
        event(why.code)
        return False
    return True


@few
@given(asked=st.tuples(budgets, budgets, budgets).map(narrowed), script=doings)
def test_nobody_spends_more_than_is_left_to_all_above(
    ada: User, asked: list[dict[str, int]], script: list[tuple[int, int, str, int]]
) -> None:
    links = a_family(ada, asked)
    books = [Ledger(limits) for limits in asked]
    now = timezone.now()

    for depth, cents, currency, seconds in script:
        now += timedelta(seconds=seconds)
        line = books[: depth + 1]
        wanted = all(book.allows(cents, currency, now) for book in line)
        with time_machine.travel(now, tick=False):
            assert is_done(links[depth], cents, currency) is wanted
        for book in line if wanted else ():
            book.take(cents, now)

    for link, book in zip(links, books, strict=True):
        link.refresh_from_db()
        assert (link.actions_used, link.cents_used) == (len(book.at), book.cents)
    assert agents_keep_within_their_delegations() == []


@few
@given(asked=st.tuples(budgets, budgets, budgets))
def test_nobody_passes_on_more_than_all_above_have(
    ada: User, asked: tuple[dict[str, int], ...]
) -> None:
    if list(asked) == narrowed(asked):
        a_family(ada, list(asked))
        return
    with pytest.raises(DelegationTooWide) as refusal:
        a_family(ada, list(asked))
    assert refusal.value.pointer in {f"/{name}" for name in LIMITS}


def test_money_is_counted_where_it_has_a_limit_and_so_a_currency(ada: User) -> None:
    parent = delegated(an_agent(ada, "first"))
    child = delegated(an_agent(ada, "second"), parent_id=parent.pk, cents_max=100, currency="EUR")
    for link, currency in ((parent, "EUR"), (parent, "JPY"), (child, "EUR")):
        with acting(link):
            act(amount_cents=30, currency=currency)

    parent.refresh_from_db()
    child.refresh_from_db()
    assert (parent.actions_used, parent.cents_used) == (3, 0)
    assert (child.actions_used, child.cents_used) == (1, 30)
    assert agents_keep_within_their_delegations() == []
