"""What the ledger is told about the trade: what belongs together, and what must be on record."""

from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from commerce.domain.booking.state import Status
from commerce.domain.invoices import InvoiceStatus
from commerce.models import Booking, Invoice, Payment, TravellerPersonal
from ledger import drift, erasure, timelines
from ledger.domain.action import Proof, Target
from ledger.drift import DriftCheck
from ledger.erasure import Place


def _of_booking(booking_id: str) -> Iterator[Target]:
    try:
        booking = Booking.objects.filter(pk=booking_id).first()
    except ValidationError:
        return
    if booking is None:
        return
    for traveller_id in booking.travellers.values_list("pk", flat=True):
        yield Target(type="traveller", id=str(traveller_id))
    for invoice_id in booking.invoices.values_list("pk", flat=True):
        yield Target(type="invoice", id=str(invoice_id))
        yield from _of_invoice(str(invoice_id))


def _of_invoice(invoice_id: str) -> Iterator[Target]:
    try:
        payments = list(Payment.objects.filter(invoice__pk=invoice_id).values_list("pk", flat=True))
    except ValidationError:
        return
    for payment_id in payments:
        yield Target(type="payment", id=str(payment_id))


def _cancelled() -> QuerySet[Booking]:
    return Booking.objects.filter(status=Status.CANCELLED.value)


def _issued() -> QuerySet[Invoice]:
    return Invoice.objects.exclude(status=InvoiceStatus.DRAFT.value)


def _forget_traveller(traveller_id: str, _proof: Proof) -> int:
    try:
        forgotten, _ = TravellerPersonal.objects.filter(traveller__pk=traveller_id).delete()
    except ValidationError:
        return 0
    return forgotten


erasure.declare_place(
    Place(name="commerce.travellers", subject_type="traveller", forget=_forget_traveller)
)
timelines.declare_related("booking", _of_booking)
timelines.declare_related("invoice", _of_invoice)

drift.declare_check(
    DriftCheck(
        name="booking_cancelled",
        rows=_cancelled,
        target_type="booking",
        actions=("booking.cancel", "booking.override"),
    )
)
drift.declare_check(
    DriftCheck(
        name="invoice_issued", rows=_issued, target_type="invoice", actions=("invoice.issue",)
    )
)
