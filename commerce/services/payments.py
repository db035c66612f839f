"""Payments: booked under the lock of their invoice, so that nobody pays the same cent twice."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from commerce import conf
from commerce.domain import horizon, settlement, undoing
from commerce.domain import invoices as rules
from commerce.domain.invoices import InvoiceStatus
from commerce.domain.money import CurrenciesMixed
from commerce.models import Capture, Invoice, Payment, PaymentMethod, PaymentStatus
from commerce.services import invoices, name_screening
from commerce.services.actions import CommandInput, action_on
from events import context, recorder, rows
from events.domain.errors import NotFound, Rejected
from events.domain.times import rfc3339
from ledger import recording
from ledger.domain import money
from ledger.domain.action import Action, Kind, Proof
from ledger.domain.reversals import Declaration


class PaymentNotFound(NotFound):
    code = "payment_not_found"

    def __init__(self, payment_id: UUID) -> None:
        super().__init__(f"There is no payment {payment_id}.", payment_id=str(payment_id))


class PaymentNotPending(Rejected):
    code = "payment_not_pending"
    hint = "Record another payment, or refund this one."

    def __init__(self, payment: Payment) -> None:
        super().__init__(
            f"Payment {payment.pk} is {payment.status}; that is final.",
            payment_id=str(payment.pk),
            status=payment.status,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What a provider says about the money that it took."""

    provider: str
    provider_ref: str
    at: datetime


def record_payment(
    *,
    invoice_id: UUID,
    amount_cents: int,
    currency: str,
    method: PaymentMethod,
    reference: str = "",
    paid_at: datetime | None = None,
    is_pending: bool = False,
) -> Payment:
    """Book money on an invoice, or announce it: pending money changes nothing yet.

    :raises InvoiceNotFound: if there is no such invoice.
    :raises InvoiceNotPayable, InvoiceOverpaid: if the invoice does not ask for it.
    :raises CurrenciesMixed: if it is in another currency than the invoice.
    :raises PersonNamed: if the reference names somebody.
    :raises StillToCome, BeyondHorizon: if it cannot have been paid at `paid_at`.
    """
    horizon.check_happened(paid_at, now=timezone.now(), pointer="/paid_at")
    name_screening.check_names_nobody(Q(invoices=invoice_id), reference=reference)
    asked = {
        "invoice_id": invoice_id,
        "amount_cents": amount_cents,
        "currency": currency,
        "method": method,
        "reference": reference,
        "paid_at": paid_at,
        "is_pending": is_pending,
    }
    action = action_of("payment.record", kind=Kind.CREATE, asked=asked)
    with recording.recorded(action) as proof:
        invoice = invoices.locked(invoice_id)
        proof.found(invoices.state_of(invoice))
        _check(invoice, amount_cents=amount_cents, currency=currency)
        payment = _insert(
            invoice,
            amount_cents=amount_cents,
            method=method,
            reference=reference,
            paid_at=None if is_pending else paid_at or timezone.now(),
            proof=proof,
        )
        if not is_pending:
            _apply(invoice, payment, proof=proof)
            proof.can_be_undone(_declared(payment))
    return payment


def complete_payment(*, payment_id: UUID, paid_at: datetime | None = None) -> Payment:
    """Record that announced money has come.

    :raises PaymentNotFound: if there is no such payment.
    :raises PaymentNotPending: if it ended before.
    :raises InvoiceNotPayable, InvoiceOverpaid: if the invoice does not ask for it any more.
    :raises StillToCome, BeyondHorizon: if it cannot have been paid at `paid_at`.
    """
    horizon.check_happened(paid_at, now=timezone.now(), pointer="/paid_at")
    action = action_of("payment.complete", payment_id, asked={"paid_at": paid_at})
    with recording.recorded(action) as proof:
        invoice, payment = _locked_pending(payment_id)
        proof.found(state_of(payment))
        proof.weighs(amount_cents=payment.amount_cents, currency=payment.currency)
        _check(invoice, amount_cents=payment.amount_cents, currency=payment.currency)
        payment.status = PaymentStatus.COMPLETED
        payment.paid_at = paid_at or timezone.now()
        rows.update(payment)
        _apply(invoice, payment, proof=proof)
        proof.can_be_undone(_declared(payment))
    return payment


def fail_payment(*, payment_id: UUID, reason: str) -> Payment:
    """Record that announced money will not come.

    :raises PaymentNotFound: if there is no such payment.
    :raises PaymentNotPending: if it ended before.
    :raises PersonNamed: if the reason does.
    """
    name_screening.check_names_nobody(Q(invoices__payments=payment_id), reason=reason)
    action = action_of("payment.fail", payment_id, reason=reason, asked={"reason": reason})
    with recording.recorded(action) as proof:
        _, payment = _locked_pending(payment_id)
        proof.found(state_of(payment))
        payment.status = PaymentStatus.FAILED
        payment.failure_reason = reason
        rows.update(payment)
    return payment


def book_captured(
    invoice: Invoice,
    *,
    amount_cents: int,
    reference: str,
    paid_at: datetime,
    captured: Captured,
    proof: Proof,
) -> Payment:
    """Book what a provider captured on a locked invoice, in the caller's transaction."""
    payment = _insert(
        invoice,
        amount_cents=amount_cents,
        method=PaymentMethod.CREDIT_CARD,
        reference=reference,
        paid_at=paid_at,
        provider=captured.provider,
        proof=proof,
    )
    capture = Capture.objects.create(
        payment=payment,
        provider=captured.provider,
        provider_ref=captured.provider_ref,
        amount_cents=amount_cents,
        captured_at=captured.at,
        window_closes_at=settlement.window_closes_at(captured.at, window=conf.SETTLEMENT_WINDOW),
    )
    _apply(invoice, payment, proof=proof)
    proof.can_be_undone(
        undoing.of_capture(
            amount_cents=amount_cents,
            currency=payment.currency,
            until=capture.window_closes_at,
        )
    )
    return payment


def book_returned(
    invoice: Invoice, *, amount_cents: int, reference: str, captured: Captured, proof: Proof
) -> Payment:
    """Book on a locked invoice what a provider gave back of a chargeback.

    It is money that comes in anew, under an entry of its own beside that of `proof`. The provider
    cannot take it back by a reversal: that was possible in the window of the first capture.
    """
    payment = Payment.objects.create(
        invoice=invoice,
        status=PaymentStatus.COMPLETED,
        method=PaymentMethod.CREDIT_CARD,
        amount_cents=amount_cents,
        currency=invoice.currency,
        reference=reference,
        provider=captured.provider,
        paid_at=captured.at,
        recorded_by=str(context.current().principal),
    )
    Capture.objects.create(
        payment=payment,
        provider=captured.provider,
        provider_ref=captured.provider_ref,
        amount_cents=amount_cents,
        captured_at=captured.at,
        window_closes_at=captured.at,
    )
    _apply(invoice, payment, proof=proof)
    recording.record_further_target(
        action_of("payment.record", payment.pk, kind=Kind.CREATE),
        f"{captured.provider} gave back {money.written(amount_cents, invoice.currency)}.",
        declared=_declared(payment),
    )
    return payment


def take_back(invoice: Invoice, payment: Payment, *, amount_cents: int, proof: Proof) -> None:
    """Let money of a locked payment be charged back; its locked invoice asks for it again."""
    payment.charged_back_cents += amount_cents
    if payment.charged_back_cents == payment.amount_cents:
        payment.status = PaymentStatus.CHARGED_BACK
    payment.save(update_fields=["charged_back_cents", "status"])
    invoice.paid_cents -= amount_cents
    invoice.balance_due_cents = invoice.total_cents - invoice.paid_cents
    invoice.status = rules.status_when_paid(
        status=InvoiceStatus(invoice.status),
        total_cents=invoice.total_cents,
        paid_cents=invoice.paid_cents,
    )
    invoices.store(invoice, proof=proof)


def state_of(payment: Payment) -> dict[str, Any]:
    """Return what an approval of a change of a payment depends on."""
    return {"status": payment.status, "amount_cents": payment.amount_cents}


def action_of(
    name: str,
    payment_id: UUID | str = "",
    *,
    kind: Kind = Kind.UPDATE,
    reason: str = "",
    asked: CommandInput | None = None,
) -> Action:
    """Return what is put on record about a payment."""
    may = "payment.record"
    return action_on(name, payment_id, kind=kind, capability=may, reason=reason, asked=asked)


def _declared(payment: Payment) -> Declaration:
    return undoing.of_payment(amount_cents=payment.amount_cents, currency=payment.currency)


def _check(invoice: Invoice, *, amount_cents: int, currency: str) -> None:
    if currency != invoice.currency:
        raise CurrenciesMixed(invoice.currency, currency)
    rules.check_can_pay(
        invoice_id=str(invoice.pk),
        status=invoice.status,
        due_cents=invoice.balance_due_cents,
        amount_cents=amount_cents,
    )


def _insert(
    invoice: Invoice,
    *,
    amount_cents: int,
    method: PaymentMethod,
    reference: str,
    paid_at: datetime | None,
    proof: Proof,
    provider: str = "",
) -> Payment:
    payment = Payment(
        invoice=invoice,
        status=PaymentStatus.PENDING if paid_at is None else PaymentStatus.COMPLETED,
        method=method,
        amount_cents=amount_cents,
        currency=invoice.currency,
        reference=reference,
        provider=provider,
        paid_at=paid_at,
        recorded_by=str(context.current().principal),
    )
    rows.insert(payment)
    proof.refers_to(payment.pk)
    proof.weighs(amount_cents=amount_cents, currency=invoice.currency)
    return payment


def _locked_pending(payment_id: UUID) -> tuple[Invoice, Payment]:
    # The invoice first, then the payment: the order of locks.
    invoice_id = Payment.objects.filter(pk=payment_id).values_list("invoice_id", flat=True).first()
    if invoice_id is None:
        raise PaymentNotFound(payment_id)
    invoice = invoices.locked(invoice_id)
    payment = Payment.objects.select_for_update().get(pk=payment_id)
    if payment.status != PaymentStatus.PENDING:
        raise PaymentNotPending(payment)
    return invoice, payment


def _apply(invoice: Invoice, payment: Payment, *, proof: Proof) -> None:
    assert payment.paid_at is not None, "only completed payments are applied"
    invoice.paid_cents += payment.amount_cents
    invoice.balance_due_cents = invoice.total_cents - invoice.paid_cents
    invoice.status = rules.status_when_paid(
        status=InvoiceStatus(invoice.status),
        total_cents=invoice.total_cents,
        paid_cents=invoice.paid_cents,
    )
    invoices.store(invoice, proof=proof)
    paid = money.written(payment.amount_cents, payment.currency)
    proof.says(f"Paid {paid} on {invoice.number}.")
    recorder.emit(
        "invoice.payment.recorded",
        {
            **invoices.identity(invoice),
            "paymentId": str(payment.pk),
            "amountCents": payment.amount_cents,
            "currency": payment.currency,
            "paymentMethod": payment.method,
            "status": payment.status,
            "referenceNumber": payment.reference,
            "paymentDate": rfc3339(payment.paid_at),
            "occurredAt": rfc3339(payment.paid_at),
        },
        stream=invoices.stream_of(invoice),
        event_id=f"evt_payment_recorded_{payment.pk}",
    )
