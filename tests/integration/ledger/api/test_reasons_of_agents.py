"""Why something was delegated, or all agents stopped, is shown as other reasons are."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from events import context
from events.domain.principal import SYSTEM
from ledger.services import agents, delegations
from tests.integration.ledger.agents import an_agent, terms
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

WHY = "Ask ada@example.org"
DELEGATIONS, SWITCH = "/api/v1/ledger/delegations", "/api/v1/ledger/agents/switch"


@pytest.fixture
def delegation(alice: User) -> str:
    agent = an_agent(alice)
    grant(alice, "event.read")
    with context.acting(SYSTEM):
        agents.stop_all_agents(reason=WHY)
        made = delegations.create_delegation(
            agent_id=agent.pk, root=alice, terms=terms("event.read"), reason=WHY
        )
    return str(made.pk)


def reader(user: User, *more: str) -> APIClient:
    return client_with(issue(grant(user, "agent.read", *more), ["*"])[0])


def test_without_addresses_to_who_may_not_open_payloads(alice: User, delegation: str) -> None:
    client = reader(alice)

    shown = client.get(f"{DELEGATIONS}/{delegation}").json()
    assert shown["reason"] != WHY
    assert "ada@example.org" not in client.get(SWITCH).json()["reason"]
    for path in (DELEGATIONS, f"{DELEGATIONS}/{delegation}/tree"):
        assert "ada@example.org" not in client.get(path).content.decode()


def test_as_they_were_typed_to_who_may(alice: User, delegation: str) -> None:
    client = reader(alice, "ledger.read_payload")

    assert client.get(f"{DELEGATIONS}/{delegation}").json()["reason"] == WHY
    assert client.get(f"{DELEGATIONS}/{delegation}/tree").json()[0]["reason"] == WHY
    assert client.get(SWITCH).json()["reason"] == WHY


def test_without_addresses_in_the_admin(alice: User, client: Client, delegation: str) -> None:
    grant(alice, "agent.read")
    alice.is_staff = True
    alice.save()
    client.force_login(alice)

    page = client.get(f"/admin/ledger/delegation/{delegation}/change/").text

    assert "Ask " in page
    assert "ada@example.org" not in page
