import pytest
from django.contrib.auth.models import User
from django.test import Client

from events import context
from events.domain.principal import SYSTEM
from ledger.domain.action import Action, Kind, Target
from ledger.models import Agent, AgentSwitch, Delegation, Entry
from ledger.recording import recorded
from tests.integration.ledger.conftest import grant

LIST = "/admin/ledger/entry/"


@pytest.fixture
def entry(db: None) -> Entry:
    target = Target(type="thing", id="t1")
    action = Action(name="thing.do", kind=Kind.EXECUTE, target=target, capability="api_key.read")
    with context.acting(SYSTEM), recorded(action) as proof:
        pass
    return Entry.objects.get(pk=proof.entry_id)


@pytest.fixture
def staff(alice: User, client: Client) -> Client:
    alice.is_staff = True
    alice.save()
    client.force_login(alice)
    return client


class TestEntryAdmin:
    def test_shows_and_filters_entries(self, entry: Entry, alice: User, staff: Client) -> None:
        grant(alice, "ledger.read")

        assert b"thing.do" in staff.get(LIST, {"status": "succeeded"}).content
        assert b"thing.do" not in staff.get(LIST, {"status": "denied"}).content
        assert staff.get(f"{LIST}{entry.pk}/change/").status_code == 200

    def test_is_closed_to_who_may_not_read_the_ledger(self, entry: Entry, staff: Client) -> None:
        assert staff.get(LIST).status_code == 403

    def test_changes_nothing(self, entry: Entry, alice: User, staff: Client) -> None:
        grant(alice, "ledger.read")

        assert staff.post(f"{LIST}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
        assert staff.post(f"{LIST}{entry.pk}/change/", {}).status_code == 403
        assert Entry.objects.get() == entry


class TestAgentAdmin:
    def test_introduces_and_stops_agents(self, alice: User, staff: Client) -> None:
        grant(alice, "agent.read", "agent.create", "agent.stop")

        made = staff.post("/admin/ledger/agent/add/", {"name": "clerk", "subtype": "tool_runner"})
        agent = Agent.objects.get()
        staff.post("/admin/ledger/agent/", {"action": "stop", "_selected_action": [str(agent.pk)]})

        agent.refresh_from_db()
        assert made.status_code == 302
        assert agent.owner == alice
        assert agent.stopped_at is not None

    def test_takes_off_no_switch_without_the_right(self, alice: User, staff: Client) -> None:
        grant(alice, "agent.read", "agent.create", "agent.stop")
        staff.post("/admin/ledger/agent/add/", {"name": "clerk", "subtype": "tool_runner"})
        chosen = [str(Agent.objects.get().pk)]

        staff.post("/admin/ledger/agent/", {"action": "stop_all", "_selected_action": chosen})
        staff.post("/admin/ledger/agent/", {"action": "resume_all", "_selected_action": chosen})

        assert AgentSwitch.objects.exists()
        assert Entry.objects.filter(action_name="agent.administer", status="denied").exists()


class TestDelegationAdmin:
    def test_delegates_shows_the_tree_and_revokes(self, alice: User, staff: Client) -> None:
        rights = ["agent.read", "agent.create", "delegation.create", "delegation.revoke"]
        grant(alice, *rights)
        staff.post("/admin/ledger/agent/add/", {"name": "clerk", "subtype": "tool_runner"})
        form = {
            "agent": str(Agent.objects.get().pk),
            "reason": "it answers the mail",
            "scopes": "booking.read,booking.cancel",
            "resources": "{}",
            "starts_at_0": "2026-11-01",
            "starts_at_1": "00:00:00",
            "expires_at_0": "2027-06-01",
            "expires_at_1": "00:00:00",
        }

        made = staff.post("/admin/ledger/delegation/add/", form)
        delegation = Delegation.objects.get()
        page = staff.get(f"/admin/ledger/delegation/{delegation.pk}/change/").content.decode()
        staff.post(
            "/admin/ledger/delegation/",
            {"action": "revoke", "_selected_action": [str(delegation.pk)]},
        )

        delegation.refresh_from_db()
        assert made.status_code == 302
        assert delegation.scopes == ["booking.cancel", "booking.read"]
        assert "clerk: booking.cancel, booking.read · 0 actions · in force (this one)" in page
        assert delegation.revoked_at is not None

    def test_refuses_a_filter_that_is_none(self, alice: User, staff: Client) -> None:
        grant(alice, "agent.read", "delegation.create")

        answer = staff.post("/admin/ledger/delegation/add/", {"resources": '["x"]'})

        assert b"for no filter" in answer.content
        assert not Delegation.objects.exists()
