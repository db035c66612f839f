"""The state machine of an invoice: which status follows from which facts.

draft → issued → partially_paid → paid; issued and partially_paid → overdue → paid;
issued and overdue → void, as long as it has no payments and no credit notes.
"""

from datetime import date
from enum import StrEnum

from commerce.domain.money import BASIS_POINTS
from events.domain.errors import Conflict, Rejected


class InvoiceStatus(StrEnum):
    DRAFT = "draft"
    ISSUED = "issued"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"
    OVERDUE = "overdue"
    VOID = "void"


PAYABLE = frozenset({InvoiceStatus.ISSUED, InvoiceStatus.PARTIALLY_PAID, InvoiceStatus.OVERDUE})
CREDITABLE = PAYABLE | {InvoiceStatus.PAID}
VOIDABLE = PAYABLE


class InvoiceNotDraft(Rejected):
    code = "invoice_not_draft"
    hint = "Void it or issue a credit note, and create another."

    def __init__(self, invoice_id: str, status: str) -> None:
        super().__init__(
            f"Invoice {invoice_id} is {status}; only a draft can be changed, issued or deleted.",
            invoice_id=invoice_id,
            status=status,
        )


class InvoiceEmpty(Rejected):
    code = "invoice_empty"
    hint = "Give the invoice a line, or a booking that has an item."

    def __init__(self, invoice_id: str) -> None:
        super().__init__(f"Invoice {invoice_id} has no lines.", invoice_id=invoice_id)


class InvoiceNotPayable(Rejected):
    code = "invoice_not_payable"
    hint = "Read its status and balance; issue it if it is a draft."

    def __init__(self, invoice_id: str, status: str) -> None:
        super().__init__(
            f"Invoice {invoice_id} is {status}; no payment can be recorded for it.",
            invoice_id=invoice_id,
            status=status,
        )


class InvoiceOverpaid(Conflict):
    code = "invoice_overpaid"
    hint = "Record at most what is still due."

    def __init__(self, invoice_id: str, *, requested_cents: int, due_cents: int) -> None:
        super().__init__(
            f"Only {due_cents} minor units are still due on invoice {invoice_id}.",
            invoice_id=invoice_id,
            requested_cents=requested_cents,
            due_cents=due_cents,
        )


class InvoiceNotVoidable(Rejected):
    """`reason` is one of already_void, draft, has_payments, has_credit_notes, paid."""

    code = "invoice_not_voidable"
    hint = "See `follow_up` for what can be done instead."
    _HINTS = {
        "has_payments": "Issue a credit note instead.",
        "has_credit_notes": "It has been adjusted already; issue another credit note.",
        "draft": "Delete the draft.",
    }

    def __init__(self, invoice_id: str, reason: str) -> None:
        super().__init__(
            f"Invoice {invoice_id} cannot be voided: {reason.replace('_', ' ')}.",
            invoice_id=invoice_id,
            reason=reason,
            follow_up=self._HINTS.get(reason, ""),
        )


class InvoiceNotCreditable(Rejected):
    code = "invoice_not_creditable"
    hint = "Issue it first; what is void or a draft needs no credit note."

    def __init__(self, invoice_id: str, status: str) -> None:
        super().__init__(
            f"Invoice {invoice_id} is {status}; a credit note needs an issued one.",
            invoice_id=invoice_id,
            status=status,
        )


def check_can_issue(*, invoice_id: str, status: str, line_count: int) -> None:
    """Refuse to issue what is not a finished draft.

    :raises InvoiceNotDraft: if it has been issued already.
    :raises InvoiceEmpty: if it has no lines.
    """
    if status != InvoiceStatus.DRAFT:
        raise InvoiceNotDraft(invoice_id, status)
    if line_count == 0:
        raise InvoiceEmpty(invoice_id)


def check_can_pay(*, invoice_id: str, status: str, due_cents: int, amount_cents: int) -> None:
    """Refuse money that the invoice does not ask for.

    :raises InvoiceNotPayable: if it is a draft, paid or void.
    :raises InvoiceOverpaid: if the amount is more than what is due.
    """
    if status == InvoiceStatus.PAID:
        raise InvoiceOverpaid(invoice_id, requested_cents=amount_cents, due_cents=0)
    if status not in PAYABLE:
        raise InvoiceNotPayable(invoice_id, status)
    if amount_cents > due_cents:
        raise InvoiceOverpaid(invoice_id, requested_cents=amount_cents, due_cents=due_cents)


def check_can_void(*, invoice_id: str, status: str, payments: int, credit_notes: int) -> None:
    """Refuse to void what has had consequences.

    :raises InvoiceNotVoidable: if it is a draft or void, or has payments or credit notes.
    """
    if status == InvoiceStatus.VOID:
        raise InvoiceNotVoidable(invoice_id, "already_void")
    if status == InvoiceStatus.DRAFT:
        raise InvoiceNotVoidable(invoice_id, "draft")
    if payments:
        raise InvoiceNotVoidable(invoice_id, "has_payments")
    if credit_notes:
        raise InvoiceNotVoidable(invoice_id, "has_credit_notes")
    if status not in VOIDABLE:
        raise InvoiceNotVoidable(invoice_id, status)


def check_can_credit(*, invoice_id: str, status: str) -> None:
    """Refuse a credit note for what was never owed.

    :raises InvoiceNotCreditable: if it is a draft or void.
    """
    if status not in CREDITABLE:
        raise InvoiceNotCreditable(invoice_id, status)


def status_when_paid(*, status: InvoiceStatus, total_cents: int, paid_cents: int) -> InvoiceStatus:
    """Return the status that follows from the completed payments."""
    if paid_cents >= total_cents:
        return InvoiceStatus.PAID
    if status is InvoiceStatus.OVERDUE:
        return InvoiceStatus.OVERDUE
    return InvoiceStatus.PARTIALLY_PAID if paid_cents else InvoiceStatus.ISSUED


def is_overdue(*, status: str, due_date: date | None, today: date) -> bool:
    """Return whether the day on which it was due is over."""
    waiting = status in {InvoiceStatus.ISSUED, InvoiceStatus.PARTIALLY_PAID}
    return waiting and due_date is not None and due_date < today


def line_tax_cents(amount_cents: int, tax_bp: int) -> int:
    """Return the tax on a line, rounded half up to a whole minor unit."""
    return (amount_cents * tax_bp + BASIS_POINTS // 2) // BASIS_POINTS
