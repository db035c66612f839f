"""What the trade puts on record: changes, refusals, and looks into private data."""

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from rest_framework.test import APIClient

from commerce.models import Booking, Invoice, PaymentMethod
from commerce.services import bookings, payments
from ledger import entries
from ledger.models import Entry, IdempotencyKey
from tests.integration.commerce.api.conftest import Keyed
from tests.integration.commerce.conftest import CONTACT
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import client_with, grant

pytestmark = pytest.mark.django_db(transaction=True)


def nothing_can_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_draft: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(entries, "append", fail)


class TestBookings:
    def test_are_cancelled_on_record(self, confirmed: Booking, admin: APIClient) -> None:
        admin.post(f"/api/v1/bookings/{confirmed.pk}/cancel", {"reason": "rain"}, format="json")

        entry = Entry.objects.select_related("mutation").get(action_name="booking.cancel")
        assert (entry.target_id, entry.principal_type) == (str(confirmed.pk), "api_key")
        assert (entry.evaluated_risk, entry.reason) == ("high", "rain")
        assert entry.route_or_tool_name == "POST /api/v1/bookings/<uuid:pk>/cancel"
        assert entry.mutation.summary == "Booking went from confirmed to cancelled."

    def test_are_graver_to_cancel_once_they_are_paid(self, invoice: Invoice) -> None:
        payments.record_payment(
            invoice_id=invoice.pk,
            amount_cents=100,
            currency="EUR",
            method=PaymentMethod.CASH,
        )

        bookings.cancel_booking(booking_id=invoice.booking_id, reason="rain")

        assert Entry.objects.get(action_name="booking.cancel").evaluated_risk == "critical"


class TestRefusals:
    def test_of_grave_actions_are_on_record(self, confirmed: Booking, keyed: Keyed) -> None:
        client = keyed("booking.read")

        answer = client.post(
            f"/api/v1/bookings/{confirmed.pk}/cancel", {"reason": "x"}, format="json"
        )

        assert answer.status_code == 403
        entry = Entry.objects.get(status="denied")
        assert (entry.capability_id, entry.target_id) == ("booking.cancel", str(confirmed.pk))

    def test_of_the_rest_are_not(self, confirmed: Booking, keyed: Keyed) -> None:
        answer = keyed("product.read").get(f"/api/v1/bookings/{confirmed.pk}")

        assert answer.status_code == 403
        assert not Entry.objects.filter(status="denied").exists()


class TestPrivateData:
    def test_is_shown_once_it_is_on_record(self, booking: Booking, keyed: Keyed) -> None:
        client = keyed("booking.read", "traveller.read_personal")

        answer = client.get(
            f"/api/v1/bookings/{booking.pk}", headers={"Access-Reason": "they called"}
        )

        assert answer.json()["contact"] == CONTACT
        entry = Entry.objects.select_related("disclosure").get(
            action_name="traveller.read_personal"
        )
        assert entry.target_id == str(booking.pk)
        assert entry.disclosure.disclosed_fields == ["email", "name", "phone"]
        assert entry.disclosure.reason_code == "they called"
        assert answer["Cache-Control"] == "no-store"

    def test_leaves_no_record_when_it_is_masked(self, booking: Booking, keyed: Keyed) -> None:
        answer = keyed("booking.read").get(f"/api/v1/bookings/{booking.pk}")

        assert answer.json()["contact"] != CONTACT
        assert not Entry.objects.filter(action_name="traveller.read_personal").exists()

    def test_is_withheld_when_it_cannot_be_recorded(
        self, booking: Booking, keyed: Keyed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = keyed("booking.read", "traveller.read_personal")
        nothing_can_be_recorded(monkeypatch)

        answer = client.get(
            f"/api/v1/bookings/{booking.pk}", headers={"Access-Reason": "they called"}
        )

        assert (answer.status_code, answer.json()["code"]) == (503, "ledger_unavailable")
        assert CONTACT["email"].encode() not in answer.content

    def test_is_not_kept_to_answer_a_repeated_request(
        self, booking: Booking, admin: APIClient
    ) -> None:
        wanted = [{"slot_id": str(booking.items.get().slot_id), "quantity": 1}]
        asked = {"items": wanted, "pax": 1, "contact": CONTACT}
        headers = {"Idempotency-Key": "once", "Access-Reason": "to read it back"}

        answers = [
            admin.post("/api/v1/bookings", asked, format="json", headers=headers) for _ in range(2)
        ]

        assert [answer.json()["contact"] for answer in answers] == [CONTACT, CONTACT]
        assert answers[0].json()["id"] == answers[1].json()["id"]
        assert Entry.objects.filter(action_name="traveller.read_personal").count() == 2
        assert IdempotencyKey.objects.get(key="once").response_body is None

    def test_needs_a_reason_that_can_be_put_on_record(
        self, booking: Booking, admin: APIClient
    ) -> None:
        answer = admin.get(f"/api/v1/bookings/{booking.pk}", headers={"Access-Reason": "a" * 501})

        assert (answer.status_code, answer.json()["code"]) == (400, "access_reason_malformed")

    def test_is_not_cached_when_it_is_new(self, booking: Booking, admin: APIClient) -> None:
        item = booking.items.get()
        wanted = [{"slot_id": str(item.slot_id), "quantity": 1}]
        asked = {"items": wanted, "pax": 1, "contact": CONTACT}

        answer = admin.post("/api/v1/bookings", asked, format="json")

        assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")


class TestDocuments:
    @pytest.fixture
    def url(self, invoice: Invoice, admin: APIClient) -> str:
        return str(admin.post(f"/api/v1/invoices/{invoice.pk}/documents", {}).json()["url"])

    def test_are_opened_on_record(self, invoice: Invoice, url: str, keyed: Keyed) -> None:
        client = keyed("invoice.read_document")

        assert client.get(url, headers={"Access-Reason": "an audit"}).status_code == 200

        entry = Entry.objects.select_related("disclosure").get(
            action_kind="read", capability_id="invoice.read_document"
        )
        assert (entry.capability_id, entry.target_type) == ("invoice.read_document", "invoice")
        assert entry.target_id == str(invoice.pk)
        assert entry.disclosure.disclosed_fields == ["content"]
        assert entry.disclosure.reason_code == "an audit"

    def test_are_opened_by_an_agent_once(self, url: str) -> None:
        ada = grant(User.objects.create_user("ada"), "invoice.read_document", "agent.read")
        client = client_with(key_of(delegated(an_agent(ada), "invoice.read_document")))

        assert client.get(url).status_code == 200

        entry = Entry.objects.select_related("disclosure").get(principal_type="agent")
        assert entry.disclosure.disclosed_fields == ["content"]

    def test_are_withheld_when_it_cannot_be_recorded(
        self, invoice: Invoice, url: str, keyed: Keyed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = keyed("invoice.read_document")
        nothing_can_be_recorded(monkeypatch)

        answer = client.get(url)

        assert (answer.status_code, answer.json()["code"]) == (503, "ledger_unavailable")
        assert str(invoice.number).encode() not in answer.content
