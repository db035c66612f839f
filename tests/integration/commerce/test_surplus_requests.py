"""Whoever looks at what was paid too much finds the request to give it back."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from commerce import approval_policies as seeded
from commerce.models import Chargeback, Payment, PaymentMethod
from commerce.services import invoices, payments
from ledger.models import Approval
from ledger.services import approval_policies
from tests.integration.commerce.acting import work_off_all
from tests.integration.commerce.charging_back import end, note
from tests.integration.commerce.conftest import MakeBooking
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

READS = ("invoice.read", "payment.read", "chargeback.read")


@pytest.fixture
def chargeback(captured: Payment) -> Chargeback:
    """One that was won after the customer had paid otherwise, so that approval is asked for."""
    approval_policies.install_policies(every=seeded.POLICIES)
    made = note(captured)
    payments.record_payment(
        invoice_id=captured.invoice_id,
        amount_cents=14_000,
        currency="EUR",
        method=PaymentMethod.BANK_TRANSFER,
    )
    end("won")
    work_off_all()
    return made


def visitor(*capabilities: str, name: str = "ada") -> Client:
    client = Client()
    user = User.objects.create_user(name, is_staff=True)
    client.force_login(grant(user, *READS, *capabilities))
    return client


class TestOverTheApi:
    def test_every_side_of_it_names_the_request(self, chargeback: Chargeback) -> None:
        wanted = [str(Approval.objects.get().pk)]
        invoice_id = chargeback.payment.invoice_id
        api = client_with(issue(grant(User.objects.create_user("api"), *READS), ["*"])[0])

        def named_at(address: str) -> Any:
            answer = api.get(f"/api/v1/{address}")
            assert answer.status_code == 200, answer.json()
            body = answer.json()
            return [row["surplus_approval_ids"] for row in body.get("results", [body])]

        paid = Payment.objects.filter(invoice=invoice_id)
        assert named_at(f"invoices/{invoice_id}") == [wanted]
        assert named_at(f"payments?invoice_id={invoice_id}") == [wanted] * paid.count()
        assert named_at(f"payments/{chargeback.payment_id}") == [wanted]
        assert named_at(f"chargebacks/{chargeback.pk}") == [wanted]

    def test_nothing_else_names_it(self, chargeback: Chargeback, make_booking: MakeBooking) -> None:
        issued = invoices.create_invoice(booking_id=make_booking().pk)
        invoices.issue_invoice(invoice_id=issued.pk)
        other = payments.record_payment(
            invoice_id=issued.pk, amount_cents=100, currency="EUR", method=PaymentMethod.CASH
        )
        api = client_with(issue(grant(User.objects.create_user("api"), *READS), ["*"])[0])

        assert api.get(f"/api/v1/payments/{other.pk}").json()["surplus_approval_ids"] == []
        assert api.get(f"/api/v1/invoices/{issued.pk}").json()["surplus_approval_ids"] == []


class TestThePageOfTheInvoice:
    def test_leads_to_the_request_for_who_may_see_it(self, chargeback: Chargeback) -> None:
        address = f"/invoices/{chargeback.payment.invoice_id}"
        link = f'href="/approvals/{Approval.objects.get().pk}"'

        assert link in visitor("approval.read").get(address).content.decode()
        assert link not in visitor(name="eve").get(address).content.decode()


class TestTheAdmin:
    def test_leads_to_the_request_from_every_side_of_it(self, chargeback: Chargeback) -> None:
        link = reverse("admin:ledger_approval_change", args=[Approval.objects.get().pk])
        pages = [
            reverse("admin:commerce_invoice_change", args=[chargeback.payment.invoice_id]),
            reverse("admin:commerce_payment_change", args=[chargeback.payment_id]),
            reverse("admin:commerce_chargeback_change", args=[chargeback.pk]),
        ]
        boss, other = visitor("approval.read"), visitor(name="eve")

        assert all(link in boss.get(page).content.decode() for page in pages)
        assert not any(link in other.get(page).content.decode() for page in pages)
