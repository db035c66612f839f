"""An approval is good for the terms of the request, also of what names no input of its own."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from ledger.approving import reference
from ledger.models import Agent, Approval
from tests.integration.ledger.approvals import acting, put_into_force
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asker(alice: User) -> User:
    grant(alice, "agent.read", "agent.create", "step.manage", "step.read")
    with acting(alice):
        put_into_force(capabilities=("agent.create", "step.manage"), condition="")
    return alice


@pytest.fixture
def decider(bob: User) -> APIClient:
    return client_with(issue(grant(bob, "approval.read", "approval.decide"), ["*"])[0])


def agree(decider: APIClient, approval: Any) -> None:
    at = f"/api/v1/ledger/approvals/{approval}/decide"
    assert decider.post(at, {"decision": "approve"}, format="json").status_code == 200


def register(client: APIClient, text: str, *, under: str = "") -> Any:
    step = {
        "id": "add",
        "name": "Add",
        "type": "script",
        "script": {"language": "ale", "script": text},
        "attributes": {"sum": {"role": "output"}},
    }
    headers = {"Idempotency-Key": "k", **({reference.HEADER: under} if under else {})}
    return client.post("/api/v1/steps", step, format="json", headers=headers)


def test_another_body_is_not_what_was_agreed_to(asker: User, decider: APIClient) -> None:
    client = client_with(issue(asker, ["*"])[0])
    asked = register(client, "{:sum 1}")
    assert asked.status_code == 202, asked.content
    approval = asked.json()["approval"]["id"]
    agree(decider, approval)

    other = register(client, "{:sum 1000000}", under=approval)
    same = register(client, "{:sum 1}", under=approval)

    assert (other.status_code, other.json()["code"]) == (409, "approval_fingerprint_mismatch")
    assert same.status_code == 201, same.content


def test_another_agent_typed_in_the_admin_is_not_who_was_agreed_to(
    asker: User, decider: APIClient
) -> None:
    asker.is_staff = True
    asker.save()
    browser = Client()
    browser.force_login(asker)

    def type_in(name: str) -> None:
        browser.post("/admin/ledger/agent/add/", {"name": name, "subtype": "tool_runner"})

    type_in("clerk")
    agree(decider, Approval.objects.get().pk)

    type_in("director")
    assert not Agent.objects.exists()

    type_in("clerk")
    assert [agent.name for agent in Agent.objects.all()] == ["clerk"]
