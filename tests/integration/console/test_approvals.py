"""The inbox in the console and in the admin: the same service, the same refusals."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from console import paging
from events import context
from events.domain.principal import SYSTEM
from ledger import approval_policies as seeded
from ledger.models import Approval
from ledger.services import approval_policies
from tests.integration.ledger.approvals import STATE, acting, asked, put_into_force, say
from tests.integration.ledger.beacon import Beacon, ask_first, asked_to_turn_back, turn
from tests.integration.ledger.conftest import grant
from tests.integration.workflows.flows.approval_steps import asked as asked_by_flow
from tests.integration.workflows.flows.approval_steps import register

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a-long-password-of-hers"


@pytest.fixture
def asker(transactional_db: None) -> User:
    STATE.clear()
    user = User.objects.create_user("asker", is_staff=True, password=PASSWORD)
    return grant(user, "approval.read", "approval.decide")


@pytest.fixture
def manager(transactional_db: None) -> User:
    user = User.objects.create_user("manager", is_staff=True, password=PASSWORD)
    return grant(user, "approval.read", "approval.decide")


@pytest.fixture
def approval(asker: User) -> Iterator[Approval]:
    with acting(asker):
        put_into_force()
        yield asked(capability="api_key.issue")


def visit(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def decide(client: Client, approval: Approval, **form: str) -> str:
    form = {"decision": "approve", "comment": "fine", **form}
    client.post(f"/approvals/{approval.pk}/decide", form)
    return Approval.objects.get(pk=approval.pk).status


class TestInbox:
    def test_shows_what_waits_and_how_much(self, approval: Approval, manager: User) -> None:
        page = visit(manager).get("/approvals").content.decode()

        assert f"/approvals/{approval.pk}" in page
        assert 'data-badge="approval">1<' in page
        assert ">asker<" in page

    def test_says_that_more_waits_than_it_shows(
        self, approval: Approval, asker: User, manager: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("console.views.approvals.ROWS", 1)
        assert (
            "The others appear as you decide"
            not in visit(manager).get("/approvals").content.decode()
        )

        other = asked("t2", capability="api_key.issue")

        page = visit(manager).get("/approvals").content.decode()
        assert "The others appear as you decide" in page
        assert f"/approvals/{approval.pk}" in page
        assert f"/approvals/{other.pk}" not in page.split('id="latest"')[0]

    def test_keeps_older_requests_within_reach(
        self, approval: Approval, manager: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = asked("t2", capability="api_key.issue")
        one_row = partial(paging.page_of, size=1)
        monkeypatch.setattr("console.views.approvals.page_of", one_row)
        client = visit(manager)

        first = client.get("/approvals").content.decode().split('id="latest"')[1]
        second = client.get(f"/approvals?before={other.pk}").content.decode()

        assert f"/approvals/{other.pk}" in first
        assert f"/approvals/{approval.pk}" not in first
        assert f'href="?before={other.pk}" rel="next">Older<' in first
        assert f"/approvals/{approval.pk}" in second.split('id="latest"')[1]

    def test_filters_requests_by_status_and_target(self, approval: Approval, manager: User) -> None:
        client = visit(manager)

        def listed(query: str, status: int = 200) -> str:
            answer = client.get(f"/approvals?{query}")
            assert answer.status_code == status
            return answer.content.decode().split('id="latest"')[1]

        assert f"/approvals/{approval.pk}" in listed("status=pending&target=t1")
        assert "Nothing fits these filters" in listed("status=denied")
        assert "Nothing fits these filters" in listed("target=t2")
        assert "These filters cannot be used" in listed("status=lost", status=400)

    def test_holds_nothing_for_the_requester(self, approval: Approval, asker: User) -> None:
        page = visit(asker).get("/approvals").content.decode()

        assert "No approval is waiting for you." in page
        assert 'data-badge="approval" hidden>0<' in page


class TestOneRequest:
    def test_says_who_asks_for_what_until_when(
        self, approval: Approval, asker: User, manager: User
    ) -> None:
        page = visit(manager).get(f"/approvals/{approval.pk}").content.decode()

        assert f'<dt>Requested by</dt><dd><span title="user:{asker.pk}">asker<' in page
        assert "<dt>Expires</dt>" in page
        assert "1 other person has to agree" in page
        assert "<dt>If approved</dt><dd>the requester may do it, once</dd>" in page

    def test_counts_whose_voice_counts_still(self, asker: User, manager: User) -> None:
        voter = grant(User.objects.create_user("mara"), "approval.decide")
        with acting(asker):
            put_into_force(quorum=2)
            approval = asked()
        say(approval, voter)
        page = visit(manager).get(f"/approvals/{approval.pk}").content.decode()
        assert "1 of 2 agree<" in page

        voter.user_permissions.clear()

        page = visit(manager).get(f"/approvals/{approval.pk}").content.decode()
        assert "of 2 agree<" not in page
        assert "counts no more" in page

    def test_about_what_is_yet_to_be_made_says_so_in_words(
        self, asker: User, manager: User
    ) -> None:
        put_into_force()
        with acting(asker):
            approval = asked(makes=True)
        client = visit(manager)

        for address in ("/approvals", f"/approvals/{approval.pk}"):
            assert ' mono">a new thing<' in client.get(address).content.decode()

    def test_of_daybook_itself_says_so_once(self, manager: User) -> None:
        put_into_force()
        with context.acting(SYSTEM):
            approval = asked()

        page = visit(manager).get(f"/approvals/{approval.pk}").content.decode()

        assert '<span title="system:daybook">Daybook itself</span>' in page
        assert page.count("system:daybook") == 1

    @pytest.mark.parametrize(
        ("facts", "capabilities", "status"),
        [
            ({"is_staff": True}, ["ledger.read"], 200),
            ({"is_staff": True}, [], 403),
            ({"is_staff": False}, ["ledger.read"], 302),
        ],
    )
    def test_to_undo_leads_to_the_preview_whom_the_admin_lets_in(
        self,
        asker: User,
        manager: User,
        facts: dict[str, bool],
        capabilities: list[str],
        status: int,
    ) -> None:
        grant(asker, "ledger.reverse", "api_key.revoke")
        User.objects.filter(pk=manager.pk).update(**facts)
        manager = grant(User.objects.get(pk=manager.pk), *capabilities)
        Beacon.revision, Beacon.fails = 1, None
        with acting(asker):
            entry_id = turn()
            ask_first()
        approval = asked_to_turn_back(entry_id, asker)

        client = visit(manager)
        page = client.get(f"/approvals/{approval.pk}").content.decode()

        address = f"/admin/ledger/reversalstanding/entry/{entry_id}/"
        assert "This request is to undo" in page
        assert client.get(address).status_code == status
        assert (address in page) == (status == 200)

    def test_of_a_step_leads_to_its_flow_and_back(self, asker: User, manager: User) -> None:
        grant(manager, "flow.read")
        approval_policies.install_policies(every=seeded.POLICIES)
        register()
        with acting(asker):
            approval = asked_by_flow()

        request = visit(manager).get(f"/approvals/{approval.pk}").content.decode()
        flow = visit(manager).get("/flows/trip").content.decode()

        assert '<a href="/flows/trip">flow trip</a>' in request
        assert "<dt>If approved</dt><dd>the flow continues</dd>" in request
        assert "<dt>Started by</dt><dd>asker</dd>" in flow
        assert f' <a href="/approvals/{approval.pk}">See the request</a>.' in flow


class TestBadges:
    def test_count_what_waits_for_whoever_asks(
        self, approval: Approval, asker: User, manager: User
    ) -> None:
        assert visit(manager).get("/badges").json() == {"approval": 1}
        assert visit(asker).get("/badges").json() == {"approval": 0}

    def test_fall_with_the_decision(self, approval: Approval, manager: User) -> None:
        client = visit(manager)

        assert decide(client, approval, password=PASSWORD) == "approved"
        assert client.get("/badges").json() == {"approval": 0}

    def test_tell_nothing_to_who_may_not_decide(
        self, approval: Approval, transactional_db: None
    ) -> None:
        reader = grant(User.objects.create_user("reader"), "approval.read")
        stranger = User.objects.create_user("stranger")

        assert visit(reader).get("/badges").json() == {"approval": 0}
        assert visit(stranger).get("/badges").json() == {}
        assert Client().get("/badges").status_code == 302

    def test_are_kept_by_no_cache(self, approval: Approval, manager: User) -> None:
        assert "no-store" in visit(manager).get("/badges")["Cache-Control"]


class TestDeciding:
    def test_of_what_is_critical_takes_the_password(
        self, approval: Approval, manager: User
    ) -> None:
        client = visit(manager)

        assert decide(client, approval) == "pending"
        assert decide(client, approval, password="wrong") == "pending"
        assert decide(client, approval, password=PASSWORD) == "approved"

    def test_is_refused_to_the_requester(self, approval: Approval, asker: User) -> None:
        assert decide(visit(asker), approval, password=PASSWORD) == "pending"

    def test_wants_a_reason(self, approval: Approval, manager: User) -> None:
        assert decide(visit(manager), approval, comment="", password=PASSWORD) == "pending"

    @pytest.mark.parametrize(
        ("form", "field"), [({"comment": ""}, "comment"), ({"password": "wrong"}, "password")]
    )
    def test_says_at_the_field_what_is_wrong_with_it(
        self, approval: Approval, manager: User, form: dict[str, str], field: str
    ) -> None:
        asked = {"decision": "approve", "comment": "fine", **form}

        answer = visit(manager).post(f"/approvals/{approval.pk}/decide", asked)

        page = answer.content.decode()
        assert answer.status_code == 400
        assert f'aria-invalid="true" aria-describedby="{field}-error" autofocus' in page
        assert f'<div id="{field}-error"><ul class="errorlist"' in page

    def test_keeps_what_was_written_where_something_is_missing_still(
        self, approval: Approval, manager: User
    ) -> None:
        asked = {"decision": "approve", "comment": "I rang them up"}

        answer = visit(manager).post(f"/approvals/{approval.pk}/decide", asked)

        page = answer.content.decode()
        assert answer.status_code == 400
        assert "Enter your password to decide a critical request." in page
        assert 'aria-describedby="password-error" autofocus' in page
        assert ">I rang them up</textarea>" in page

    def test_says_in_another_tab_that_it_was_decided_and_what_was_written_is_lost(
        self, approval: Approval, manager: User
    ) -> None:
        one, other = visit(manager), visit(manager)
        assert decide(one, approval, password=PASSWORD) == "approved"

        asked = {"decision": "deny", "comment": "No", "password": PASSWORD}
        page = other.post(f"/approvals/{approval.pk}/decide", asked, follow=True).content.decode()

        assert "Your decision and its reason were not kept." in page
        assert Approval.objects.get(pk=approval.pk).status == "approved"


class TestAdmin:
    def act(self, user: User, approval: Approval, action: str) -> str:
        form = {"action": action, "_selected_action": str(approval.pk)}
        answer = visit(user).post("/admin/ledger/approval/", form, follow=True)
        assert answer.status_code == 200
        return Approval.objects.get(pk=approval.pk).status

    def row(self, user: User, **query: str) -> dict[str, str]:
        """Return the cells of the one row that the list shows."""
        page = visit(user).get("/admin/ledger/approval/", query).content.decode()
        body = page.partition("<tbody>")[2].partition("</tbody>")[0]
        cells = re.findall(r'<t[dh] class="field-(\w+)[^"]*"[^>]*>(.*?)</t[dh]>', body, re.DOTALL)
        assert body.count("<tr") == 1
        return {name: re.sub(r"<[^>]+>", "", cell).strip() for name, cell in cells}

    def test_says_what_an_operator_asks(self, asker: User, manager: User) -> None:
        with acting(asker):
            put_into_force(quorum=2, assigned_group="Finance")
            asked(amount_cents=123_450)

        row = self.row(manager)

        assert row["what"] == "End one&#x27;s own API keys at once"
        assert row["about"] == "thing t1"
        assert (row["status"], row["risk"], row["amount"]) == ("pending", "high", "1,234.50")
        assert row["asked_by"] == "asker"
        assert row["waits_for"] == "the group Finance: 2 people"
        assert row["open_until"]

    def test_asks_no_more_of_the_database_for_more_rows(
        self, asker: User, manager: User, django_assert_num_queries: Any
    ) -> None:
        with acting(asker):
            put_into_force()
            asked("t1")
        client = visit(manager)
        client.get("/admin/ledger/approval/")
        with CaptureQueriesContext(connection) as of_one:
            client.get("/admin/ledger/approval/")
        with acting(asker):
            asked("t2")
            asked("t3")

        with django_assert_num_queries(len(of_one)):
            client.get("/admin/ledger/approval/")

    def test_shows_what_waits_for_the_visitor_alone(self, asker: User, manager: User) -> None:
        with acting(asker):
            put_into_force()
            asked()

        assert self.row(manager, decision="mine")["waits_for"] == "whoever may decide"
        mine = visit(asker).get("/admin/ledger/approval/", {"decision": "mine"}).content.decode()
        assert "0 approvals" in mine

    def test_denies_through_the_same_service(self, asker: User, manager: User) -> None:
        with acting(asker):
            put_into_force()
            approval = asked()

        assert self.act(asker, approval, "approve") == "pending"
        assert self.act(manager, approval, "deny") == "denied"

    def test_asks_for_more_than_a_click_when_it_is_critical(
        self, approval: Approval, manager: User
    ) -> None:
        assert self.act(manager, approval, "approve") == "pending"
