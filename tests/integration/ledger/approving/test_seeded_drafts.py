"""Policies that an installation is given as drafts: once in force, three people act together.

One asks, two others agree, then the first one does it: just what they agreed to, and once.
"""

from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from events import context
from events.domain.principal import SYSTEM
from ledger import approval_policies as seeded
from ledger.approving import reference
from ledger.models import ApprovalPolicyVersion, Delegation, Entry, Payload
from ledger.services import approval_policies, payloads
from tests.integration.ledger.agents import ENDS, an_agent
from tests.integration.ledger.conftest import client_with, grant, issue
from tests.integration.ledger.privacy.test_payloads import LONG_AGO
from tests.integration.ledger.privacy.test_payloads import do as keep

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1/ledger"
DELEGATIONS = f"{API}/delegations"
MAY = ("agent.read", "delegation.create", "ledger.read", "ledger.redact_payload")


@pytest.fixture(autouse=True)
def _drafts_are_in_force(db: None) -> None:
    with context.acting(SYSTEM):
        made = approval_policies.install_policies(every=(), drafts=seeded.DRAFTS)
        assert made == []
        for draft in ApprovalPolicyVersion.objects.all():
            assert draft.status == "draft"
            approval_policies.activate_policy(policy_id=draft.pk)


@pytest.fixture
def asker(alice: User) -> APIClient:
    return client_with(issue(grant(alice, *MAY), ["*"])[0])


@pytest.fixture
def deciders() -> list[APIClient]:
    people = [User.objects.create_user(name) for name in ("bob", "carol")]
    rights = ("approval.read", "approval.decide")
    return [client_with(issue(grant(each, *rights), ["*"])[0]) for each in people]


def send(client: APIClient, path: str, body: Any, *, key: str, under: str = "") -> Any:
    headers = {"Idempotency-Key": key, **({reference.HEADER: under} if under else {})}
    return client.post(path, body, format="json", headers=headers)


def agreed_to(asker: APIClient, deciders: list[APIClient], path: str, body: Any, key: str) -> str:
    """Ask for it, and have two others agree, the first of whom is not enough."""
    asked = send(asker, path, body, key=key)
    assert asked.status_code == 202, asked.content
    approval = asked.json()["approval"]
    assert approval["quorum"] == 2
    own = asker.post(f"{API}/approvals/{approval['id']}/decide", {"decision": "approve"})
    assert own.status_code == 403
    for client in deciders:
        early = send(asker, path, body, key=key, under=approval["id"])
        assert (early.status_code, early.json()["code"]) == (409, "approval_not_approved")
        response = client.post(
            f"{API}/approvals/{approval['id']}/decide", {"decision": "approve"}, format="json"
        )
        assert response.status_code == 200, response.content
    return str(approval["id"])


class TestADelegation:
    def test_is_made_as_two_others_agreed_to_and_not_wider(
        self, alice: User, asker: APIClient, deciders: list[APIClient]
    ) -> None:
        body = {
            "agent_id": str(an_agent(alice).pk),
            "reason": "It answers the mail.",
            "scopes": ["booking.read"],
            "expires_at": ENDS.isoformat(),
        }
        key = uuid4().hex
        approval = agreed_to(asker, deciders, DELEGATIONS, body, key)

        longer = (ENDS + timedelta(days=1)).isoformat()
        for wider in ({"scopes": ["*"]}, {"expires_at": longer}):
            tried = send(asker, DELEGATIONS, {**body, **wider}, key=key, under=approval)
            assert tried.status_code == 409, tried.content
            assert tried.json()["code"] == "approval_fingerprint_mismatch"
        assert not Delegation.objects.exists()

        made = send(asker, DELEGATIONS, body, key=key, under=approval)

        assert made.status_code == 201, made.content
        assert Delegation.objects.get().scopes == ["booking.read"]
        done = Entry.objects.get(action_name="delegation.create", status="succeeded")
        assert str(done.approval_id) == approval

    def test_is_made_in_the_admin_by_who_types_again_what_was_agreed_to(
        self, alice: User, asker: APIClient, deciders: list[APIClient], client: Client
    ) -> None:
        alice.is_staff = True
        alice.save()
        client.force_login(alice)
        form = {
            "agent": str(an_agent(alice).pk),
            "reason": "It answers the mail.",
            "scopes": "booking.read",
            "resources": "{}",
            "starts_at_0": f"{timezone.now() - timedelta(days=30):%Y-%m-%d}",
            "starts_at_1": "00:00:00",
            "expires_at_0": f"{timezone.now() + timedelta(days=180):%Y-%m-%d}",
            "expires_at_1": "00:00:00",
        }
        at = "/admin/ledger/delegation/add/"

        waits = client.post(at, form, follow=True).content.decode()
        [asked] = deciders[0].get(f"{API}/approvals", {"status": "pending"}).json()["results"]
        assert f"/approvals/{asked['id']}" in waits
        for each in deciders:
            response = each.post(f"{API}/approvals/{asked['id']}/decide", {"decision": "approve"})
            assert response.status_code == 200, response.content
        client.post(at, {**form, "scopes": "booking.read,booking.cancel"})
        assert not Delegation.objects.exists()
        client.post(at, form)
        # By the back button, or from a second tab: it is asked for as another one.
        again = client.post(at, form, follow=True).text

        assert Delegation.objects.get().scopes == ["booking.read"]
        assert "It awaits approval" in again


class TestARedaction:
    def test_is_done_as_two_others_agreed_to(
        self, asker: APIClient, deciders: list[APIClient]
    ) -> None:
        with context.acting(SYSTEM):
            keep()
        path = f"{API}/payloads/{Payload.objects.get().pk}/redact"
        body = {"mode": "redacted", "reason": "Asked for.", "pointers": ["/name"]}
        key = uuid4().hex
        approval = agreed_to(asker, deciders, path, body, key)
        kept = Payload.objects.get(kind="before")

        tried = send(asker, path, {**body, "mode": "tombstoned"}, key=key, under=approval)
        assert (tried.status_code, tried.json()["code"]) == (409, "approval_fingerprint_mismatch")
        kept.refresh_from_db()
        assert kept.redaction == "none"
        done = send(asker, path, body, key=key, under=approval)

        assert done.status_code == 200, done.content
        kept.refresh_from_db()
        assert kept.redaction == "redacted"
        assert kept.redacted_by is not None
        assert str(kept.redacted_by.approval_id) == approval

    def test_by_retention_asks_nobody(self) -> None:
        long_ago = patch("ledger.recording.timezone.now", return_value=LONG_AGO)
        with context.acting(SYSTEM), long_ago:
            keep()

        assert payloads.expire_payloads() == 1
        assert Payload.objects.get().redaction != "none"
