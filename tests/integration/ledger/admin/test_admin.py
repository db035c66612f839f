from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from events import context
from events.domain.principal import SYSTEM
from ledger import timelines
from ledger.domain.action import Action, Kind, Target
from ledger.domain.payload import PayloadKind
from ledger.models import Agent, AgentSwitch, Delegation, Entry
from ledger.recording import recorded
from ledger.services import seals
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

    def test_shows_the_chain_the_timeline_and_what_it_refers_to(
        self, entry: Entry, alice: User, staff: Client
    ) -> None:
        grant(alice, "ledger.read")
        action = Action(
            name="thing.mend",
            kind=Kind.EXECUTE,
            target=Target(type="thing", id="t1"),
            capability="api_key.read",
            amends=entry.pk,
        )
        with context.acting(SYSTEM), recorded(action) as proof:
            proof.keeps(
                PayloadKind.BEFORE, {"was": "crimson"}, schema_tag="thing/1", retention="ops-400d"
            )

        page = staff.get(f"{LIST}{proof.entry_id}/change/").content.decode()

        assert f"/admin/ledger/entry/{entry.pk}/change/" in page
        assert "amends" in page
        assert "before (thing/1), ops-400d, none" in page
        assert "crimson" not in page
        for filter_ in ("mutation__reversal_kind", "standing__state", "capability_id"):
            assert staff.get(LIST, {f"{filter_}__exact": "none"}).status_code == 200

    def test_says_when_its_timeline_has_not_all_that_belongs_to_its_target(
        self, entry: Entry, alice: User, staff: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        grant(alice, "ledger.read")
        part = Target(type="part", id="p1")
        parts: list[Target] = []
        monkeypatch.setitem(timelines._RELATED, "thing", lambda _id: parts)
        says = f"More than {timelines.RELATED_MAX} things belong to it."
        for count, is_said in ((timelines.RELATED_MAX, False), (timelines.RELATED_MAX + 1, True)):
            parts[:] = [part] * count
            page = staff.get(f"{LIST}{entry.pk}/change/").content.decode()
            assert (says in page) is is_said

    def test_says_first_what_was_done_and_why_and_offers_no_history_of_django(
        self, entry: Entry, alice: User, staff: Client
    ) -> None:
        grant(alice, "ledger.read")

        page = staff.get(f"{LIST}{entry.pk}/change/").content.decode()

        first, folded = page.split("Everything on record", maxsplit=1)
        assert "What it did" in first
        assert "Transaction id" in folded
        assert "historylink" not in page

    @pytest.mark.parametrize("found", ["t1", "thing.do"])
    def test_finds_entries_by_any_of_their_ids(
        self, entry: Entry, alice: User, staff: Client, found: str
    ) -> None:
        grant(alice, "ledger.read")

        assert str(entry.pk).encode() in staff.get(LIST, {"q": found}).content
        assert str(entry.pk).encode() in staff.get(LIST, {"q": str(entry.pk)}).content
        assert str(entry.pk).encode() not in staff.get(LIST, {"q": "nothing"}).content


class TestCorrectingAnEntry:
    def test_puts_it_on_record_beside_the_entry_which_leads_to_it(
        self, entry: Entry, alice: User, staff: Client
    ) -> None:
        grant(alice, "ledger.read", "ledger.amend")
        at = f"{LIST}{entry.pk}"
        before = Entry.objects.values().get(pk=entry.pk)
        assert f"{at}/amend/" in staff.get(f"{at}/change/").content.decode()

        answer = staff.post(f"{at}/amend/", {"reason": "It was done to another thing."})

        made = Entry.objects.get(action_name="ledger.amend")
        assert answer["Location"] == f"{at}/change/"
        assert (made.amends_id, made.reason) == (entry.pk, "It was done to another thing.")
        assert (made.status, made.principal_id) == ("succeeded", str(alice.pk))
        assert Entry.objects.values().get(pk=entry.pk) == before
        for page in (f"{at}/change/", f"{at}/amend/"):
            shown = staff.get(page).content.decode()
            assert f"{LIST}{made.pk}/change/" in shown
            assert "It was done to another thing." in shown

    def test_takes_a_reason_and_keeps_what_was_typed(
        self, entry: Entry, alice: User, staff: Client
    ) -> None:
        grant(alice, "ledger.read", "ledger.amend")

        empty = staff.post(f"{LIST}{entry.pk}/amend/", {"reason": " "})
        long = staff.post(f"{LIST}{entry.pk}/amend/", {"reason": "long " * 2000})

        assert b"This field is required." in empty.content
        assert b"long long" in long.content
        assert not Entry.objects.filter(action_name="ledger.amend").exists()

    def test_is_refused_on_record_and_not_offered_to_who_may_only_read(
        self, entry: Entry, alice: User, staff: Client
    ) -> None:
        grant(alice, "ledger.read")
        at = f"{LIST}{entry.pk}"

        assert f"{at}/amend/" not in staff.get(f"{at}/change/").content.decode()
        assert staff.post(f"{at}/amend/", {"reason": "It is wrong."}).status_code == 403

        [tried] = Entry.objects.filter(action_name="ledger.amend")
        assert (tried.status, tried.amends_id) == ("denied", None)

    def test_is_of_an_entry(self, alice: User, staff: Client) -> None:
        grant(alice, "ledger.read", "ledger.amend")

        answer = staff.post(f"{LIST}{uuid4()}/amend/", {"reason": "It is wrong."})

        assert answer.status_code == 404


class TestSealsInTheAdmin:
    def test_say_up_to_where_and_change_nothing(
        self, entry: Entry, alice: User, staff: Client
    ) -> None:
        grant(alice, "ledger.read")
        seals.seal_entries()

        page = staff.get("/admin/ledger/checkpoint/").content.decode()

        assert "1 entries are sealed; 0 wait" in page
        for model in ("checkpoint", "signingkey", "witness", "payload"):
            assert staff.get(f"/admin/ledger/{model}/").status_code == 200
            assert staff.get(f"/admin/ledger/{model}/add/").status_code == 403
        assert staff.get("/admin/ledger/checkpoint/1/change/").status_code == 200
        assert staff.post("/admin/ledger/checkpoint/1/delete/", {"post": "yes"}).status_code == 403


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
            "starts_at_0": f"{timezone.now() - timedelta(days=30):%Y-%m-%d}",
            "starts_at_1": "00:00:00",
            "expires_at_0": f"{timezone.now() + timedelta(days=180):%Y-%m-%d}",
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

    @pytest.mark.parametrize(
        "text", ["[" * 5_000, '{"a":' * 3_000, "1" * 5_000, '{"job": ["\\ud800"]}', "NaN"], ids=len
    )
    def test_refuses_json_that_nothing_can_keep(
        self, alice: User, staff: Client, text: str
    ) -> None:
        grant(alice, "agent.read", "delegation.create")

        answer = staff.post("/admin/ledger/delegation/add/", {"resources": text})

        page = answer.content.decode()
        assert answer.status_code == 200
        assert "The JSON is malformed" in page
        assert escape(text) in page

    def test_refuses_a_filter_that_is_none(self, alice: User, staff: Client) -> None:
        grant(alice, "agent.read", "delegation.create")

        answer = staff.post("/admin/ledger/delegation/add/", {"resources": '["x"]'})

        assert b"for no filter" in answer.content
        assert not Delegation.objects.exists()
