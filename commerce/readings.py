"""Objects of commerce that agents can read: without names of people, addresses or costs."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Model

from commerce.models import (
    Booking,
    Chargeback,
    CreditNote,
    DocumentAccess,
    Invoice,
    Payment,
    Product,
    Refund,
    Slot,
)
from ledger.readings import Reading, register


def _showing(*names: str) -> Callable[[Any], dict[str, Any]]:
    def show(row: Model) -> dict[str, Any]:
        return {name: _plain(getattr(row, name)) for name in names}

    return show


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, date | datetime) else value


for _model, _capability, _meaning, _names in (
    (
        Product,
        "product.read",
        "What is sold.",
        "id name description status currency sell_amount_cents duration_minutes tags revision",
    ),
    (
        Slot,
        "product.read",
        "Departures of products, and the seats that are left.",
        "id product_id starts_at ends_at unlimited capacity remaining revision",
    ),
    (
        Booking,
        "booking.read",
        "What was sold to whom; without the whom.",
        (
            "id number status revision currency sell_amount_cents pax service_date external_ref "
            "hold_expires_at entitlement refunded_cents created_at confirmed_at cancelled_at"
        ),
    ),
    (
        Invoice,
        "invoice.read",
        "What is to be paid.",
        (
            "id booking_id number status currency total_cents paid_cents balance_due_cents "
            "due_date issued_at revision"
        ),
    ),
    (
        Payment,
        "payment.read",
        "What was paid.",
        "id invoice_id status currency amount_cents paid_at",
    ),
    (
        CreditNote,
        "credit_note.read",
        "What is owed back.",
        "id invoice_id number currency amount_cents issued_at",
    ),
    (
        Refund,
        "refund.read",
        "What was given back.",
        "id payment_id status currency amount_cents created_at",
    ),
    (
        Chargeback,
        "chargeback.read",
        "What a payment provider took back.",
        "id payment_id currency claimed_cents charged_back_cents disputed_cents noted_at",
    ),
    (
        DocumentAccess,
        "document_access.read",
        "Who may open a document, and until when.",
        "id document_id grantee granted_at expires_at revoked_at",
    ),
):
    register(
        Reading(
            capability=_capability, meaning=_meaning, model=_model, show=_showing(*_names.split())
        )
    )
