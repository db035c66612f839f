"""Whoever tries what is grave and not his leaves an entry, whatever door he tried."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from ledger.access import authority
from ledger.domain.capability import CapabilityMissing
from ledger.models import Entry
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mallory() -> User:
    return User.objects.create_user("mallory", is_staff=True)


@pytest.fixture
def keyed(mallory: User) -> APIClient:
    return client_with(issue(mallory, ["*"])[0])


def denied() -> list[tuple[str, str]]:
    rows = Entry.objects.filter(status="denied").order_by("occurred_at")
    return list(rows.values_list("capability_id", "caller_type"))


class TestADenialIsOnRecord:
    def test_over_the_api(self, keyed: APIClient) -> None:
        answer = keyed.post("/api/v1/ledger/agents/switch/stop", {"reason": "x"}, format="json")

        assert answer.status_code == 403
        assert denied() == [("agent.stop", "api")]

    def test_over_the_engine(self, keyed: APIClient) -> None:
        answer = keyed.post("/engine/step", {}, format="json")

        assert answer.status_code == 403
        assert {caller for _, caller in denied()} <= {"api"}

    def test_in_the_admin(self, mallory: User, client: Client) -> None:
        grant(mallory, "agent.read")
        agent = an_agent(User.objects.create_user("ada"))
        client.force_login(mallory)

        chosen = {"action": "stop_all", "_selected_action": [str(agent.pk)]}
        client.post("/admin/ledger/agent/", chosen)

        assert denied() == [("agent.stop", "session")]

    def test_where_the_code_demands_it(self, mallory: User) -> None:
        caller = authority.caller_of(mallory)

        with pytest.raises(CapabilityMissing):
            caller.demand("booking.cancel")

        assert [capability for capability, _ in denied()] == ["booking.cancel"]

    def test_of_an_agent_also_when_little_is_at_stake(self, mallory: User) -> None:
        grant(mallory, "api_key.read")
        client = client_with(key_of(delegated(an_agent(mallory), "api_key.read")))

        answer = client.get("/api/v1/ledger/agents")

        assert answer.status_code == 403
        assert denied() == [("agent.read", "api")]

    def test_not_of_a_person_when_little_is_at_stake(self, keyed: APIClient) -> None:
        assert keyed.get("/api/v1/ledger/agents").status_code == 403
        assert denied() == []
