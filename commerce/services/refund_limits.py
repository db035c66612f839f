"""Limits of credit notes and refunds, checked under the locks of invoice, payment and note."""

from datetime import datetime
from uuid import UUID

from django.utils import timezone

from commerce import selectors
from commerce.domain import invoices as invoice_rules
from commerce.domain import refunds as rules
from commerce.domain import settlement
from commerce.domain.refunds import NothingToReverse, SettlementWindowClosed
from commerce.models import Capture, CreditNote, Invoice, Payment, PaymentStatus, SeriesScope
from commerce.ports.payment import PROVIDERS
from commerce.services import numbers
from commerce.services.payments import PaymentNotFound
from events import context, recorder, rows
from events.domain.errors import NotFound, Rejected
from events.domain.times import rfc3339


class CreditNoteNotFound(NotFound):
    code = "credit_note_not_found"

    def __init__(self, credit_note_id: UUID) -> None:
        super().__init__(
            f"There is no credit note {credit_note_id}.", credit_note_id=str(credit_note_id)
        )


class CreditNoteOfAnotherInvoice(Rejected):
    code = "credit_note_of_another_invoice"
    hint = "Name a credit note of the invoice that was paid."

    def __init__(self, credit_note_id: UUID) -> None:
        super().__init__(
            f"Credit note {credit_note_id} belongs to another invoice than the payment.",
            pointer="/credit_note_id",
            credit_note_id=str(credit_note_id),
        )


class PaymentNotRefundable(Rejected):
    code = "payment_not_refundable"
    hint = "Name a payment that is completed."

    def __init__(self, payment: Payment) -> None:
        super().__init__(
            f"Payment {payment.pk} is {payment.status}; there is nothing to refund.",
            payment_id=str(payment.pk),
            status=payment.status,
        )


def credit_invoice(invoice: Invoice, *, amount_cents: int, reason: str, at: datetime) -> CreditNote:
    """Issue a credit note on a locked invoice, in the caller's transaction.

    :raises InvoiceNotCreditable: if it is a draft or void.
    :raises InvoiceOvercredited: if the credit notes would exceed the invoice.
    """
    invoice_rules.check_can_credit(invoice_id=str(invoice.pk), status=invoice.status)
    rules.check_credit(
        invoice_id=str(invoice.pk),
        total_cents=invoice.total_cents,
        credited_cents=selectors.credited_cents(invoice.pk),
        amount_cents=amount_cents,
    )
    note = CreditNote.objects.create(
        invoice=invoice,
        number=numbers.next_number(SeriesScope.CREDIT_NOTE, day=at.date()),
        amount_cents=amount_cents,
        currency=invoice.currency,
        reason=reason,
        issued_by=str(context.current().principal),
        issued_at=at,
    )
    _emit_issued(note)
    return note


def credit_behind(
    invoice: Invoice, *, amount_cents: int, reason: str, at: datetime
) -> tuple[CreditNote, bool]:
    """Return the credit note for money that goes back, and whether it is new.

    One whose money did not go back is used again. On a locked invoice, in the caller's transaction.

    :raises InvoiceNotCreditable, InvoiceOvercredited: as `credit_invoice` does.
    """
    unused = selectors.unused_notes(invoice.pk).filter(left_cents__gte=amount_cents).first()
    if unused is not None:
        return unused, False
    note = credit_invoice(invoice, amount_cents=amount_cents, reason=reason, at=at)
    return note, True


def locked_payment(payment_id: UUID) -> Payment:
    """Return a payment under its lock.

    :raises PaymentNotFound: if there is no such payment.
    :raises PaymentNotRefundable: if it never came in.
    """
    payment = (
        Payment.objects.select_for_update(of=("self",))
        .select_related("invoice")
        .filter(pk=payment_id)
        .first()
    )
    if payment is None:
        raise PaymentNotFound(payment_id)
    if payment.status != PaymentStatus.COMPLETED:
        raise PaymentNotRefundable(payment)
    return payment


def locked_note(credit_note_id: UUID | None, payment: Payment) -> CreditNote | None:
    """Return a credit note of the payment's invoice under its lock.

    :raises CreditNoteNotFound: if there is no such credit note.
    :raises CreditNoteOfAnotherInvoice: if the two do not belong together.
    """
    if credit_note_id is None:
        return None
    note = rows.locked(CreditNote, credit_note_id)
    if note is None:
        raise CreditNoteNotFound(credit_note_id)
    if note.invoice_id != payment.invoice_id:
        raise CreditNoteOfAnotherInvoice(credit_note_id)
    return note


def check_amount(payment: Payment, note: CreditNote | None, amount_cents: int) -> None:
    """Refuse to give back more than is left of the payment, and of the credit note.

    :raises RefundExceedsPayment, RefundExceedsCreditNote: if it is more.
    """
    rules.check_refund_of_payment(
        payment_id=str(payment.pk),
        paid_cents=payment.amount_cents,
        held_cents=selectors.gone_cents(payment),
        amount_cents=amount_cents,
    )
    if note is not None:
        rules.check_refund_of_credit_note(
            credit_note_id=str(note.pk),
            credited_cents=note.amount_cents,
            held_cents=selectors.refund_held_cents(credit_note_id=note.pk),
            amount_cents=amount_cents,
        )


def check_reversible(payment: Payment) -> None:
    """Refuse what the provider cannot take back, or no longer.

    :raises NothingToReverse: if no provider captured it.
    :raises SettlementWindowClosed: if it is too late.
    """
    capture = Capture.objects.filter(payment=payment).first()
    if capture is None or capture.provider not in PROVIDERS:
        raise NothingToReverse(str(payment.pk))
    if not settlement.is_inside_window(timezone.now(), closes_at=capture.window_closes_at):
        raise SettlementWindowClosed(str(payment.pk), closed_at=rfc3339(capture.window_closes_at))


def _emit_issued(note: CreditNote) -> None:
    recorder.emit(
        "credit_note.issued",
        {
            "creditNoteId": str(note.pk),
            "creditNoteNumber": note.number,
            "invoiceId": str(note.invoice_id),
            "bookingId": str(note.invoice.booking_id),
            "amountCents": note.amount_cents,
            "currency": note.currency,
            "reason": note.reason,
        },
        stream=("credit_note", str(note.pk)),
        event_id=f"evt_credit_note_issued_{note.pk}",
    )
