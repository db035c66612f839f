"""The capabilities of commerce. Some can also be granted on single bookings and invoices."""

from collections.abc import Callable, Mapping
from typing import Any

from events.domain.principal import PrincipalKind
from ledger.capabilities import declare
from ledger.domain.capability import PEOPLE, Risk

_VIEW_BOOKING = "commerce.view_booking"
_CHANGE_BOOKING = "commerce.change_booking"
_VIEW_INVOICE = "commerce.view_invoice"
_CHANGE_INVOICE = "commerce.change_invoice"


Weigh = Callable[[Mapping[str, Any]], Risk]


def _declare(
    id_: str,
    meaning: str,
    *,
    risk: str = "low",
    on: str | None = None,
    weigh: Weigh | None = None,
    asks_why: bool = False,
) -> None:
    resource, action = id_.split(".")
    declare(
        id_,
        meaning=meaning,
        resource=resource,
        action=action,
        risk=risk,
        object_permission=on,
        weigh=weigh,
        asks_why=asks_why,
    )


def _when_paid(facts: Mapping[str, Any]) -> Risk:
    """Money will have to go back: no longer a matter of seats alone."""
    return Risk.CRITICAL if facts.get("paid_cents", 0) else Risk.HIGH


_declare("product.read", "See products and their departures.")
_declare("product.create", "Add products.", risk="medium")
_declare("product.update", "Change products, their prices and their status.", risk="medium")
_declare("product.delete", "Delete products that were never sold.", risk="high")
_declare("slot.create", "Add departures.", risk="medium")
_declare("slot.update", "Change the capacity of departures.", risk="medium")

_declare("policy.read", "See cancellation policies.")
_declare("policy.create", "Draft cancellation policies and new versions of them.", risk="medium")
_declare("policy.publish", "Publish a version of a cancellation policy.", risk="high")

_declare("booking.read", "See bookings.", on=_VIEW_BOOKING)
_declare("booking.create", "Make bookings.", risk="medium")
_declare("booking.update", "Change the data of a booking.", on=_CHANGE_BOOKING)
_declare("booking.hold", "Keep seats for a booking.", risk="medium", on=_CHANGE_BOOKING)
_declare("booking.await_payment", "Ask for payment of a booking.", on=_CHANGE_BOOKING)
_declare("booking.confirm", "Confirm bookings.", risk="medium", on=_CHANGE_BOOKING)
_declare("booking.start", "Record that a journey has begun.", risk="medium", on=_CHANGE_BOOKING)
_declare("booking.complete", "Record that a journey has ended.", risk="medium", on=_CHANGE_BOOKING)
_declare("booking.cancel", "Cancel bookings.", risk="high", on=_CHANGE_BOOKING, weigh=_when_paid)
_declare(
    "booking.expire", "Release the held seats of a booking.", risk="medium", on=_CHANGE_BOOKING
)
_declare("booking.override", "Correct the status of a booking by hand.", risk="high")
_declare(
    "booking.send_documents", "Send documents to the customer.", risk="high", on=_CHANGE_BOOKING
)

_declare("traveller.read", "See who travels, with personal data masked.", on=_VIEW_BOOKING)
_declare("traveller.write", "Add, change and remove travellers.", on=_CHANGE_BOOKING)
_declare(
    "traveller.read_personal",
    "See personal data of travellers and customers.",
    risk="high",
    asks_why=True,
)
_declare("traveller.erase", "Erase the personal data of a traveller permanently.", risk="critical")

_declare("voucher.read", "See vouchers.")
_declare("voucher.issue", "Issue vouchers of confirmed bookings.", risk="medium")
_declare("voucher.void", "Void vouchers.", risk="medium")

_declare("invoice.read", "See invoices.", on=_VIEW_INVOICE)
_declare("invoice.create", "Draft invoices, and discard drafts.", risk="medium")
_declare("invoice.issue", "Issue invoices.", risk="high", on=_CHANGE_INVOICE)
_declare("invoice.void", "Void unpaid invoices.", risk="critical", on=_CHANGE_INVOICE)
_declare("invoice.generate_document", "Make documents of invoices.", on=_CHANGE_INVOICE)
_declare("invoice.read_document", "Open documents of invoices.", risk="high", on=_VIEW_INVOICE)
_declare("document_access.read", "See who has access to which document, and why.")
declare(
    "document_access.manage",
    meaning="Grant temporary access to a document, and revoke it.",
    resource="document_access",
    action="manage",
    risk="high",
    # Only those who may open a document may grant access to it.
    all_of=["invoice.read_document"],
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
_declare("invoice.request_payment", "Ask a provider to collect an invoice.", on=_CHANGE_INVOICE)
_declare("invoice.poll_settlement", "Ask providers what was paid.", on=_CHANGE_INVOICE)

_declare("number_series.read", "See the series of document numbers.")
_declare("number_series.manage", "Begin and end series of document numbers.", risk="high")

_declare("payment.read", "See payments.")
_declare("payment.record", "Record payments and their outcomes.", risk="high")
_declare("invoice.mark_overdue", "Mark invoices as overdue.")
_declare("settlement.note", "Record the reports of payment providers.")
_declare("delivery.note", "Record the outcome of a delivery to a customer.")
_declare("content.mirror", "Copy products into content systems.")
_declare("credit_note.read", "See credit notes.")
_declare("credit_note.issue", "Issue credit notes.", risk="critical")
_declare("refund.read", "See refunds.")
_declare("refund.request", "Request refunds.", risk="critical")
_declare("refund.settle", "Record the outcome of a refund.", risk="critical")
_declare("chargeback.read", "See chargebacks.")
declare(
    "chargeback.note",
    meaning="Record a chargeback of a payment provider.",
    resource="chargeback",
    action="note",
    risk="critical",
    # Only the signed notifications of a provider record it: nobody does so by hand.
    principals=[PrincipalKind.SYSTEM],
)
_declare(
    "chargeback.resolve",
    "Record the course and the end of a dispute over a chargeback.",
    risk="critical",
)
_declare("delivery.read", "See what was sent to customers, with addresses masked.")
_declare("content.read", "See the copies of products in content systems.")
