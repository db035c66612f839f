"""Queries of commerce that several callers share."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import CharField, Exists, F, Model, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast, Concat

from commerce import vault
from commerce.domain import access, cancellation
from commerce.domain.access import AccessStatus
from commerce.domain.booking.state import HOLDING as SEATS_HELD
from commerce.domain.booking.state import TAKING, Status
from commerce.domain.chargebacks import SURPLUS_REFERENCE
from commerce.domain.invoices import InvoiceStatus
from commerce.domain.refunds import HOLDING as REFUND_HOLDS
from commerce.domain.refunds import RefundStatus
from commerce.models import (
    Allocation,
    Booking,
    BookingContact,
    Chargeback,
    ChargebackResolution,
    CreditNote,
    DocumentAccess,
    ExternalRef,
    Invoice,
    Payment,
    PaymentStatus,
    Refund,
    Rendition,
    RenditionStatus,
)
from commerce.vault import Envelope
from ledger.access.authority import Caller
from ledger.domain.action import Target
from ledger.models import ApiKey, Approval

_SURPLUSES_OF: Final[Mapping[type[Model], Q]] = {
    Chargeback: Q(pk=OuterRef(OuterRef("pk"))),
    Payment: Q(payment__invoice=OuterRef(OuterRef("invoice"))),
    Invoice: Q(payment__invoice=OuterRef(OuterRef("pk"))),
}
_WAITING = (InvoiceStatus.ISSUED.value, InvoiceStatus.PARTIALLY_PAID.value)
_OPEN = (*_WAITING, InvoiceStatus.OVERDUE.value)


def charged_back_cents(*, invoice_id: UUID) -> int:
    """Return how much of what was paid on an invoice its providers took back, and kept."""
    return _kept_by_providers(Payment.objects.filter(invoice=invoice_id))


def charged_back_on_booking_cents(booking_id: UUID) -> int:
    """Return how much of what was paid on a booking its providers took back, and kept."""
    return _kept_by_providers(Payment.objects.filter(invoice__booking=booking_id))


def credited_cents(invoice_id: UUID) -> int:
    """Return what the credit notes of an invoice add up to."""
    return _sum(CreditNote.objects.filter(invoice=invoice_id))


def unused_notes(invoice_id: UUID) -> QuerySet[Any]:
    """Return the credit notes of an invoice whose money did not go back, the smallest first.

    Annotated with `left_cents`, which they still stand for. Not those whose money nobody tried
    to give back: what they are for is not said.
    """
    failed = Refund.objects.filter(credit_note=OuterRef("pk"), status=RefundStatus.FAILED)
    tried = CreditNote.objects.filter(Exists(failed), invoice=invoice_id)
    held = Sum("refunds__amount_cents", filter=Q(refunds__status__in=REFUND_HOLDS), default=0)
    left: QuerySet[Any] = tried.annotate(left_cents=F("amount_cents") - held)
    return left.filter(left_cents__gt=0).order_by("left_cents", "pk")


def refund_held_cents(*, payment_id: UUID | None = None, credit_note_id: UUID | None = None) -> int:
    """Return what pending and settled refunds of a payment, or of a credit note, add up to."""
    held = Refund.objects.filter(status__in=REFUND_HOLDS, surplus_of=None)
    if payment_id is not None:
        return _sum(held.filter(payment=payment_id))
    return _sum(held.filter(credit_note=credit_note_id))


def surplus_held_cents(chargeback_id: UUID) -> int:
    """Return what pending and settled refunds of the surplus of a chargeback add up to."""
    return _sum(Refund.objects.filter(status__in=REFUND_HOLDS, surplus_of=chargeback_id))


def with_surplus_approvals(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate invoices, payments or chargebacks with `surplus_approval_ids`, the latest first.

    Approval was asked for under them to give back what came back too much: of a chargeback, or of
    any on the invoice.
    """
    theirs = _SURPLUSES_OF[rows.model]
    written = Concat(Value(SURPLUS_REFERENCE), Cast("pk", CharField()))
    found = Chargeback.objects.filter(theirs).values(reference=written)
    # The index is partial, on rows with a reference: a subquery alone does not match it.
    asked = Approval.objects.exclude(reference="").filter(reference__in=found)
    latest_first = asked.order_by("-requested_at", "-pk").values("pk")
    annotated: QuerySet[Any] = rows.annotate(surplus_approval_ids=ArraySubquery(latest_first))
    return annotated


def surplus_approval_ids(row: Model) -> list[UUID]:
    """Return under what approval was asked for to give a surplus back, the latest first."""
    rows = with_surplus_approvals(type(row)._default_manager.filter(pk=row.pk))  # noqa: SLF001 - Django's own.
    ids: list[UUID] = rows.values_list("surplus_approval_ids", flat=True).get()
    return ids


def gone_cents(payment: Payment) -> int:
    """Return how much of a payment is not left: held by refunds, or charged back."""
    return refund_held_cents(payment_id=payment.pk) + payment.charged_back_cents


def due_back_cents(booking: Booking) -> int | None:
    """Return what the terms of a cancelled booking give back and has not gone back yet.

    None where nothing was cancelled, or the terms give no definite amount.
    """
    entitlement: dict[str, Any] | None = booking.entitlement
    if booking.status != Status.CANCELLED or not entitlement or entitlement["reason"]:
        return None
    came = Payment.objects.filter(invoice__booking=booking, status=PaymentStatus.COMPLETED)
    stayed = F("amount_cents") - F("charged_back_cents")
    held = Refund.objects.filter(
        payment__invoice__booking=booking, status__in=REFUND_HOLDS, surplus_of=None
    )
    # What a bank took for the customer, they have.
    taken_cents = charged_back_on_booking_cents(booking.pk)
    due_cents = cancellation.due_back_cents(
        entitled_cents=int(entitlement["amountCents"]),
        price_cents=booking.sell_amount_cents,
        paid_cents=(came.aggregate(sum=Sum(stayed))["sum"] or 0) + taken_cents,
    )
    return max(0, due_cents - _sum(held) - taken_cents)


def outstanding_cents(booking: Booking) -> int:
    """Return how much of the price of a booking has not been paid on any of its invoices."""
    paid = booking.invoices.exclude(status=InvoiceStatus.VOID).aggregate(sum=Sum("paid_cents"))
    return max(0, booking.sell_amount_cents - (paid["sum"] or 0))


def paid_on_booking_cents(booking_id: UUID) -> int:
    """Return how much has been paid on all invoices of a booking."""
    paid = Invoice.objects.filter(booking=booking_id).aggregate(sum=Sum("paid_cents"))
    return paid["sum"] or 0


def seats_taken(slot_id: UUID) -> int:
    """Return how many seats of a departure are held, confirmed or travelled."""
    taking = Allocation.objects.filter(slot=slot_id, status__in=TAKING)
    return taking.aggregate(sum=Sum("quantity"))["sum"] or 0


def holds_that_ended(at: datetime) -> QuerySet[Booking]:
    """Return the bookings whose seats were kept until `at` or earlier, the oldest first."""
    holding = Booking.objects.filter(status__in=SEATS_HELD, hold_expires_at__lte=at)
    return holding.order_by("hold_expires_at")


def invoices_past_due(today: date) -> QuerySet[Invoice]:
    """Return the invoices that should have been paid before `today`."""
    return Invoice.objects.filter(status__in=_WAITING, due_date__lt=today).order_by("due_date")


def invoices_to_poll() -> QuerySet[Invoice]:
    """Return the invoices that are owed and that a provider knows, each time in another order.

    They stay in this list: who takes the first of them only, or gives up at one whose provider
    hangs, would never come to the last.
    """
    known = ExternalRef.objects.filter(invoice__status__in=_OPEN).values("invoice")
    return Invoice.objects.filter(pk__in=known).order_by("?")


def sendable_documents(booking_id: UUID) -> QuerySet[Rendition]:
    """Return the current documents of the invoices of a booking that a customer may get."""
    return (
        Rendition.objects.filter(invoice__booking=booking_id, status=RenditionStatus.READY)
        .exclude(invoice__status__in=[InvoiceStatus.DRAFT, InvoiceStatus.VOID])
        .select_related("invoice")
        .order_by("invoice__issued_at", "format")
    )


def has_sendable_invoices(booking_id: UUID) -> bool:
    """Return whether there is anything that documents could be made of."""
    wanted = ~Q(status__in=[InvoiceStatus.DRAFT, InvoiceStatus.VOID])
    return Invoice.objects.filter(wanted, booking=booking_id).exists()


def access_status(row: DocumentAccess, *, at: datetime) -> AccessStatus:
    """Return how it stands with an access at a moment."""
    return access.status_of(expires_at=row.expires_at, revoked_at=row.revoked_at, at=at)


def accesses_in(
    status: AccessStatus, rows: QuerySet[DocumentAccess], *, at: datetime
) -> QuerySet[DocumentAccess]:
    """Keep the accesses with which it stands so at a moment."""
    match status:
        case AccessStatus.REVOKED:
            return rows.filter(revoked_at__isnull=False)
        case AccessStatus.LIVE:
            return rows.filter(revoked_at=None, expires_at__gt=at)
        case AccessStatus.EXPIRED:
            return rows.filter(revoked_at=None, expires_at__lte=at)


def accesses_of(caller: Caller, document_id: UUID) -> QuerySet[DocumentAccess]:
    """Return all that was ever granted to a credential on a document, the newest first.

    What a user was granted serves whoever acts for them; what a key was granted serves the
    keys that it was rotated into.
    """
    if caller.user is None:
        return DocumentAccess.objects.none()
    names = [f"user:{caller.user.pk}"]
    if caller.key is not None:
        line = ApiKey.objects.filter(lineage=caller.key.lineage).values_list("prefix", flat=True)
        names += [f"api_key:{prefix}" for prefix in line]
    granted = DocumentAccess.objects.filter(document=document_id, grantee__in=names)
    return granted.order_by("-granted_at", "-pk")


def policy_of(row: DocumentAccess) -> str:
    """Return how entries name the access under which a document was opened."""
    return f"document_access/{row.pk}"


def disclosed_target(document: Rendition) -> Target:
    """Return the target of the entry of a disclosed document: its invoice."""
    return Target(type="invoice", id=str(document.invoice_id))


def _kept_by_providers(payments: QuerySet[Payment]) -> int:
    taken = payments.aggregate(sum=Sum("charged_back_cents"))["sum"] or 0
    returned = ChargebackResolution.objects.filter(chargeback__payment__in=payments)
    return taken - (returned.aggregate(sum=Sum("returned_cents"))["sum"] or 0)


def _sum(rows: QuerySet[Payment] | QuerySet[CreditNote] | QuerySet[Refund]) -> int:
    return rows.aggregate(sum=Sum("amount_cents"))["sum"] or 0


def contact_of(booking_id: UUID) -> Envelope | None:
    """Return the contact, sealed: who opens it masks it, or records the disclosure."""
    row = BookingContact.objects.filter(booking=booking_id).first()
    if row is None:
        return None
    return vault.envelope(row.sealed, of=str(booking_id), fields=vault.CONTACT_FIELDS)
