"""The demo data: a small business, created through the services, so everything is recorded."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from commerce.domain.booking.state import Status
from commerce.domain.cancellation import RefundType, Rule
from commerce.domain.chargebacks import ChargebackStatus
from commerce.domain.refunds import RefundMethod
from commerce.domain.settlement import SettlementReport
from commerce.models import (
    Booking,
    CancellationPolicy,
    Chargeback,
    ExternalRef,
    Invoice,
    Payment,
    PaymentMethod,
    PolicyVersionStatus,
    Product,
    Rendition,
    RenditionFormat,
    Slot,
)
from commerce.ports import notifications
from commerce.ports.payment import DEMO
from commerce.services import (
    bookings,
    chargeback_resolutions,
    chargebacks,
    document_access,
    invoices,
    payments,
    policies,
    products,
    refunds,
    renditions,
    settlement,
    slots,
    travellers,
)
from commerce.services.actions import action_on
from commerce.services.bookings import SeatRequest
from commerce.services.chargebacks import ReportedClaim
from events import context
from ledger import recording
from ledger.domain.action import Kind

POLICY = "Flexible"
TIERS = (
    Rule(days_before=30, refund_bp=10_000, refund_type=RefundType.CASH, label="Full refund"),
    Rule(days_before=15, refund_bp=5_000, refund_type=RefundType.CASH, label="Half"),
    Rule(days_before=7, refund_bp=2_500, refund_type=RefundType.CREDIT, label="Travel credit"),
    Rule(days_before=0, label="No refund"),
)
PRODUCTS: tuple[dict[str, Any], ...] = (
    {"name": "Harbour cruise", "sell_amount_cents": 4_900, "duration_minutes": 90},
    {"name": "Old town walk", "sell_amount_cents": 2_500, "duration_minutes": 120},
    {"name": "Island day trip", "sell_amount_cents": 18_500, "duration_minutes": 540},
)
DEPARTURES_IN_DAYS = (5, 20, 45)
CAPACITY = 12
AUDITOR = "auditor"
"""Somebody without any capability, and without a password until an administrator sets one."""
PEOPLE = (
    ("Ada", "Lovelace"),
    ("Grace", "Hopper"),
    ("Alan", "Turing"),
    ("Hedy", "Lamarr"),
    ("Mary", "Somerville"),
    ("Emmy", "Noether"),
    ("Edith", "Clarke"),
)


def create_example() -> list[str]:
    """Make what is missing of the example, and return what was made. Harmless when repeated."""
    made = [*_products(_policy())]
    departures = list(Slot.objects.filter(product__name="Harbour cruise").order_by("starts_at"))
    for number, (reference, live) in enumerate(_BOOKINGS.items()):
        if not Booking.objects.filter(external_ref=reference).exists():
            live(_booking(reference, PEOPLE[number], departures[number % len(departures)]))
            made.append(reference)
    return made


def _policy() -> CancellationPolicy:
    policy = CancellationPolicy.objects.filter(name=POLICY).first()
    if policy is None:
        policy = policies.create_policy(name=POLICY, currency="EUR", rules=TIERS).policy
    # A process that was killed before this has left only a draft.
    if not policy.versions.exclude(status=PolicyVersionStatus.DRAFT).exists():
        [draft] = policy.versions.all()
        policies.publish_version(policy_id=policy.pk, version_id=draft.pk)
    return policy


def _products(policy: CancellationPolicy) -> list[str]:
    made = []
    for facts in PRODUCTS:
        product = Product.objects.filter(name=facts["name"]).first()
        if product is None:
            product = products.create_product(
                currency="EUR", status="active", cancellation_policy_id=policy.pk, **facts
            )
            made.append(facts["name"])
        # Separate: a process that was killed after the product has left no slot.
        if not product.slots.exists():
            for days in DEPARTURES_IN_DAYS:
                slots.create_slot(product_id=product.pk, starts_at=_in(days), capacity=CAPACITY)
    return made


def _in(days: int) -> datetime:
    day: date = timezone.now().date() + timedelta(days=days)
    return datetime.combine(day, time(9), tzinfo=timezone.get_current_timezone())


def _booking(reference: str, person: tuple[str, str], slot: Slot) -> Booking:
    first, last = person
    email = f"{first.lower()}@example.com"
    booking = bookings.create_booking(
        requested=[SeatRequest(slot_id=slot.pk, quantity=2)],
        pax=2,
        contact={"name": f"{first} {last}", "email": email, "phone": "+44 20 7946 0141"},
        external_ref=reference,
    )
    travellers.add_traveller(
        booking_id=booking.pk,
        category="adult",
        is_primary=True,
        personal={"first_name": first, "last_name": last, "email": email},
    )
    return booking


def _invoice(booking: Booking) -> Invoice:
    draft = invoices.create_invoice(booking_id=booking.pk, tax_bp=1_900)
    return invoices.issue_invoice(invoice_id=draft.pk)


def _pay(invoice: Invoice) -> Payment:
    return payments.record_payment(
        invoice_id=invoice.pk,
        amount_cents=invoice.balance_due_cents,
        currency=invoice.currency,
        method=PaymentMethod.BANK_TRANSFER,
        reference=invoice.number or "",
    )


def _paid(booking: Booking) -> Payment:
    invoice = _invoice(booking)
    payment = _pay(invoice)
    renditions.generate_invoice_document(invoice_id=invoice.pk, format_=RenditionFormat.HTML)
    bookings.confirm_booking(booking_id=booking.pk)
    return payment


def _stay_draft(booking: Booking) -> None:
    invoices.create_invoice(booking_id=booking.pk, tax_bp=1_900)


def _hold(booking: Booking) -> None:
    bookings.hold_booking(booking_id=booking.pk, until=timezone.now() + timedelta(days=2))


def _await_payment(booking: Booking) -> None:
    until = timezone.now() + timedelta(days=2)
    bookings.await_payment(booking_id=booking.pk, until=until)
    _invoice(booking)


def _confirm(booking: Booking) -> None:
    _paid(booking)


def _travel(booking: Booking) -> None:
    payment = _paid(booking)
    bookings.start_booking(booking_id=booking.pk)
    _audit(payment.invoice.renditions.get())


def _charge_back(booking: Booking) -> None:
    """Let a bank take a card payment back, the customer pay otherwise, and the dispute be won."""
    invoice = _invoice(booking)
    known_as = f"pay_{booking.number}"
    at = timezone.now()
    with recording.recorded(action_on("settlement.note", invoice.pk, kind=Kind.EXECUTE)):
        ref = ExternalRef.objects.create(invoice=invoice, provider=DEMO, external_id=known_as)
    report = SettlementReport(
        paid_amount_cents=invoice.total_cents,
        currency=invoice.currency,
        settled_at=at - timedelta(days=4),
    )
    settlement.book_report(ref=ref, report=report)
    bookings.confirm_booking(booking_id=booking.pk)
    claim = ReportedClaim(
        provider=DEMO,
        provider_ref=f"cb_{booking.number}",
        capture_ref=known_as,
        amount_cents=invoice.total_cents,
        currency=invoice.currency,
        reason="fraudulent",
        occurred_at=at,
    )
    with context.acting(notifications.sender(DEMO)):
        chargebacks.note_chargeback(report=claim)
    _pay(Invoice.objects.get(pk=invoice.pk))
    [taken] = Chargeback.objects.filter(payment__invoice=invoice)
    chargeback_resolutions.resolve_chargeback(
        chargeback_id=taken.pk,
        status=ChargebackStatus.WON,
        reason="The bank saw who had travelled.",
    )


def _audit(document: Rendition) -> None:
    """Let somebody from outside look at a document; the first time it was ended again."""
    auditor = User.objects.filter(username=AUDITOR).first() or User.objects.create_user(AUDITOR)
    for purpose in ("The audit of last year.", "The audit of this year."):
        access = document_access.grant_document_access(
            document_id=document.pk, grantee=f"user:{auditor.pk}", purpose=purpose
        )
        if "last year" in purpose:
            document_access.revoke_document_access(access_id=access.pk, reason="It is over.")


def _cancel(booking: Booking) -> None:
    payment = _paid(booking)
    cancelled = bookings.cancel_booking(booking_id=booking.pk, reason="The customer fell ill.")
    assert cancelled.status == Status.CANCELLED
    amount = cancelled.entitlement["amountCents"] if cancelled.entitlement else 0
    note = refunds.issue_credit_note(
        invoice_id=payment.invoice_id,
        amount_cents=amount,
        currency=payment.currency,
        reason="Cancelled on agreed terms.",
    )
    refunds.request_refund(
        payment_id=payment.pk,
        amount_cents=amount,
        method=RefundMethod.BANK_TRANSFER,
        reason=note.reason,
        credit_note_id=note.pk,
    )


_BOOKINGS = {
    "EXAMPLE-1": _stay_draft,
    "EXAMPLE-2": _hold,
    "EXAMPLE-3": _await_payment,
    "EXAMPLE-4": _confirm,
    "EXAMPLE-5": _cancel,
    "EXAMPLE-6": _travel,
    "EXAMPLE-7": _charge_back,
}
"""By reference, which is how a second run knows them. The fifth leaves in 20 days."""
