"""Invoices: drafted from a booking, issued under a number, voided while nothing was paid."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from commerce import conf, invoice_lines
from commerce.domain import horizon, undoing
from commerce.domain import invoices as rules
from commerce.domain.booking.refusals import BookingNotFound
from commerce.domain.invoices import InvoiceNotDraft, InvoiceStatus
from commerce.domain.money import Money
from commerce.models import Booking, Invoice, InvoiceLine, SeriesScope
from commerce.services import name_screening, numbers
from commerce.services.actions import action_on
from events import recorder, rows
from events.domain.errors import NotFound, Rejected
from events.domain.times import rfc3339
from ledger import preconditions, recording
from ledger.domain.action import Kind, Proof
from ledger.domain.reversals import ReversalKind, Undoing
from ledger.preconditions import Expected
from ledger.reversing import standings

INVOICE_TYPE = "invoice"


class InvoiceNotFound(NotFound):
    code = "invoice_not_found"

    def __init__(self, invoice_id: UUID) -> None:
        super().__init__(f"There is no invoice {invoice_id}.", invoice_id=str(invoice_id))


class InvoiceNotDue(Rejected):
    code = "invoice_not_due"
    hint = "Wait until its due date is over."

    def __init__(self, invoice_id: UUID) -> None:
        super().__init__(f"Invoice {invoice_id} is not overdue.", invoice_id=str(invoice_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an invoice, as it is asked for."""

    description: str
    quantity: int
    unit_amount_cents: int
    tax_bp: int = 0
    booking_item_id: UUID | None = None


def create_invoice(
    *,
    booking_id: UUID,
    lines: Sequence[Line] | None = None,
    tax_bp: int = 0,
    due_date: date | None = None,
) -> Invoice:
    """Draft an invoice; without `lines`, one line per item of the booking, taxed at `tax_bp`.

    :raises BookingNotFound: if there is no such booking.
    :raises AmountOutOfRange: if it adds up to more than Daybook counts.
    :raises BeyondHorizon: if the due date is further away than business reaches.
    """
    today = timezone.now().date()
    horizon.check_day_within(due_date, today=today, pointer="/due_date")
    asked = {"booking_id": booking_id, "lines": lines, "tax_bp": tax_bp, "due_date": due_date}
    with recording.recorded(action_on("invoice.create", kind=Kind.CREATE, asked=asked)) as proof:
        booking = Booking.objects.select_for_update(no_key=True).filter(pk=booking_id).first()
        if booking is None:
            raise BookingNotFound(str(booking_id))
        wanted = _lines_of(booking, tax_bp) if lines is None else list(lines)
        invoice = Invoice(
            booking=booking,
            status=InvoiceStatus.DRAFT,
            currency=booking.currency,
            due_date=due_date or today + conf.INVOICE_DUE,
        )
        rows = [_row(invoice, number, line) for number, line in enumerate(wanted, start=1)]
        _add_up(invoice, rows)
        invoice.save(force_insert=True)
        InvoiceLine.objects.bulk_create(rows)
        proof.refers_to(invoice.pk)
    return invoice


def issue_invoice(*, invoice_id: UUID, expected_version: Expected | None = None) -> Invoice:
    """Give a draft its number; from here on it is owed.

    :raises InvoiceNotFound: if there is no such invoice.
    :raises InvoiceNotDraft, InvoiceEmpty: if it is not a finished draft.
    :raises NoActiveSeries: if no numbers can be had.
    :raises VersionMoved: if it changed since `expected_version`.
    """
    now = timezone.now()
    with recording.recorded(action_on("invoice.issue", invoice_id, asked={})) as proof:
        invoice = locked(invoice_id)
        proof.found(state_of(invoice))
        preconditions.check_version(expected_version, invoice.revision)
        lines = list(invoice.lines.order_by("position"))
        rules.check_can_issue(
            invoice_id=str(invoice_id), status=invoice.status, line_count=len(lines)
        )
        invoice.number = numbers.next_number(SeriesScope.INVOICE, day=now.date())
        invoice.issued_at = now
        invoice.status = rules.status_when_paid(
            status=InvoiceStatus.ISSUED, total_cents=invoice.total_cents, paid_cents=0
        )
        store(invoice, proof=proof)
        proof.says(f"Issued as {invoice.number}.")
        proof.can_be_undone(
            undoing.of_issue(total_cents=invoice.total_cents, currency=invoice.currency)
        )
        recorder.emit(
            "invoice.issued",
            {
                **identity(invoice),
                "totalCents": invoice.total_cents,
                "currency": invoice.currency,
                "skipExternalSync": False,
                "linesFingerprint": str(invoice_lines.fingerprint_of(lines)),
            },
            stream=stream_of(invoice),
            event_id=f"evt_invoice_issued_{invoice.pk}",
        )
    return invoice


def void_invoice(
    *, invoice_id: UUID, reason: str, expected_version: Expected | None = None
) -> Invoice:
    """Take an invoice back on which nothing was paid or credited. Its number stays used.

    :raises InvoiceNotFound: if there is no such invoice.
    :raises InvoiceNotVoidable: if it is a draft or void, or has payments or credit notes.
    :raises VersionMoved: if it changed since `expected_version`.
    :raises PersonNamed: if the reason does.
    """
    name_screening.check_names_nobody(Q(invoices=invoice_id), reason=reason)
    now = timezone.now()
    action = action_on("invoice.void", invoice_id, reason=reason, asked={"reason": reason})
    with recording.recorded(action) as proof:
        invoice = locked(invoice_id)
        proof.found(state_of(invoice))
        proof.weighs(amount_cents=invoice.total_cents, currency=invoice.currency)
        preconditions.check_version(expected_version, invoice.revision)
        # A pending payment counts: its money may already be on the way.
        rules.check_can_void(
            invoice_id=str(invoice_id),
            status=invoice.status,
            payments=invoice.payments.exclude(status="failed").count(),
            credit_notes=invoice.credit_notes.count(),
        )
        invoice.status = InvoiceStatus.VOID
        invoice.balance_due_cents = 0
        invoice.voided_at = now
        invoice.void_reason = reason
        store(invoice, proof=proof)
        proof.says(f"Voided {invoice.number}.")
        undo_issue(invoice, invoice.total_cents, proof=proof)
        proof.cannot_be_undone(
            f"The number {invoice.number} is used up.", follow_ups=(undoing.ISSUE_AGAIN,)
        )
        recorder.emit(
            "invoice.voided",
            {
                **identity(invoice),
                "totalCents": invoice.total_cents,
                "currency": invoice.currency,
                "reason": reason,
                "voidedAt": rfc3339(now),
                "occurredAt": rfc3339(now),
            },
            stream=stream_of(invoice),
            event_id=f"evt_invoice_voided_{invoice.pk}",
        )
    return invoice


def discard_draft(*, invoice_id: UUID) -> None:
    """Delete a draft, which has no number and has emitted no event.

    :raises InvoiceNotFound: if there is no such invoice.
    :raises InvoiceNotDraft: if it has been issued.
    """
    action = action_on(
        "invoice.discard", invoice_id, kind=Kind.DELETE, capability="invoice.create", asked={}
    )
    with recording.recorded(action) as proof:
        invoice = locked(invoice_id)
        proof.found(state_of(invoice))
        if invoice.status != InvoiceStatus.DRAFT:
            raise InvoiceNotDraft(str(invoice_id), invoice.status)
        invoice.delete()


def mark_overdue(*, invoice_id: UUID) -> Invoice:
    """Record that the day on which an invoice was due has passed.

    :raises InvoiceNotFound: if there is no such invoice.
    :raises InvoiceNotDue: if it is paid, void, or has time left.
    """
    with recording.recorded(action_on("invoice.mark_overdue", invoice_id, asked={})):
        invoice = locked(invoice_id)
        due, today = invoice.due_date, timezone.now().date()
        if due is None or not rules.is_overdue(status=invoice.status, due_date=due, today=today):
            raise InvoiceNotDue(invoice_id)
        invoice.status = InvoiceStatus.OVERDUE
        _save(invoice)
        recorder.emit(
            "invoice.overdue",
            {
                **identity(invoice),
                "dueDate": due.isoformat(),
                "balanceDueCents": invoice.balance_due_cents,
            },
            stream=stream_of(invoice),
            event_id=f"evt_invoice_overdue_{invoice.pk}",
        )
    return invoice


def locked(invoice_id: UUID) -> Invoice:
    """Return an invoice, locked until commit.

    :raises InvoiceNotFound: if there is no such invoice.
    """
    invoice = rows.locked(Invoice, invoice_id)
    if invoice is None:
        raise InvoiceNotFound(invoice_id)
    return invoice


def store(invoice: Invoice, *, proof: Proof) -> None:
    """Write a locked invoice back as its next revision. What it owes is accountable."""
    assert proof.entry_id, "an amount due changes only with an entry"
    _save(invoice)


def undo_issue(
    invoice: Invoice, amount_cents: int, *, is_follow_up: bool = False, proof: Proof
) -> None:
    """Make this a step in the undoing of the issue of an invoice, if that said how it is undone."""
    entry_id = standings.entry_of("invoice", str(invoice.pk))
    if entry_id is None:
        return
    proof.undoes(
        Undoing(
            of=entry_id,
            kind=ReversalKind.COMPENSATE,
            # An invoice over nothing is undone as a whole.
            amount_cents=amount_cents or None,
            is_follow_up=is_follow_up,
        )
    )


def stream_of(invoice: Invoice) -> tuple[str, str]:
    """Return the stream in which facts about an invoice are recorded."""
    return ("invoice", str(invoice.pk))


def state_of(invoice: Invoice) -> dict[str, Any]:
    """Return what an approval of a change of an invoice depends on."""
    return {"status": invoice.status, "revision": invoice.revision}


def identity(invoice: Invoice) -> dict[str, Any]:
    """Return what names an invoice in events."""
    return {
        "invoiceId": str(invoice.pk),
        "invoiceNumber": invoice.number or "",
        "invoiceType": INVOICE_TYPE,
        "bookingId": str(invoice.booking_id),
    }


def _save(invoice: Invoice) -> None:
    invoice.revision += 1
    rows.update(invoice)


def _lines_of(booking: Booking, tax_bp: int) -> list[Line]:
    return [
        Line(
            description=item.title,
            quantity=item.quantity,
            unit_amount_cents=item.unit_amount_cents,
            tax_bp=tax_bp,
            booking_item_id=item.pk,
        )
        for item in booking.items.order_by("service_date", "pk")
    ]


def _row(invoice: Invoice, position: int, line: Line) -> InvoiceLine:
    amount = Money(line.unit_amount_cents, invoice.currency) * line.quantity
    return InvoiceLine(
        invoice=invoice,
        position=position,
        description=line.description,
        quantity=line.quantity,
        unit_amount_cents=line.unit_amount_cents,
        tax_bp=line.tax_bp,
        amount_cents=amount.amount_cents,
        tax_cents=rules.line_tax_cents(amount.amount_cents, line.tax_bp),
        booking_item_id=line.booking_item_id,
    )


def _add_up(invoice: Invoice, rows: Sequence[InvoiceLine]) -> None:
    subtotal = Money(sum(row.amount_cents for row in rows), invoice.currency)
    tax = Money(sum(row.tax_cents for row in rows), invoice.currency)
    invoice.subtotal_cents = subtotal.amount_cents
    invoice.tax_cents = tax.amount_cents
    invoice.total_cents = (subtotal + tax).amount_cents
    invoice.balance_due_cents = invoice.total_cents
