"""Who is let in to a document, and what is on record of it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from guardian.shortcuts import assign_perm
from rest_framework.test import APIClient

from commerce.models import DocumentAccess, Invoice
from ledger.access.authority import Caller
from ledger.models import ApiKey, Entry
from ledger.services import api_keys
from tests.integration.commerce.api.conftest import Keyed
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

READ = "invoice.read_document"


@pytest.fixture
def document(invoice: Invoice, admin: APIClient) -> dict[str, Any]:
    made: dict[str, Any] = admin.post(f"/api/v1/invoices/{invoice.pk}/documents", {}).json()
    return made


@pytest.fixture
def auditor(keyed: Keyed) -> APIClient:
    """Somebody who may do nothing at all."""
    return keyed(name="auditor")


def let_in(admin: APIClient, document: dict[str, Any], grantee: str = "") -> dict[str, Any]:
    grantee = grantee or f"user:{User.objects.get(username='auditor').pk}"
    asked = {"grantee": grantee, "purpose": "The yearly audit"}
    answer = admin.post(f"/api/v1/documents/{document['id']}/access", asked)
    assert answer.status_code == 201, answer.json()
    return {**answer.json(), "at": answer["Location"]}


class TestGrantee:
    def test_opens_the_document_under_the_grant_and_on_record(
        self, admin: APIClient, auditor: APIClient, document: dict[str, Any]
    ) -> None:
        assert auditor.get(document["url"]).status_code == 403
        access = let_in(admin, document)

        answer = auditor.get(document["url"], headers={"Access-Reason": "Sample 12"})

        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        entry = Entry.objects.select_related("disclosure").get(
            action_kind="read", capability_id=READ
        )
        assert entry.authorization_source == "grant"
        assert entry.disclosure.decision_policy == f"document_access/{access['id']}"
        assert (entry.disclosure.reason_code, entry.target_id) == (
            "Sample 12",
            document["invoice_id"],
        )

    def test_is_refused_on_record_from_the_revocation_on(
        self, admin: APIClient, auditor: APIClient, document: dict[str, Any]
    ) -> None:
        access = let_in(admin, document)
        assert auditor.get(document["url"]).status_code == 200

        revoked = admin.post(f"{access['at']}/revoke", {"reason": "The audit is over"})
        answer = auditor.get(document["url"])

        assert (revoked.status_code, revoked.json()["status"]) == (200, "revoked")
        assert (answer.status_code, answer.json()["code"]) == (403, "document_access_ended")
        assert answer["Content-Type"] == "application/problem+json"
        denied = Entry.objects.get(status="denied")
        assert (denied.capability_id, denied.target_id) == (READ, document["invoice_id"])
        assert Entry.objects.filter(action_kind="read", capability_id=READ).count() == 1

    def test_is_let_in_to_that_document_only(
        self, admin: APIClient, auditor: APIClient, document: dict[str, Any]
    ) -> None:
        let_in(admin, document)
        url = f"/api/v1/invoices/{document['invoice_id']}/documents"
        again = admin.post(url, {"format": "json"}).json()

        assert auditor.get(again["url"]).status_code == 403
        assert auditor.get(url).status_code == 403

    def test_with_a_key_of_narrower_scope_is_not_let_in(
        self, admin: APIClient, document: dict[str, Any], keyed: Keyed
    ) -> None:
        narrow = keyed(name="auditor", scopes=("product.*",))
        let_in(admin, document)

        answer = narrow.get(document["url"])

        assert (answer.status_code, answer.json()["code"]) == (403, "capability_missing")

    def test_may_be_one_key_and_what_it_is_rotated_into(
        self, admin: APIClient, document: dict[str, Any]
    ) -> None:
        owner = User.objects.create_user("partner")
        secret, id_ = issue(owner, ["*"])
        key = ApiKey.objects.get(pk=id_)
        let_in(admin, document, f"api_key:{key.prefix}")
        _, rotated = api_keys.rotate_api_key(key_id=key.pk, issuer=Caller(owner))

        answers = [
            client_with(text).get(document["url"]).status_code
            for text in (secret, rotated.text, issue(owner, ["*"])[0])
        ]

        assert answers == [200, 200, 403]

    def test_has_an_agent_that_reaches_as_far_as_its_delegation(
        self, admin: APIClient, document: dict[str, Any], auditor: APIClient
    ) -> None:
        owner = grant(User.objects.get(username="auditor"), "agent.read")
        agent = an_agent(owner)
        let_in(admin, document)

        reading = client_with(key_of(delegated(agent, READ)))
        other = client_with(key_of(delegated(agent, "agent.read")))

        assert reading.get(document["url"]).status_code == 200
        assert other.get(document["url"]).status_code == 403
        entry = Entry.objects.get(action_kind="read", capability_id=READ)
        assert (entry.principal_type, entry.authorization_source) == ("agent", "grant")


class TestWhoHoldsTheCapability:
    def test_reads_by_that_also_beside_a_grant(
        self, admin: APIClient, document: dict[str, Any]
    ) -> None:
        let_in(admin, document, f"user:{User.objects.get(username='root').pk}")

        assert admin.get(document["url"]).status_code == 200

        assert (
            Entry.objects.get(action_kind="read", capability_id=READ).authorization_source
            == "api_key_scope"
        )

    def test_may_hold_it_over_the_invoice_alone(
        self, keyed: Keyed, document: dict[str, Any], invoice: Invoice
    ) -> None:
        partner = keyed(name="partner")
        assign_perm("commerce.view_invoice", User.objects.get(username="partner"), invoice)

        assert partner.get(document["url"]).status_code == 200


class TestManaging:
    def test_lists_and_filters_by_how_it_stands(
        self, admin: APIClient, auditor: APIClient, document: dict[str, Any]
    ) -> None:
        first = let_in(admin, document)
        admin.post(f"{first['at']}/revoke", {"reason": "Too early"})
        second = let_in(admin, document)

        of_document = admin.get(f"/api/v1/documents/{document['id']}/access").json()
        live = admin.get("/api/v1/document-accesses", {"status": "live"}).json()["results"]
        revoked = admin.get("/api/v1/document-accesses", {"status": "revoked"}).json()["results"]

        assert [row["id"] for row in of_document] == [second["id"], first["id"]]
        assert [row["id"] for row in live] == [second["id"]]
        assert [row["id"] for row in revoked] == [first["id"]]
        assert admin.get(first["at"]).json()["revoke_reason"] == "Too early"

    def test_answers_what_is_wrong(
        self, admin: APIClient, auditor: APIClient, document: dict[str, Any]
    ) -> None:
        url = f"/api/v1/documents/{document['id']}/access"
        access = let_in(admin, document)
        gone = "/api/v1/documents/00000000-0000-7000-8000-000000000000/access"
        asked = {"grantee": access["grantee"], "purpose": "x"}

        answers = [
            admin.post(url, asked),
            admin.post(gone, asked),
            admin.post(url, {"grantee": "agent:x", "purpose": "x"}),
            admin.post(url, {"grantee": "user:1", "purpose": ""}),
            admin.post(url, {**asked, "granted_by": "user:1"}),
            admin.post(f"{access['at']}x/revoke", {"reason": "x"}),
        ]

        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
            (409, "access_granted_already"),
            (404, "document_not_found"),
            (422, "grantee_not_allowed"),
            (400, "invalid"),
            (400, "invalid"),
            (404, "not_found"),
        ]
        assert answers[2].json()["errors"][0]["pointer"] == "/grantee"
        admin.post(f"{access['at']}/revoke", {"reason": "x"})
        twice = admin.post(f"{access['at']}/revoke", {"reason": "x"})
        assert (twice.status_code, twice.json()["code"]) == (409, "access_ended_already")

    def test_needs_more_than_reading_and_no_less(
        self, auditor: APIClient, document: dict[str, Any], keyed: Keyed
    ) -> None:
        url = f"/api/v1/documents/{document['id']}/access"
        asked = {"grantee": f"user:{User.objects.get(username='auditor').pk}", "purpose": "x"}

        for held in ([READ, "document_access.read"], ["document_access.manage"]):
            assert keyed(*held, name=held[0]).post(url, asked).status_code == 403
        both = keyed(READ, "document_access.manage", name="chief")
        assert both.post(url, asked).status_code == 201

    def test_is_never_an_agents(self, document: dict[str, Any], auditor: APIClient) -> None:
        owner = User.objects.create_superuser("boss")
        agent = client_with(key_of(delegated(an_agent(owner), "*")))
        asked = {"grantee": f"user:{owner.pk}", "purpose": "x"}

        answer = agent.post(f"/api/v1/documents/{document['id']}/access", asked)

        assert answer.status_code == 403
        assert not DocumentAccess.objects.exists()
        assert Entry.objects.get(status="denied").principal_type == "agent"

    def test_under_the_same_key_lets_in_once(
        self, admin: APIClient, auditor: APIClient, document: dict[str, Any]
    ) -> None:
        url = f"/api/v1/documents/{document['id']}/access"
        asked = {"grantee": f"user:{User.objects.get(username='auditor').pk}", "purpose": "x"}

        answers = [admin.post(url, asked, headers={"Idempotency-Key": "k"}) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()


class TestAStory:
    """Access is granted, used, looked at again, taken back by undoing, and stays so."""

    def test_of_an_auditor_whose_access_is_undone(
        self, admin: APIClient, auditor: APIClient, document: dict[str, Any]
    ) -> None:
        access = let_in(admin, document)
        for _ in range(2):
            assert auditor.get(document["url"]).status_code == 200
        about = {"target_type": "document_access", "target_id": access["id"]}
        [granted] = admin.get("/api/v1/ledger/entries", about).json()["results"]
        undoing = f"/api/v1/ledger/entries/{granted['id']}/reversal"

        seen = admin.get(undoing).json()
        [ended] = seen["effects"]
        [stays] = ended["parts"]
        reads = Entry.objects.filter(authorization_source="grant").order_by("occurred_at")
        assert (ended["kind"], stays["kind"]) == ("reverted", "irreversible")
        assert stays["summary"].startswith("It was opened 2 times under this access")
        assert [look["entry_id"] for look in stays["parts"]] == [str(each.pk) for each in reads]

        why = {"token": seen["token"], "reason": "The audit is over"}
        undone = admin.post(f"{undoing}s", why, headers={"Idempotency-Key": "k1"})
        assert (undone.status_code, undone.json()["outcome"]) == (201, "full")
        refused = auditor.get(document["url"])
        assert (refused.status_code, refused.json()["code"]) == (403, "document_access_ended")
        twice = admin.post(f"{undoing}s", why, headers={"Idempotency-Key": "k2"})
        assert (twice.status_code, twice.json()["code"]) == (409, "reversal_already_reversed")

        entries = admin.get("/api/v1/ledger/entries", about).json()["results"]
        assert sorted(each["action_name"] for each in entries) == [
            "document_access.grant",
            "document_access.revoke",
        ]
        [revoked] = [each for each in entries if each["action_kind"] == "reverse"]
        assert (revoked["status"], revoked["reason"]) == ("reversed", "The audit is over")
        assert Entry.objects.filter(status="denied", target_type="invoice").count() == 1
