"""Who tells the scenarios of the trade: a clerk with a key, and what they sold.

Scenarios 1 and 2 have a story of their own, `test_cancellation_story`.
"""

import pytest

from commerce.models import Slot
from tests.integration.commerce.api.calling import JSON, Caller, somebody
from tests.integration.commerce.conftest import CONTACT

CLERK = (
    "booking.read",
    "booking.create",
    "booking.confirm",
    "booking.send_documents",
    "invoice.read",
    "invoice.create",
    "invoice.issue",
    "invoice.void",
    "invoice.generate_document",
    "invoice.request_payment",
    "invoice.poll_settlement",
    "payment.read",
    "payment.record",
    "credit_note.read",
    "credit_note.issue",
    "delivery.read",
    "product.read",
    "product.create",
    "product.update",
    "content.read",
    "job.read",
    "job.retry",
    "ledger.read",
    "ledger.reverse",
    "event.read",
)


@pytest.fixture
def clerk(transactional_db: None) -> Caller:
    return somebody("clerk", *CLERK)


@pytest.fixture
def booking(clerk: Caller, slot: Slot) -> JSON:
    wanted = {"items": [{"slot_id": str(slot.pk), "quantity": 2}], "pax": 2, "contact": CONTACT}
    return clerk.post("bookings", wanted, gets=201)


@pytest.fixture
def invoice(clerk: Caller, booking: JSON) -> JSON:
    draft = clerk.post("invoices", {"booking_id": booking["id"]}, gets=201)
    return clerk.post(f"invoices/{draft['id']}/issue")
