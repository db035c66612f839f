"""What is known of an agent after its key was read, with one statement for all of it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from pytest_django import DjangoAssertNumQueries

from ledger.access import credentials
from ledger.access.delegations import Chain
from ledger.models import AgentKey, Delegation
from tests.integration.ledger.agents import an_agent, delegated, key_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada", is_superuser=True)


def passed_on(root: User, depth: int) -> Delegation:
    """Return a delegation that many steps below its root, each to an agent of its own."""
    link = delegated(an_agent(root, "clerk 1"), resources={"booking": ("a", "b")})
    for number in range(1, depth):
        agent = an_agent(root, f"clerk {number + 1}")
        link = delegated(agent, parent_id=link.pk, resources={"booking": ("a",)}, actions_max=3)
    return link


def values_of(row: Model) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name != "_state"}


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_key_comes_with_every_row_behind_it_as_the_orm_reads_them(
    ada: User, depth: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    text = key_of(passed_on(ada, depth))
    credentials.agent_key_for(text)  # Once a minute its use is noted.

    with django_assert_num_queries(2):  # The key; whether all agents are stopped.
        key = credentials.agent_key_for(text)
        links = Chain.of(key.delegation).links
        assert [link.agent.name for link in links] == [f"clerk {n + 1}" for n in range(depth)]

    assert values_of(key) == values_of(AgentKey.objects.get())
    assert values_of(key.delegation.root) == values_of(User.objects.get(pk=ada.pk))
    for link in links:
        anew = Delegation.objects.get(pk=link.pk)
        assert values_of(link) == values_of(anew)
        assert values_of(link.agent) == values_of(anew.agent)


def test_no_row_of_a_key_is_there_once_it_is_revoked(ada: User) -> None:
    text = key_of(passed_on(ada, 1))
    AgentKey.objects.update(revoked_at="2026-01-01T00:00:00Z")

    with pytest.raises(credentials.CredentialRefused):
        credentials.agent_key_for(text)
