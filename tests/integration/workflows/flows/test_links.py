"""From a flow to its forks, and from an approval step to its request: shown, and by an index."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from ledger import selectors as ledger
from ledger.models import Approval
from tests.integration.workflows.flows.approval_steps import GIVES, asked, register, say
from tests.integration.workflows.flows.clients import FLOWS, client_of
from tests.integration.workflows.flows.conftest import decider, flow
from tests.support.planner import forget_statistics
from workflows.flows import selectors, services
from workflows.flows.execution import approval_requests

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ada_acts")]


@pytest.fixture
def approval() -> Approval:
    register()
    return asked()


@pytest.fixture
def reader() -> APIClient:
    return client_of("reader", "flow.read")


@pytest.fixture
def browser(reader: APIClient) -> Client:
    client = Client()
    client.force_login(User.objects.get(username="reader"))
    return client


def fork(new_flow_id: str) -> None:
    services.fork_flow(flow_id="trip", new_flow_id=new_flow_id, from_step="sign")


def plan_of(ask: Callable[[], Any]) -> str:
    """Return how PostgreSQL finds what the last query of this asks for, if not by a whole table.

    Without its order: to a table as small as a test's, an index that gives the order and filters
    costs as little as the one that finds.
    """
    with CaptureQueriesContext(connection) as seen:
        ask()
    forget_statistics()
    finding, _, _ = seen.captured_queries[-1]["sql"].partition(" ORDER BY ")
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {finding}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    return plan


class TestForks:
    def test_are_named_by_their_original(self, approval: Approval, reader: APIClient) -> None:
        fork("second")
        fork("third")

        assert reader.get(f"{FLOWS}/trip").json()["forks"] == ["second", "third"]
        assert reader.get(f"{FLOWS}/second").json()["forks"] == []

    def test_are_linked_on_its_page(self, approval: Approval, browser: Client) -> None:
        fork("second")

        page = browser.get("/flows/trip").content.decode()

        assert "Forked from it" in page
        assert 'href="/flows/second"' in page
        assert "Forked from it" not in browser.get("/flows/second").content.decode()

    def test_are_found_by_an_index(self) -> None:
        assert "flows_by_original" in plan_of(lambda: selectors.forks_of("trip"))


class TestRequests:
    def test_are_named_by_flow_and_step(self, approval: Approval, reader: APIClient) -> None:
        named = {
            "step_id": "sign",
            "token": flow("trip").executions["sign"].order[0],
            "approval_id": str(approval.pk),
            "status": "pending",
        }

        assert reader.get(f"{FLOWS}/trip").json()["approvals"] == [named]
        assert reader.get(f"{FLOWS}/trip/steps/sign").json()["approvals"] == [named]

    def test_are_named_when_they_are_over(self, approval: Approval, reader: APIClient) -> None:
        say(approval, decider("bob"), "deny")

        [named] = reader.get(f"{FLOWS}/trip").json()["approvals"]
        assert (named["approval_id"], named["status"]) == (str(approval.pk), "denied")

    def test_of_many_those_that_are_waited_for_are_named(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        each = {**GIVES, "amount": {"role": "required", "required": {"for_each": True}}}
        register(attributes=each)
        services.start_flow(flow_id="trip", goals=["sign"], init={"amount": [[900, 1_000]]})
        say(Approval.objects.get(), decider("bob"), "approve")
        monkeypatch.setattr(selectors, "CHILDREN_SHOWN_MAX", 1)

        [named] = selectors.requests_of(flow("trip"))
        first = flow("trip").executions["sign"].order[:1]
        [of_first] = selectors.requests_of(flow("trip"), "sign", tokens=first)

        assert (named.status, of_first.status) == ("pending", "approved")

    def test_are_linked_where_their_step_is_picked(
        self, approval: Approval, browser: Client
    ) -> None:
        page = browser.get("/flows/trip?step=sign").content.decode()

        assert f'href="/approvals/{approval.pk}"' in page

    def test_are_found_by_an_index(self) -> None:
        references = [approval_requests.reference_of(str(number)) for number in range(3)]

        plan = plan_of(lambda: ledger.approvals_by_reference(references))

        assert "ledger_approvals_by_reference" in plan

    def test_are_not_looked_for_where_nobody_approves(
        self, approval: Approval, reader: APIClient
    ) -> None:
        known = flow("trip")
        with CaptureQueriesContext(connection) as seen:
            assert selectors.requests_of(known, "another") == []

        assert len(seen) == 0
