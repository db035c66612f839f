"""An approval is good for the terms of the request, also of what names no input of its own."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from ledger.approving import reference
from tests.integration.ledger.approvals import acting, put_into_force
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

HERE = "/api/v1/ledger/agents"


@pytest.fixture
def asker(alice: User) -> APIClient:
    grant(alice, "agent.read", "agent.create")
    with acting(alice):
        put_into_force(capabilities=("agent.create",), condition="")
    return client_with(issue(alice, ["*"])[0])


@pytest.fixture
def decider(bob: User) -> APIClient:
    return client_with(issue(grant(bob, "approval.read", "approval.decide"), ["*"])[0])


def make(asker: APIClient, name: str, *, under: str = "") -> Any:
    headers = {"Idempotency-Key": "k", **({reference.HEADER: under} if under else {})}
    return asker.post(HERE, {"name": name}, format="json", headers=headers)


def test_other_terms_are_not_what_was_agreed_to(asker: APIClient, decider: APIClient) -> None:
    asked = make(asker, "clerk")
    assert asked.status_code == 202, asked.content
    approval = asked.json()["approval"]["id"]
    said = {"decision": "approve"}
    assert (
        decider.post(f"/api/v1/ledger/approvals/{approval}/decide", said, format="json").status_code
        == 200
    )

    other = make(asker, "director", under=approval)
    same = make(asker, "clerk", under=approval)

    assert (other.status_code, other.json()["code"]) == (409, "approval_fingerprint_mismatch")
    assert (same.status_code, same.json()["name"]) == (201, "clerk")
