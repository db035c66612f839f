"""Registers commerce with the ledger: ownership of rows, and which changes need an entry."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import CharField, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Concat

from commerce.domain.booking.state import Status
from commerce.domain.invoices import InvoiceStatus
from commerce.domain.refunds import RefundStatus
from commerce.models import (
    Booking,
    Chargeback,
    ChargebackResolution,
    ChargebackReview,
    CreditNote,
    DocumentAccess,
    Invoice,
    Payment,
    PaymentStatus,
    Refund,
    Traveller,
    Voucher,
)
from ledger import drift, timelines
from ledger.domain.action import Target
from ledger.drift import DriftCheck, Mark


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
        of_invoice: dict[str, QuerySet[Any]] = {
            "payment": Payment.objects.filter(invoice__pk=invoice_id),
            "credit_note": CreditNote.objects.filter(invoice__pk=invoice_id),
            "document_access": DocumentAccess.objects.filter(document__invoice__pk=invoice_id),
        }
    except ValidationError:
        return
    yield from _rows(of_invoice)
    yield from _money_back(payment__invoice__pk=invoice_id)


def _of_payment(payment_id: str) -> Iterator[Target]:
    try:
        yield from _money_back(payment__pk=payment_id)
    except ValidationError:
        return


def _money_back(**of: str) -> Iterator[Target]:
    yield from _rows(
        {"refund": Refund.objects.filter(**of), "chargeback": Chargeback.objects.filter(**of)}
    )


def _rows(found: Mapping[str, QuerySet[Any]]) -> Iterator[Target]:
    for type_, rows in found.items():
        for id_ in rows.values_list("pk", flat=True):
            yield Target(type=type_, id=str(id_))


def _stamped(stamp: str) -> QuerySet[Booking]:
    return Booking.objects.filter(**{f"{stamp}__isnull": False})


def _payments(status: PaymentStatus) -> QuerySet[Payment]:
    return Payment.objects.filter(status=status.value)


def _refunds(status: RefundStatus) -> QuerySet[Refund]:
    return Refund.objects.filter(status=status.value)


def _forgotten() -> QuerySet[Traveller]:
    return Traveller.objects.filter(personal__isnull=True)


def _issued() -> QuerySet[Invoice]:
    return Invoice.objects.exclude(status=InvoiceStatus.DRAFT.value)


timelines.declare_related("booking", _of_booking)
timelines.declare_related("invoice", _of_invoice)
timelines.declare_related("payment", _of_payment)

drift.declare_check(
    DriftCheck(
        name="traveller_forgotten",
        rows=_forgotten,
        mark=Mark(actions=("traveller.erase",), target_type="traveller"),
        or_else=(
            Mark(
                actions=("subject.erase",),
                target_type="subject",
                target_id=Concat(
                    Value("traveller/"), Cast("pk", CharField()), output_field=CharField()
                ),
            ),
        ),
        table="commerce_travellerpersonal",
    )
)
drift.declare_check(
    DriftCheck(
        name="contact_forgotten",
        rows=lambda: Booking.objects.filter(contact__isnull=True),
        mark=Mark(
            actions=("subject.erase",),
            target_type="subject",
            target_id=Concat(Value("contact/"), Cast("pk", CharField()), output_field=CharField()),
        ),
        table="commerce_bookingcontact",
    )
)
for _status, _command, _stamp in (
    (Status.AWAITING_PAYMENT, "await_payment", "awaiting_payment_at"),
    (Status.CONFIRMED, "confirm", "confirmed_at"),
    (Status.IN_PROGRESS, "start", "started_at"),
    (Status.COMPLETED, "complete", "completed_at"),
    (Status.EXPIRED, "expire", "expired_at"),
    (Status.CANCELLED, "cancel", "cancelled_at"),
):
    # The time of a status stays when the booking moves on, or is corrected.
    drift.declare_check(
        DriftCheck(
            name=f"booking_{_status.value}",
            rows=partial(_stamped, _stamp),
            mark=Mark(actions=(f"booking.{_command}", "booking.override"), target_type="booking"),
            lasting=(f"booking.{_command}",),
        )
    )
drift.declare_check(
    DriftCheck(
        name="booking_on_hold",
        rows=lambda: Booking.objects.filter(status=Status.ON_HOLD.value),
        mark=Mark(actions=("booking.hold", "booking.override"), target_type="booking"),
    )
)
drift.declare_check(
    DriftCheck(
        name="invoice_issued",
        rows=_issued,
        mark=Mark(actions=("invoice.issue",), target_type="invoice"),
        lasting=("invoice.issue",),
    )
)
drift.declare_check(
    DriftCheck(
        name="invoice_voided",
        rows=lambda: Invoice.objects.filter(status=InvoiceStatus.VOID.value),
        mark=Mark(actions=("invoice.void",), target_type="invoice"),
        lasting=("invoice.void",),
    )
)
drift.declare_check(
    DriftCheck(
        name="payment_recorded",
        rows=Payment.objects.all,
        mark=Mark(actions=("payment.record", "payment.capture"), target_type="payment"),
        lasting=("payment.record", "payment.capture"),
    )
)
drift.declare_check(
    DriftCheck(
        name="payment_completed",
        rows=lambda: Payment.objects.filter(paid_at__isnull=False),
        mark=Mark(
            actions=("payment.complete", "payment.record", "payment.capture"),
            target_type="payment",
        ),
        lasting=("payment.complete", "payment.capture"),
    )
)
drift.declare_check(
    DriftCheck(
        name="payment_failed",
        rows=partial(_payments, PaymentStatus.FAILED),
        mark=Mark(actions=("payment.fail",), target_type="payment"),
        lasting=("payment.fail",),
    )
)
drift.declare_check(
    DriftCheck(
        name="credit_note_issued",
        rows=CreditNote.objects.all,
        mark=Mark(actions=("credit_note.issue",), target_type="credit_note"),
        or_else=(
            # Issued over the amount of a refund, under its entry.
            Mark(
                actions=("refund.request",),
                target_type="refund",
                target_id=Subquery(
                    Refund.objects.filter(credit_note=OuterRef("pk"))
                    .order_by("created_at")
                    .values("pk")[:1]
                ),
            ),
        ),
        lasting=("credit_note.issue",),
        made_at="issued_at",
    )
)
drift.declare_check(
    DriftCheck(
        name="refund_requested",
        rows=Refund.objects.all,
        mark=Mark(actions=("refund.request", "refund.return_surplus"), target_type="refund"),
        lasting=("refund.request", "refund.return_surplus"),
    )
)
drift.declare_check(
    DriftCheck(
        name="refund_settled",
        rows=partial(_refunds, RefundStatus.SETTLED),
        mark=Mark(actions=("refund.settle",), target_type="refund"),
        lasting=("refund.settle",),
    )
)
drift.declare_check(
    DriftCheck(
        name="refund_failed",
        rows=partial(_refunds, RefundStatus.FAILED),
        mark=Mark(actions=("refund.fail",), target_type="refund"),
        lasting=("refund.fail",),
    )
)
drift.declare_check(
    DriftCheck(
        name="voucher_issued",
        rows=Voucher.objects.all,
        mark=Mark(actions=("voucher.issue",), target_type="voucher"),
        lasting=("voucher.issue",),
        made_at="issued_at",
    )
)
drift.declare_check(
    DriftCheck(
        name="voucher_voided",
        rows=lambda: Voucher.objects.filter(voided_at__isnull=False),
        mark=Mark(actions=("voucher.void",), target_type="voucher"),
        or_else=(
            # With the booking, under the entry of what happened to that.
            Mark(
                actions=("booking.cancel", "booking.override", "booking.expire"),
                target_type="booking",
                target_id=F("booking_id"),
            ),
        ),
        lasting=("voucher.void",),
        made_at="issued_at",
    )
)
drift.declare_check(
    DriftCheck(
        name="document_access_granted",
        rows=DocumentAccess.objects.all,
        mark=Mark(actions=("document_access.grant",), target_type="document_access"),
        lasting=("document_access.grant",),
        made_at="granted_at",
    )
)
drift.declare_check(
    DriftCheck(
        name="document_access_revoked",
        rows=lambda: DocumentAccess.objects.filter(revoked_at__isnull=False),
        mark=Mark(actions=("document_access.revoke",), target_type="document_access"),
        lasting=("document_access.revoke",),
        made_at="granted_at",
    )
)
drift.declare_check(
    DriftCheck(
        name="chargeback_noted",
        rows=Chargeback.objects.all,
        mark=Mark(actions=("chargeback.note",), target_type="chargeback"),
        lasting=("chargeback.note",),
        made_at="noted_at",
    )
)
drift.declare_check(
    DriftCheck(
        name="chargeback_reviewed",
        rows=ChargebackReview.objects.all,
        mark=Mark(actions=("chargeback.review",), target_type="chargeback"),
        lasting=("chargeback.review",),
        made_at="noted_at",
    )
)
drift.declare_check(
    DriftCheck(
        name="chargeback_resolved",
        rows=ChargebackResolution.objects.all,
        mark=Mark(actions=("chargeback.resolve",), target_type="chargeback"),
        lasting=("chargeback.resolve",),
        made_at="noted_at",
    )
)
