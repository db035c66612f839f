"""Commands on invoices."""

from datetime import date
from typing import Any
from uuid import UUID

from commerce.commands.registration import (
    NOTHING,
    POSITIVE,
    REASON,
    register,
    yet_to_be_made,
)
from commerce.models import Invoice
from commerce.schemas import DATE, ID, TEXT, nullable, record
from commerce.services import invoices
from commerce.services.invoices import InvoiceNotFound, Line
from events.domain.canonical import JSON


def _invoice_state(target_id: str) -> JSON:
    row = Invoice.objects.filter(pk=target_id).first()
    if row is None:
        raise InvoiceNotFound(UUID(target_id))
    return invoices.state_of(row)


def _create_invoice(_target_id: str, asked: dict[str, Any]) -> str:
    lines, due = asked.get("lines"), asked.get("due_date")
    invoice = invoices.create_invoice(
        booking_id=UUID(asked["booking_id"]),
        lines=None if lines is None else [_line(each) for each in lines],
        tax_bp=asked.get("tax_bp", 0),
        due_date=date.fromisoformat(due) if due else None,
    )
    return str(invoice.pk)


def _line(asked: dict[str, Any]) -> Line:
    item = asked.get("booking_item_id")
    return Line(**{**asked, "booking_item_id": UUID(item) if item else None})


def _issue_invoice(target_id: str, _asked: dict[str, Any]) -> str:
    return str(invoices.issue_invoice(invoice_id=UUID(target_id)).pk)


def _void_invoice(target_id: str, asked: dict[str, Any]) -> str:
    return str(invoices.void_invoice(invoice_id=UUID(target_id), reason=asked["reason"]).pk)


def _discard_invoice(target_id: str, _asked: dict[str, Any]) -> str:
    invoices.discard_draft(invoice_id=UUID(target_id))
    return target_id


_LINE = record(
    ("tax_bp", "booking_item_id"),
    description=TEXT,
    quantity=POSITIVE,
    unit_amount_cents={"type": "integer"},
    tax_bp={"type": "integer", "minimum": 0},
    booking_item_id=nullable(ID),
)

register(
    "invoice.create",
    "Draft an invoice of a booking.",
    _create_invoice,
    schema=record(
        ("lines", "tax_bp", "due_date"),
        booking_id=ID,
        lines=nullable({"type": "array", "items": _LINE, "minItems": 1}),
        tax_bp={"type": "integer", "minimum": 0},
        due_date=nullable(DATE),
    ),
    state_of=yet_to_be_made,
    makes=True,
)
for _name, _meaning, _run, _schema, _capability in (
    ("invoice.issue", "Issue an invoice.", _issue_invoice, NOTHING, ""),
    ("invoice.void", "Void an unpaid invoice.", _void_invoice, record(reason=REASON), ""),
    ("invoice.discard", "Discard a draft.", _discard_invoice, NOTHING, "invoice.create"),
):
    register(_name, _meaning, _run, schema=_schema, state_of=_invoice_state, capability=_capability)
