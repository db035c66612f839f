from django.contrib.auth.models import User
from guardian.shortcuts import assign_perm
from rest_framework.test import APIClient

from commerce.models import Booking, CreditNote, Invoice, Payment, Refund, Rendition
from tests.integration.commerce.acting import work_off
from tests.integration.commerce.api.conftest import Keyed
from tests.integration.commerce.peers import Peers

PAID = {"amount_cents": 24_000, "currency": "EUR", "method": "bank_transfer", "reference": "R-1"}


class TestInvoices:
    def test_drafts_issues_and_is_paid(self, admin: APIClient, booking: Booking) -> None:
        draft = admin.post("/api/v1/invoices", {"booking_id": str(booking.pk), "tax_bp": 1900})
        url = draft["Location"]

        issued = admin.post(f"{url}/issue").json()
        payment = admin.post(f"{url}/payments", {**PAID, "amount_cents": 28_560})

        assert draft.json()["number"] is None
        assert draft.json()["tax_cents"] == 4_560
        assert (issued["status"], issued["total_cents"]) == ("issued", 28_560)
        assert issued["number"].startswith("INV-")
        assert payment.status_code == 201
        assert payment.json()["recorded_by"].startswith("api_key:")
        assert admin.get(url).json()["status"] == "paid"

    def test_takes_lines_of_its_own(self, admin: APIClient, booking: Booking) -> None:
        lines = [{"description": "Guide", "quantity": 3, "unit_amount_cents": 333, "tax_bp": 1000}]

        made = admin.post("/api/v1/invoices", {"booking_id": str(booking.pk), "lines": lines})

        assert made.json()["lines"][0]["amount_cents"] == 999
        assert made.json()["lines"][0]["tax_cents"] == 100
        assert made.json()["total_cents"] == 1_099

    def test_discards_a_draft_and_nothing_else(
        self, admin: APIClient, draft: Invoice, invoice: Invoice
    ) -> None:
        assert admin.delete(f"/api/v1/invoices/{invoice.pk}").status_code == 422
        assert Invoice.objects.filter(pk=invoice.pk).exists()

    def test_voids_what_nobody_paid(self, admin: APIClient, invoice: Invoice) -> None:
        answer = admin.post(f"/api/v1/invoices/{invoice.pk}/void", {"reason": "Wrong customer"})

        assert (answer.json()["status"], answer.json()["balance_due_cents"]) == ("void", 0)

    def test_refuses_to_void_what_somebody_paid(self, admin: APIClient, invoice: Invoice) -> None:
        url = f"/api/v1/invoices/{invoice.pk}"
        admin.post(f"{url}/payments", PAID)

        answer = admin.post(f"{url}/void", {"reason": "Wrong customer"})

        assert answer.status_code == 422
        assert answer.json()["facts"]["reason"] == "has_payments"
        assert answer.json()["facts"]["follow_up"] == "Issue a credit note instead."
        assert admin.get(url).json()["status"] == "paid"

    def test_refuses_to_void_what_somebody_announced_to_pay(
        self, admin: APIClient, invoice: Invoice
    ) -> None:
        coming = {"amount_cents": 1, "currency": "EUR", "method": "cash", "is_pending": True}
        here = f"/api/v1/invoices/{invoice.pk}"
        assert admin.post(f"{here}/payments", coming, format="json").status_code == 201

        refused = admin.post(f"{here}/void", {"reason": "Wrong"}, format="json")

        assert (refused.status_code, refused.json()["facts"]["reason"]) == (422, "has_payments")

    def test_refuses_more_money_than_is_due(self, admin: APIClient, invoice: Invoice) -> None:
        answer = admin.post(
            f"/api/v1/invoices/{invoice.pk}/payments", {**PAID, "amount_cents": 24_001}
        )

        assert (answer.status_code, answer.json()["code"]) == (409, "invoice_overpaid")
        assert not Payment.objects.exists()

    def test_counts_announced_money_only_when_it_comes(
        self, admin: APIClient, invoice: Invoice
    ) -> None:
        url = f"/api/v1/invoices/{invoice.pk}"
        announced = admin.post(f"{url}/payments", {**PAID, "is_pending": True})
        assert admin.get(url).json()["paid_cents"] == 0

        admin.post(f"{announced['Location']}/complete", {})

        assert admin.get(url).json()["paid_cents"] == 24_000
        again = admin.post(f"{announced['Location']}/fail", {"reason": "No"})
        assert (again.status_code, again.json()["code"]) == (422, "payment_not_pending")

    def test_collects_and_settles_through_the_provider(
        self, admin: APIClient, invoice: Invoice, peers: Peers
    ) -> None:
        url = f"/api/v1/invoices/{invoice.pk}"
        asked = admin.post(f"{url}/request-payment", {})
        work_off()
        peers.tell(peers.payment, settle=invoice.number)
        polled = admin.post(f"{url}/poll-settlement")
        work_off()

        assert (asked.status_code, polled.status_code) == (202, 202)
        assert asked["Location"] == f"/api/v1/jobs/{asked.json()['job_id']}"
        shown = admin.get(url).json()
        assert shown["status"] == "paid"
        assert shown["external_refs"][0]["status"] == "settled"
        [payment] = admin.get(f"/api/v1/payments?invoice_id={invoice.pk}").json()["results"]
        assert payment["capture"]["provider"] == "demo"

    def test_shows_only_what_was_granted(self, keyed: Keyed, invoice: Invoice) -> None:
        client = keyed(name="partner")
        assert client.get(f"/api/v1/invoices/{invoice.pk}").status_code == 403

        assign_perm("commerce.view_invoice", User.objects.get(username="partner"), invoice)

        assert client.get(f"/api/v1/invoices/{invoice.pk}").status_code == 200
        refused = client.post(f"/api/v1/invoices/{invoice.pk}/void", {"reason": "x"})
        assert refused.status_code == 403


class TestDocuments:
    def test_are_made_listed_and_downloaded(self, admin: APIClient, invoice: Invoice) -> None:
        url = f"/api/v1/invoices/{invoice.pk}/documents"

        made = admin.post(url, {"format": "html"})
        content = admin.get(made.json()["url"])

        assert made.status_code == 201
        assert f"<h1>Invoice {invoice.number}</h1>".encode() in content.content
        assert content["Content-Disposition"].startswith("attachment; filename=")
        assert content["Cache-Control"] == "no-store"
        assert "sandbox" in content["Content-Security-Policy"]
        assert [row["id"] for row in admin.get(url).json()] == [made.json()["id"]]

    def test_are_kept_from_who_may_only_see_the_invoice(
        self, admin: APIClient, keyed: Keyed, invoice: Invoice
    ) -> None:
        made = admin.post(f"/api/v1/invoices/{invoice.pk}/documents", {}).json()

        assert keyed("invoice.read").get(made["url"]).status_code == 403

    def test_are_kept_from_who_was_granted_another_invoice(
        self, admin: APIClient, keyed: Keyed, invoice: Invoice
    ) -> None:
        made = admin.post(f"/api/v1/invoices/{invoice.pk}/documents", {}).json()
        other = admin.post("/api/v1/invoices", {"booking_id": str(invoice.booking_id)}).json()
        client = keyed(name="partner")
        partner = User.objects.get(username="partner")
        assign_perm("commerce.view_invoice", partner, Invoice.objects.get(pk=other["id"]))

        assert client.get(made["url"]).status_code == 404

    def test_are_not_made_of_drafts(self, admin: APIClient, draft: Invoice) -> None:
        answer = admin.post(f"/api/v1/invoices/{draft.pk}/documents", {})

        assert (answer.status_code, answer.json()["code"]) == (422, "invoice_has_no_document")
        assert not Rendition.objects.exists()


class TestMoneyBack:
    def test_credits_and_refunds_by_hand(self, admin: APIClient, invoice: Invoice) -> None:
        url = f"/api/v1/invoices/{invoice.pk}"
        payment = admin.post(f"{url}/payments", PAID).json()
        credit = {
            "invoice_id": str(invoice.pk),
            "amount_cents": 5_000,
            "currency": "EUR",
            "reason": "Rain",
        }

        note = admin.post("/api/v1/credit-notes", credit)
        refund = admin.post(
            "/api/v1/refunds",
            {
                "payment_id": payment["id"],
                "credit_note_id": note.json()["id"],
                "amount_cents": 5_000,
                "method": "bank_transfer",
                "reason": "Rain",
            },
        )
        settled = admin.post(f"{refund['Location']}/settle", {"provider_ref": "SEPA-1"})

        assert note.json()["number"].startswith("CN-")
        assert refund.json()["status"] == "pending"
        assert settled.json()["status"] == "settled"
        assert Booking.objects.get(pk=invoice.booking_id).refunded_cents == 5_000
        assert admin.get(url).json()["paid_cents"] == 24_000
        again = admin.post(f"{refund['Location']}/fail", {"reason": "x"})
        assert (again.status_code, again.json()["code"]) == (409, "refund_already_ended")

    def test_refuses_more_than_there_is(self, admin: APIClient, invoice: Invoice) -> None:
        payment = admin.post(f"/api/v1/invoices/{invoice.pk}/payments", PAID).json()
        credit = {
            "invoice_id": str(invoice.pk),
            "amount_cents": 24_001,
            "currency": "EUR",
            "reason": "Too much",
        }
        refund = {
            "payment_id": payment["id"],
            "amount_cents": 24_001,
            "method": "cash",
            "reason": "Too much",
        }

        answers = [
            admin.post("/api/v1/credit-notes", credit),
            admin.post("/api/v1/refunds", refund),
        ]

        assert [answer.status_code for answer in answers] == [409, 409]
        assert [answer.json()["code"] for answer in answers] == [
            "invoice_overcredited",
            "refund_exceeds_refundable",
        ]
        assert not CreditNote.objects.exists()
        assert not Refund.objects.exists()
