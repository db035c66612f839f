"""The admin shows agents and delegations to whom the API shows them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from ledger.models import AgentKey, AgentSwitch, Delegation
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

AGENTS, DELEGATIONS = "/admin/ledger/agent/", "/admin/ledger/delegation/"
KEYS = "/admin/ledger/agentkey/"


@pytest.fixture
def staff(alice: User, client: Client) -> Client:
    alice.is_staff = True
    alice.save()
    client.force_login(alice)
    return client


@pytest.fixture
def theirs(bob: User) -> Delegation:
    link = delegated(an_agent(bob, "bobs-clerk"), "event.read")
    key_of(link)
    return link


def seen(staff: Client) -> list[bool]:
    prefix = AgentKey.objects.get().prefix
    pages = ((AGENTS, "bobs-clerk"), (DELEGATIONS, "bobs-clerk"), (KEYS, prefix))
    return [text in staff.get(page).text for page, text in pages]


class TestWhatIsSomebodyElses:
    def test_is_not_there(self, alice: User, staff: Client, theirs: Delegation) -> None:
        grant(alice, "agent.read", "delegation.create")

        assert seen(staff) == [False, False, False]
        for page in (f"{AGENTS}{theirs.agent_id}", f"{DELEGATIONS}{theirs.pk}"):
            assert staff.get(f"{page}/change/").status_code == 302
        assert "bobs-clerk" not in staff.get(f"{DELEGATIONS}add/").text

    def test_is_there_for_who_administers_it(
        self, alice: User, staff: Client, theirs: Delegation
    ) -> None:
        grant(alice, "agent.read", "agent.stop", "agent.administer")

        assert seen(staff) == [True, True, True]

    def test_can_be_stopped_by_who_may_stop_any(
        self, alice: User, staff: Client, theirs: Delegation
    ) -> None:
        grant(alice, "agent.read", "agent.stop")

        staff.post(AGENTS, {"action": "stop", "_selected_action": [str(theirs.agent_id)]})

        theirs.agent.refresh_from_db()
        assert theirs.agent.stopped_at is not None
        assert seen(staff) == [True, False, False]


def test_the_kill_switch_takes_no_choice_of_agents(alice: User, staff: Client) -> None:
    grant(alice, "agent.read", "agent.stop", "agent.administer")
    an_agent(alice)

    said = staff.post(AGENTS, {"action": "stop_all", "index": "0"}, follow=True).text
    assert "stopped until the kill switch is taken off" in said
    assert AgentSwitch.objects.exists()

    staff.post(AGENTS, {"action": "resume_all", "index": "0"})
    assert not AgentSwitch.objects.exists()


def test_a_delegation_begins_at_once_if_no_start_is_given(alice: User, staff: Client) -> None:
    grant(alice, "agent.read", "delegation.create", "event.read")
    ends = timezone.now() + timedelta(days=7)
    asked: dict[str, Any] = {
        "agent": str(an_agent(alice).pk),
        "reason": "a test",
        "scopes": "event.read",
        "expires_at_0": ends.date().isoformat(),
        "expires_at_1": "12:00",
        "currency": "",
    }

    form = staff.get(f"{DELEGATIONS}add/").text
    answer = staff.post(f"{DELEGATIONS}add/", asked)

    assert "{&quot;booking&quot;: [&quot;0190…&quot;]}" in form or '{"booking": ["0190…"]}' in form
    assert answer.status_code == 302, answer.text
    made = Delegation.objects.get()
    assert timezone.now() - made.starts_at < timedelta(minutes=1)
