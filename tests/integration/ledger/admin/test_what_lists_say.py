"""What the lists of the admin say of amounts, and of the words of others."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from events import context
from events.domain.principal import SYSTEM
from ledger.approving.gate import ApprovalRequired
from ledger.domain.action import Action, Kind, Target
from ledger.recording import recorded
from ledger.services import erasures
from tests.integration.ledger.approvals import acting, put_into_force
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff(alice: User, client: Client) -> Client:
    alice.is_staff = True
    alice.save()
    client.force_login(alice)
    return client


def want(thing: str, **facts: object) -> None:
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id=thing),
        capability="api_key.revoke",
        risk_facts=facts,
    )
    with pytest.raises(ApprovalRequired), recorded(action):
        pass


def test_approvals_go_by_their_amounts_whatever_else_they_weigh(alice: User, staff: Client) -> None:
    grant(alice, "approval.read", "approval.decide")
    with acting(alice):
        put_into_force()
        want("dear", amount_cents=900)
        want("cheap", amount_cents=5, currency="EUR", customer_visible=True)
        want("middling", amount_cents=70, currency="EUR")

    for order, names in (("5", "cheap middling dear"), ("-5", "dear middling cheap")):
        text = staff.get("/admin/ledger/approval/", {"o": order}).text
        assert sorted(names.split(), key=text.index) == names.split()


class TestWhyAPersonWasErasedOrIsHeld:
    @pytest.fixture
    def key(self, alice: User) -> APIClient:
        grant(alice, "subject.read")
        with context.acting(SYSTEM):
            erasures.erase_subject(subject="traveller/1", reason="ada@example.org asked for it")
            erasures.place_hold(subject="traveller/2", reason="See ada@example.org")
        return client_with(issue(alice, ["*"])[0])

    def test_is_said_without_addresses(self, key: APIClient, staff: Client) -> None:
        for page in ("/admin/ledger/erasure/", "/admin/ledger/legalhold/"):
            text = staff.get(page).text
            assert "ada@example.org" not in text
        for page in ("erasures", "legal-holds"):
            [row] = key.get(f"/api/v1/ledger/{page}").json()["results"]
            assert "ada@example.org" not in row["reason"]
            assert row["reason"]

    def test_is_said_in_full_to_who_may_open_payloads(self, alice: User, key: APIClient) -> None:
        grant(alice, "ledger.read_payload")

        for page in ("erasures", "legal-holds"):
            [row] = key.get(f"/api/v1/ledger/{page}").json()["results"]
            assert "ada@example.org" in row["reason"]
