"""Reversals of actions on bookings."""

from uuid import UUID

from django.utils import timezone

from commerce.domain import undoing
from commerce.domain.booking.refusals import BookingNotFound
from commerce.domain.booking.state import Status
from commerce.domain.cancellation import Segment, Terms
from commerce.domain.money import Money
from commerce.domain.reversals import bookings as plans
from commerce.domain.reversals.bookings import BookingFound, Paid
from commerce.models import Booking, BookingItem, Payment, PaymentStatus
from commerce.reversals.registration import register
from commerce.services import bookings
from ledger.domain.plans import OriginalAction, Plan
from ledger.domain.reversals import ReversalKind
from ledger.reversing import standings


def _look(original: OriginalAction) -> BookingFound:
    booking_id = original.target.id
    row = Booking.objects.filter(pk=booking_id).first()
    if row is None:
        raise BookingNotFound(booking_id)
    items = list(row.items.order_by("pk"))
    return BookingFound(
        id=booking_id,
        number=row.number,
        status=Status(row.status),
        revision=row.revision,
        currency=row.currency,
        seats=sum(item.quantity for item in items),
        segments=[_segment(item, row.currency) for item in items],
        paid=_paid(booking_id),
        at=timezone.now(),
        were_documents_sent=row.documents_sent_at is not None,
    )


def _segment(item: BookingItem, currency: str) -> Segment:
    return Segment(
        price=Money(item.quantity * item.unit_amount_cents, currency),
        service_date=item.service_date,
        terms=Terms.from_json(item.terms) if item.terms else None,
    )


def _paid(booking_id: str) -> list[Paid]:
    rows = Payment.objects.filter(invoice__booking=UUID(booking_id), status=PaymentStatus.COMPLETED)
    return [
        Paid(
            payment_id=str(row.pk),
            amount_cents=row.amount_cents - row.charged_back_cents,
            entry_id=standings.entry_of("payment", str(row.pk)),
        )
        for row in rows.order_by("pk")
    ]


def _cancel(original: OriginalAction, plan: Plan) -> None:
    bookings.cancel_booking(
        booking_id=UUID(plan.input["booking_id"]),
        reason=original.reason,
        expected_version=plan.input["expected_version"],
    )


def _go_back(original: OriginalAction, plan: Plan) -> None:
    bookings.override_status(
        booking_id=UUID(plan.input["booking_id"]),
        to=Status(plan.input["status"]),
        reason=original.reason,
        expected_version=plan.input["expected_version"],
    )


def _booking_of(original: OriginalAction) -> Booking | None:
    return Booking.objects.filter(pk=original.target.id).first()


register(
    undoing.CANCEL_BOOKING,
    "Cancel the booking, on the terms that were agreed.",
    kind=ReversalKind.DOMAIN_COMMAND,
    look=_look,
    plan=plans.cancel,
    policy_facts=plans.policy_facts_of_cancelling,
    run=_cancel,
    object_of=_booking_of,
)
register(
    undoing.OVERRIDE_BOOKING,
    "Bring the booking back to the status it had before.",
    kind=ReversalKind.DOMAIN_COMMAND,
    look=_look,
    plan=plans.go_back,
    policy_facts=plans.policy_facts_of_going_back,
    run=_go_back,
    object_of=_booking_of,
)
