"""What is kept for good names nobody, whoever types it."""

from collections.abc import Callable
from typing import Any

import pytest

from commerce.domain.booking.state import Status
from commerce.domain.refunds import RefundMethod
from commerce.models import Booking, Invoice, Payment, PaymentMethod
from commerce.services import (
    bookings,
    document_access,
    invoices,
    payments,
    refunds,
    renditions,
    travellers,
)
from commerce.services.name_screening import PersonNamed
from ledger.models import Entry
from tests.integration.commerce.conftest import CONTACT, MakeBooking

pytestmark = pytest.mark.django_db(transaction=True)

NAMING = "Grace Hopper asked for it"

Act = Callable[[Invoice], object]


def _pay(invoice: Invoice, **facts: Any) -> Payment:
    return payments.record_payment(
        invoice_id=invoice.pk,
        amount_cents=100,
        currency="EUR",
        method=PaymentMethod.CASH,
        **facts,
    )


def _refund(invoice: Invoice) -> object:
    paid = _pay(invoice)
    return refunds.request_refund(
        payment_id=paid.pk, amount_cents=1, method=RefundMethod.BANK_TRANSFER, reason=NAMING
    )


def _grant(invoice: Invoice) -> object:
    document = renditions.generate_invoice_document(invoice_id=invoice.pk)
    return document_access.grant_document_access(
        document_id=document.pk, grantee="user:7", purpose=NAMING
    )


ACTS: dict[str, tuple[str, Act]] = {
    "booking.cancel": (
        "reason",
        lambda i: bookings.cancel_booking(booking_id=i.booking_id, reason=NAMING),
    ),
    "booking.override": (
        "reason",
        lambda i: bookings.override_status(
            booking_id=i.booking_id, to=Status.COMPLETED, reason=NAMING
        ),
    ),
    "booking.update": (
        "external_ref",
        lambda i: bookings.amend_booking(
            booking_id=i.booking_id, expected_version=None, external_ref=NAMING
        ),
    ),
    "invoice.void": ("reason", lambda i: invoices.void_invoice(invoice_id=i.pk, reason=NAMING)),
    "payment.record": ("reference", lambda i: _pay(i, reference=NAMING)),
    "payment.fail": (
        "reason",
        lambda i: payments.fail_payment(payment_id=_pay(i, is_pending=True).pk, reason=NAMING),
    ),
    "credit_note.issue": (
        "reason",
        lambda i: refunds.issue_credit_note(
            invoice_id=i.pk, amount_cents=1, currency="EUR", reason=NAMING
        ),
    ),
    "refund.request": ("reason", _refund),
    "document_access.grant": ("purpose", _grant),
}


@pytest.mark.parametrize("name", ACTS)
def test_a_text_that_names_a_traveller_is_refused_and_stays_nowhere(
    invoice: Invoice, name: str
) -> None:
    personal = {"first_name": "Grace", "last_name": "Hopper"}
    travellers.add_traveller(booking_id=invoice.booking_id, category="adult", personal=personal)
    field, act = ACTS[name]

    with pytest.raises(PersonNamed) as refusal:
        act(invoice)

    assert refusal.value.pointer == f"/{field}"
    assert "Hopper" not in str(refusal.value)
    assert not Entry.objects.filter(action_name=name).exists()


def test_a_reference_that_names_who_books_is_refused(make_booking: MakeBooking) -> None:
    with pytest.raises(PersonNamed):
        make_booking(external_ref=f"from {CONTACT['email']}")

    assert not Booking.objects.exists()
