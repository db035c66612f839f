"""Who starts a flow is on record, through whatever door they come, once."""

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from rest_framework.test import APIClient

from ledger import tools
from ledger.access import grants
from ledger.models import Delegation, Entry
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import client_with, grant, issue
from tests.integration.workflows.flows.clients import FLOWS, post, script
from tests.integration.workflows.flows.conftest import work_off
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import FlowSummary

pytestmark = pytest.mark.django_db(transaction=True)

ADD = script("add", "{:sum (+ n 1)}", n="required", sum="output")
BODY = {"id": "f1", "goals": ["add"], "init": {"n": [1]}}


@pytest.fixture
def ada(db: None) -> User:
    grants.provision()
    services.register_step(step=step_from_json(ADD))
    return grant(User.objects.create_user("ada"), "step.read", "flow.read", "flow.start")


@pytest.fixture
def client(ada: User) -> APIClient:
    return client_with(issue(ada, ["*"])[0])


def entries(**of: str) -> list[Entry]:
    return list(Entry.objects.filter(action_name="flow.start", **of).order_by("id"))


def test_through_a_key_is_an_entry_of_the_key(client: APIClient) -> None:
    assert post(client, FLOWS, BODY).status_code == 201

    [entry] = entries()
    assert (entry.principal_type, entry.status, entry.action_kind) == (
        "api_key",
        "succeeded",
        "create",
    )
    assert (entry.target_type, entry.target_id, entry.workflow_run_id) == ("flow", "f1", "f1")
    assert (entry.capability_id, entry.evaluated_risk) == ("flow.start", "low")
    assert entry.mutation.summary == "Started for add."
    assert entry.caller_type == "api"


def test_in_the_console_is_an_entry_of_the_person(ada: User) -> None:
    browser = Client()
    browser.force_login(ada)

    answer = browser.post(
        reverse("console:flow-start"), {"goal": "add", "flow_id": "f1", "init.n": "1"}
    )

    assert answer.status_code == 302, answer.content.decode()
    [entry] = entries()
    assert (entry.principal_type, entry.principal_id) == ("user", str(ada.pk))
    assert entry.caller_type == "session"


def test_by_an_agent_is_one_entry_and_one_action_of_its_budget(ada: User) -> None:
    delegation = delegated(an_agent(ada), "flow.start", actions_max=2)

    over_http = post(client_with(key_of(delegation)), FLOWS, BODY)
    as_a_tool = tools.call(
        "execute",
        {"command": "flow.start", "input": {**BODY, "id": "f2"}, "idempotency_key": "k"},
        written_key=key_of(delegation),
    )
    too_many = post(client_with(key_of(delegation)), FLOWS, {**BODY, "id": "f3"})

    assert over_http.status_code == 201
    assert as_a_tool["outcome"] == "done"
    assert too_many.json()["code"] == "budget_exceeded"
    done = entries(principal_type="agent", status="succeeded")
    assert [one.target_id for one in done] == ["f1", "f2"]
    assert {one.delegation_id for one in done} == {delegation.pk}
    assert Delegation.objects.get(pk=delegation.pk).actions_used == 2
    assert [one.status for one in entries(target_id="f3")] == ["denied"]
    assert not FlowSummary.objects.filter(flow_id="f3").exists()


def test_at_an_open_engine_is_an_entry_of_the_system(ada: User, settings: Settings) -> None:
    settings.OPEN_ENGINE = True

    answer = Client().generic("POST", "/engine/flow", json.dumps(BODY))

    assert answer.status_code == 201
    [entry] = entries()
    assert (entry.principal_type, entry.principal_id) == ("system", "open-engine")


def test_again_is_no_second_entry(client: APIClient) -> None:
    for _ in range(2):
        assert post(client, FLOWS, BODY).status_code == 201

    assert len(entries()) == 1


def test_that_is_refused_leaves_none(client: APIClient) -> None:
    post(client, FLOWS, BODY)

    assert post(client, FLOWS, {**BODY, "init": {"n": [2]}}).status_code == 409
    assert post(client, FLOWS, {**BODY, "id": "f2", "goals": ["fly"]}).status_code == 404
    assert post(client, FLOWS, {**BODY, "id": "f3", "init": {}}).status_code == 422

    assert [one.target_id for one in entries()] == ["f1"]


def test_of_a_child_is_the_parents_own_doing(client: APIClient) -> None:
    outer = {"id": "outer", "name": "Outer", "type": "flow", "flow": {"goals": ["add"]}}
    services.register_step(
        step=step_from_json({**outer, "attributes": {"n": {"role": "required"}}})
    )

    post(client, FLOWS, {**BODY, "goals": ["outer"]})
    work_off()

    assert FlowSummary.objects.count() == 2
    assert len(entries()) == 1


def test_needs_the_capability(ada: User) -> None:
    other = grant(User.objects.create_user("bob"), "flow.read")

    answer = post(client_with(issue(other, ["*"])[0]), FLOWS, BODY)

    assert answer.status_code == 403
    assert not entries()


def test_what_else_an_agent_does_to_a_flow_is_one_entry_too(ada: User) -> None:
    grant(ada, "flow.pause")
    services.start_flow(flow_id="f1", goals=["add"], init={"n": [1]})
    delegation = delegated(an_agent(ada), "flow.pause", actions_max=5)

    post(client_with(key_of(delegation)), f"{FLOWS}/f1/pause", {"reason": "lunch"})

    # It is over, so there is nothing to pause: neither an entry nor an action of the budget.
    assert not Entry.objects.filter(principal_type="agent").exists()
    assert Delegation.objects.get(pk=delegation.pk).actions_used == 0
