"""An approval is good for the terms of the request, also of what names no input of its own."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from events.domain import canonical
from ledger.access.authority import Caller
from ledger.approving import reference
from ledger.models import Agent, AgentKey, ApiKey, Approval, Delegation, Entry
from ledger.services import api_keys, approval_policies, delegations, erasures
from ledger.services.approval_policies import Terms
from tests.integration.ledger.agents import an_agent, delegated
from tests.integration.ledger.approvals import acting, good_for_just_that, put_into_force
from tests.integration.ledger.conftest import client_with, grant, issue

GRAVE = (
    "agent.create",
    "step.manage",
    "api_key.issue",
    "delegation.create",
    "approval_policy.draft",
    "subject.hold",
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asker(alice: User) -> User:
    grant(alice, "agent.read", "agent.create", "step.manage", "step.read")
    with acting(alice):
        put_into_force(capabilities=GRAVE, condition="", principals=("user", "api_key"))
    return alice


@pytest.fixture
def boss() -> User:
    return grant(User.objects.create_user("boss"), "approval.decide")


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


def test_what_a_request_said_is_not_to_be_guessed_from_its_entry(alice: User) -> None:
    client = client_with(issue(grant(alice, "agent.create"), ["*"])[0])
    body, at = {"name": "clerk", "subtype": "tool_runner"}, "/api/v1/ledger/agents"

    made = client.post(at, body, format="json", headers={"Idempotency-Key": "k"})
    again = client.post(at, body, format="json", headers={"Idempotency-Key": "k"})

    assert (made.status_code, again.content) == (201, made.content)
    entry = Entry.objects.get(action_name="agent.create")
    assert len(entry.idempotency_fingerprint) == 64
    guess = canonical.fingerprint(["POST", at, {}, body])
    assert entry.idempotency_fingerprint != guess


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


def test_a_request_of_the_api_names_its_approval_also_from_a_browser(
    asker: User, decider: APIClient
) -> None:
    browser = Client()
    browser.force_login(asker)

    def send(key: str) -> Any:
        body = {"name": "clerk", "subtype": "tool_runner"}
        headers = {"Idempotency-Key": key}
        at = "/api/v1/ledger/agents"
        return browser.post(at, body, content_type="application/json", headers=headers)

    asked = send("k1")
    assert asked.status_code == 202, asked.content
    agree(decider, asked.json()["approval"]["id"])

    again = send("k2")

    assert (again.status_code, again.json()["approval"]["status"]) == (202, "approved")
    assert not Agent.objects.exists()


def soon(days: int) -> datetime:
    return (timezone.now() + timedelta(days=days)).replace(microsecond=0)


@pytest.mark.parametrize(
    "other",
    [{"scopes": ["*"]}, {"expires_at": soon(300)}, {"name": "Another"}],
    ids=["scopes", "expires_at", "name"],
)
def test_an_api_key_is_the_one_that_was_agreed_to(
    asker: User, boss: User, other: dict[str, Any]
) -> None:
    stated: dict[str, Any] = {
        "name": "a key",
        "owner": asker,
        "scopes": ["agent.read"],
        "expires_at": soon(9),
    }

    good_for_just_that(
        asker,
        boss,
        agreed=lambda: api_keys.issue_api_key(**stated),
        other=lambda: api_keys.issue_api_key(**{**stated, **other}),
    )

    made = ApiKey.objects.get()
    assert (made.scopes, made.expires_at) == (["agent.read"], stated["expires_at"])


@pytest.mark.parametrize("is_other_key", [True, False])
def test_a_key_is_rotated_as_was_agreed_to(asker: User, boss: User, is_other_key: bool) -> None:  # noqa: FBT001 (a parameter of pytest's)
    caller, (_, first), (_, second) = Caller(asker), issue(asker, ["*"]), issue(asker, ["*"])

    def rotate(key: str, hours: int = 1) -> object:
        return api_keys.rotate_api_key(
            key_id=UUID(key), overlap=timedelta(hours=hours), issuer=caller
        )

    good_for_just_that(
        asker,
        boss,
        agreed=lambda: rotate(first),
        other=lambda: rotate(second) if is_other_key else rotate(first, hours=100),
    )


@pytest.mark.parametrize("is_other_agent", [True, False])
def test_a_key_of_an_agent_is_of_the_delegation_that_was_agreed_to(
    asker: User,
    boss: User,
    is_other_agent: bool,  # noqa: FBT001 (a parameter of pytest's)
) -> None:
    narrow = delegated(an_agent(asker), "agent.read")
    wide = delegated(an_agent(asker, "director"), "*")

    tomorrow, later = soon(1), soon(5)

    def issue_to(delegation: Delegation, ends: datetime = tomorrow) -> object:
        return delegations.issue_agent_key(delegation_id=delegation.pk, root=asker, expires_at=ends)

    good_for_just_that(
        asker,
        boss,
        agreed=lambda: issue_to(narrow),
        other=lambda: issue_to(wide) if is_other_agent else issue_to(narrow, later),
    )

    assert AgentKey.objects.get().delegation == narrow


def test_a_policy_is_the_one_that_was_agreed_to(asker: User, boss: User) -> None:
    def draft(quorum: int) -> object:
        return approval_policies.draft_policy(
            terms=Terms(
                name="new",
                meaning="A new one.",
                capabilities=("booking.*",),
                ttl=timedelta(hours=1),
                quorum=quorum,
            )
        )

    good_for_just_that(asker, boss, agreed=lambda: draft(2), other=lambda: draft(1))


def test_who_is_kept_for_a_court_is_who_was_agreed_to(asker: User, boss: User) -> None:
    def place(id_: str, reason: str = "A lawsuit") -> object:
        return erasures.place_hold(subject=f"traveller/{id_}", reason=reason)

    good_for_just_that(asker, boss, agreed=lambda: place("1"), other=lambda: place("2"))
    good_for_just_that(
        asker, boss, agreed=lambda: place("3"), other=lambda: place("3", "Another reason")
    )


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
