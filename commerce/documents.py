"""Renders an invoice as a document. Read-only."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string

from commerce import selectors
from commerce.domain.money import Money
from commerce.models import Invoice, InvoiceLine, RenditionFormat
from events.domain.errors import Rejected
from events.domain.times import rfc3339_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A document, made but not kept yet."""

    content: bytes
    content_type: str

    @property
    def content_hash(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class LettersMissing(Rejected):
    """A PDF document cannot show a letter: the font lacks it, or it is written from right to left.

    Which one is not said, for it may be of somebody's name.
    """

    code = "pdf_letters_missing"
    hint = "Make the document as HTML, which shows every script."

    def __init__(self) -> None:
        super().__init__("A PDF document cannot show all letters of the customer or of a line.")


Generator = Callable[[Invoice, RenditionFormat], Artifact]


def generate(invoice: Invoice, format_: RenditionFormat) -> Artifact:
    """Return the document of `invoice` in a format."""
    match format_:
        case RenditionFormat.HTML:
            return _html(invoice)
        case RenditionFormat.PDF:
            return _pdf(invoice)
        case RenditionFormat.JSON:
            return _json(invoice)


def _html(invoice: Invoice) -> Artifact:
    text = render_to_string("commerce/documents/invoice.html", _readable(invoice))
    return Artifact(content=text.encode(), content_type="text/html; charset=utf-8")


def _pdf(invoice: Invoice) -> Artifact:
    # A fifth of a second to load, at every start; few processes ever draw a document.
    from commerce.pdf import invoice_pdf  # noqa: PLC0415

    return Artifact(content=invoice_pdf(_readable(invoice)), content_type="application/pdf")


def _readable(invoice: Invoice) -> dict[str, Any]:
    """Return what a person reads, with money as text."""

    def money(cents: int) -> str:
        return str(Money(cents, invoice.currency))

    return {
        "number": invoice.number,
        "booking": invoice.booking.number,
        "customer": _customer(invoice),
        "issued": f"{invoice.issued_at:%Y-%m-%d}" if invoice.issued_at else "not yet",
        "due_by": invoice.due_date.isoformat() if invoice.due_date else "at once",
        "lines": [
            {
                "description": line.description,
                "quantity": line.quantity,
                "unit": money(line.unit_amount_cents),
                "tax": money(line.tax_cents),
                "amount": money(line.amount_cents),
            }
            for line in _lines(invoice)
        ],
        "total": money(invoice.total_cents),
        "paid": money(invoice.paid_cents),
        "due": money(invoice.balance_due_cents),
    }


def _json(invoice: Invoice) -> Artifact:
    document: dict[str, Any] = {
        "number": invoice.number,
        "booking": invoice.booking.number,
        "customer": _customer(invoice),
        "issued_at": rfc3339_or_none(invoice.issued_at),
        "due_date": invoice.due_date.isoformat() if invoice.due_date else None,
        "currency": invoice.currency,
        "lines": [
            {
                "description": line.description,
                "quantity": line.quantity,
                "unit_amount_cents": line.unit_amount_cents,
                "tax_cents": line.tax_cents,
                "amount_cents": line.amount_cents,
            }
            for line in _lines(invoice)
        ],
        "total_cents": invoice.total_cents,
        "paid_cents": invoice.paid_cents,
        "balance_due_cents": invoice.balance_due_cents,
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return Artifact(content=text.encode(), content_type="application/json")


def _customer(invoice: Invoice) -> str:
    """Return to whom it is; nothing once that is forgotten."""
    contact = selectors.contact_of(invoice.booking_id)
    return "" if contact is None else str(contact.open().get("name", ""))


def _lines(invoice: Invoice) -> list[InvoiceLine]:
    return list(invoice.lines.order_by("position"))
