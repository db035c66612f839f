"""Credit notes and refunds. Amounts are reserved under the lock of the payment."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from commerce import projections, selectors
from commerce.domain import refunds as rules
from commerce.domain import undoing
from commerce.domain.booking.messages import NoteRefund
from commerce.domain.money import CurrenciesMixed
from commerce.domain.refunds import RefundMethod, RefundStatus
from commerce.models import CreditNote, Payment, Refund
from commerce.ports.http import PeerRefused
from commerce.ports.payment import PROVIDERS
from commerce.services import bookings, invoices, name_screening, payments, refund_limits
from commerce.services.actions import action_on
from commerce.services.payments import PaymentNotFound
from events import context, recorder
from events.domain.errors import NotFound, Rejected
from events.sourcing import executor
from ledger import recording
from ledger.domain import money
from ledger.domain.action import Kind, Proof
from ledger.domain.reversals import ReversalKind, StepKind, Undoing
from ledger.reversing import standings
from workflows.work import queue
from workflows.work.domain.claim import Claim

REVERSE_PAYMENT = "commerce.reverse_payment"
ON_ITS_WAY = "It is on its way, and ends by itself: settled, or failed."


class RefundNotFound(NotFound):
    code = "refund_not_found"

    def __init__(self, refund_id: UUID) -> None:
        super().__init__(f"There is no refund {refund_id}.", refund_id=str(refund_id))


class ProviderEndsIt(Rejected):
    code = "provider_ends_refund"
    hint = "See its job in the list of jobs."

    def __init__(self, refund_id: UUID) -> None:
        super().__init__(
            f"Refund {refund_id} is at the provider, which reports its outcome.",
            refund_id=str(refund_id),
        )


def issue_credit_note(
    *, invoice_id: UUID, amount_cents: int, currency: str, reason: str
) -> CreditNote:
    """Adjust an issued invoice. What is paid and due on the invoice itself stays.

    It is a step in the undoing of its issue.

    :raises InvoiceNotFound: if there is no such invoice.
    :raises InvoiceNotCreditable: if it is a draft or void.
    :raises InvoiceOvercredited: if the credit notes would exceed the invoice.
    :raises CurrenciesMixed: if it is in another currency than the invoice.
    :raises PersonNamed: if the reason does.
    """
    name_screening.check_names_nobody(Q(invoices=invoice_id), reason=reason)
    now = timezone.now()
    asked = {"invoice_id": invoice_id, "amount_cents": amount_cents}
    asked |= {"currency": currency, "reason": reason}
    action = action_on("credit_note.issue", kind=Kind.CREATE, reason=reason, asked=asked)
    with recording.recorded(action) as proof:
        invoice = invoices.locked(invoice_id)
        credited_cents = selectors.credited_cents(invoice_id)
        proof.found({**invoices.state_of(invoice), "credited_cents": credited_cents})
        if currency != invoice.currency:
            raise CurrenciesMixed(invoice.currency, currency)
        note = refund_limits.credit_invoice(
            invoice, amount_cents=amount_cents, reason=reason, at=now
        )
        proof.refers_to(note.pk)
        proof.weighs(amount_cents=amount_cents, currency=currency)
        invoices.undo_issue(invoice, amount_cents, is_follow_up=True, proof=proof)
        proof.cannot_be_undone(
            "A credit note is in the customer's books.", follow_ups=(undoing.ISSUE_AGAIN,)
        )
    return note


def request_refund(
    *,
    payment_id: UUID,
    amount_cents: int,
    method: RefundMethod,
    reason: str,
    credit_note_id: UUID | None = None,
    with_credit_note: bool = False,
) -> Refund:
    """Hold an amount against a payment until it has gone back or not.

    A reversal at the provider is a job; every other way is ended by whoever did it. It is a
    step in the undoing of the payment. `with_credit_note` issues one over the same amount, or takes
    one whose money did not go back.

    :raises PaymentNotFound, CreditNoteNotFound: if there is no such thing.
    :raises PaymentNotRefundable: if the payment never came in.
    :raises CreditNoteOfAnotherInvoice: if the two do not belong together.
    :raises RefundExceedsPayment, RefundExceedsCreditNote: if it is more than is left.
    :raises InvoiceNotCreditable, InvoiceOvercredited: if no credit note can be issued.
    :raises NothingToReverse, SettlementWindowClosed: if the provider cannot take it back.
    :raises ReversalRefused: if the payment is being undone, or is undone, as a whole.
    :raises PersonNamed: if the reason does.
    """
    name_screening.check_names_nobody(Q(invoices__payments=payment_id), reason=reason)
    asked = {"payment_id": payment_id, "amount_cents": amount_cents, "method": method}
    asked |= {"reason": reason, "credit_note_id": credit_note_id}
    asked |= {"with_credit_note": True} if with_credit_note else {}
    action = action_on("refund.request", kind=Kind.CREATE, reason=reason, asked=asked)
    with recording.recorded(action) as proof:
        note = None
        if with_credit_note:
            # The invoice first, then the payment: the order of locks.
            invoice = invoices.locked(_invoice_of(payment_id))
            note, is_new = refund_limits.credit_behind(
                invoice, amount_cents=amount_cents, reason=reason, at=timezone.now()
            )
            summary = (
                f"Issued {note.number} and asked" if is_new else f"Asked again under {note.number}"
            )
            proof.says(f"{summary} for the money to go back.")
        payment = refund_limits.locked_payment(payment_id)
        held_cents = selectors.gone_cents(payment)
        proof.found({**payments.state_of(payment), "held_cents": held_cents})
        note = note or refund_limits.locked_note(credit_note_id, payment)
        return _begin(payment, note, amount_cents, method, reason, proof=proof)


def settle_refund(*, refund_id: UUID, provider_ref: str = "") -> Refund:
    """Record that the money has gone back by other means than the provider.

    :raises RefundNotFound: if there is no such refund.
    :raises ProviderEndsIt: if it is a reversal at the provider.
    :raises RefundAlreadyEnded: if it is settled or failed.
    """
    action = action_on("refund.settle", refund_id, asked={"provider_ref": provider_ref})
    with recording.recorded(action) as proof:
        refund = _locked_refund(refund_id)
        proof.found(state_of(refund))
        _check_by_hand(refund)
        return _settle(refund, provider_ref, proof=proof)


def fail_refund(*, refund_id: UUID, reason: str) -> Refund:
    """Record that the money has not gone back, by other means than the provider; free the amount.

    :raises RefundNotFound: if there is no such refund.
    :raises ProviderEndsIt: if it is a reversal at the provider.
    :raises RefundAlreadyEnded: if it is settled or failed.
    :raises PersonNamed: if the reason does.
    """
    name_screening.check_names_nobody(Q(invoices__payments__refunds=refund_id), reason=reason)
    action = action_on(
        "refund.fail",
        refund_id,
        capability="refund.settle",
        reason=reason,
        asked={"reason": reason},
    )
    with recording.recorded(action) as proof:
        refund = _locked_refund(refund_id)
        proof.found(state_of(refund))
        _check_by_hand(refund)
        return _fail(refund, reason, proof=proof)


def reverse_at_provider(*, claim: Claim) -> dict[str, Any]:
    """Have the provider take a capture back. The job of a processor reversal.

    As long as the provider has not answered clearly the refund stays pending and holds.

    :raises PeerUnavailable: if the provider is in trouble: worth another try.
    """
    refund = Refund.objects.select_related("payment__capture").get(pk=claim.input["refundId"])
    if refund.status != RefundStatus.PENDING:
        return {"refundId": str(refund.pk), "status": refund.status}
    capture = refund.payment.capture
    provider = PROVIDERS[capture.provider]
    try:
        reference = provider.refund(
            capture.provider_ref, amount_cents=refund.amount_cents, key=claim.token
        )
    except PeerRefused as refused:
        return _end_reversal(refund.pk, claim, refusal=str(refused))
    return _end_reversal(refund.pk, claim, reference=reference)


def state_of(refund: Refund) -> dict[str, Any]:
    """Return what an approval of a change of a refund depends on."""
    return {"status": refund.status}


def _begin(
    payment: Payment,
    note: CreditNote | None,
    amount_cents: int,
    method: RefundMethod,
    reason: str,
    *,
    proof: Proof,
) -> Refund:
    refund_limits.check_amount(payment, note, amount_cents)
    if method is RefundMethod.PROCESSOR_REVERSAL:
        refund_limits.check_reversible(payment)
    refund = Refund.objects.create(
        payment=payment,
        credit_note=note,
        method=method,
        status=RefundStatus.PENDING,
        amount_cents=amount_cents,
        currency=payment.currency,
        reason=reason,
        requested_by=str(context.current().principal),
    )
    proof.refers_to(refund.pk)
    proof.weighs(amount_cents=amount_cents, currency=refund.currency)
    _undo_payment(refund, StepKind.BEGUN, proof=proof)
    proof.cannot_be_undone(ON_ITS_WAY)
    emit_event("requested", refund, reason=reason)
    if method is RefundMethod.PROCESSOR_REVERSAL:
        queue.enqueue(
            REVERSE_PAYMENT, subject=f"refund/{refund.pk}", input={"refundId": str(refund.pk)}
        )
    return refund


def _undo_payment(refund: Refund, step: StepKind, *, proof: Proof) -> None:
    """Make this a step in the undoing of the payment, if that said how it can be undone."""
    if refund.surplus_of_id is not None:
        return
    entry_id = standings.entry_of("payment", str(refund.payment_id))
    if entry_id is None:
        return
    is_at_provider = refund.method == RefundMethod.PROCESSOR_REVERSAL
    is_revert = is_at_provider and refund.credit_note_id is None
    proof.undoes(
        Undoing(
            of=entry_id,
            step=step,
            kind=ReversalKind.REVERT if is_revert else ReversalKind.COMPENSATE,
            amount_cents=refund.amount_cents,
            is_follow_up=not is_at_provider,
        )
    )


def _invoice_of(payment_id: UUID) -> UUID:
    found = Payment.objects.filter(pk=payment_id).values_list("invoice_id", flat=True).first()
    if found is None:
        raise PaymentNotFound(payment_id)
    return found


def _end_reversal(
    refund_id: UUID, claim: Claim, *, reference: str = "", refusal: str = ""
) -> dict[str, Any]:
    verb = "refund.fail" if refusal else "refund.settle"
    asked = {"provider_ref": reference}
    action = action_on(verb, refund_id, capability="refund.settle", reason=refusal, asked=asked)
    with recording.recorded(action) as proof:
        # It has happened; recording it needs no approval.
        proof.weighs(reported_by_provider=True)
        refund = _locked_refund(refund_id)
        about = Q(invoices__payments__refunds=refund_id)
        refund = (
            _fail(refund, name_screening.without_people(about, refusal), proof=proof)
            if refusal
            else _settle(refund, reference, proof=proof)
        )
        result = {"refundId": str(refund.pk), "status": refund.status}
        queue.complete(claim, result)
    return result


def _locked_refund(refund_id: UUID) -> Refund:
    booking_id = (
        Refund.objects.filter(pk=refund_id)
        .values_list("payment__invoice__booking_id", flat=True)
        .first()
    )
    if booking_id is None:
        raise RefundNotFound(refund_id)
    bookings.lock_booking(booking_id)
    return (
        Refund.objects.select_for_update(of=("self",))
        .select_related("payment__invoice")
        .get(pk=refund_id)
    )


def _check_by_hand(refund: Refund) -> None:
    if refund.method == RefundMethod.PROCESSOR_REVERSAL:
        raise ProviderEndsIt(refund.pk)


def _settle(refund: Refund, provider_ref: str, *, proof: Proof) -> Refund:
    rules.check_can_end(str(refund.pk), RefundStatus(refund.status))
    refund.status = RefundStatus.SETTLED
    refund.provider_ref = provider_ref
    refund.ended_at = timezone.now()
    refund.save()
    proof.weighs(amount_cents=refund.amount_cents, currency=refund.currency)
    proof.says(f"Gave back {money.written(refund.amount_cents, refund.currency)}.")
    _undo_payment(refund, StepKind.SETTLED, proof=proof)
    proof.cannot_be_undone("The refund succeeded.", follow_ups=(undoing.RECORD_AGAIN,))
    emit_event("settled", refund, providerRef=provider_ref)
    if refund.surplus_of_id is None:
        _note_on_booking(refund, at=refund.ended_at)
    return refund


def _note_on_booking(refund: Refund, *, at: datetime) -> None:
    executor.execute_in_transaction(
        projections.BOOKING,
        projections.stream_of(refund.payment.invoice.booking_id),
        NoteRefund(
            refund_id=str(refund.pk),
            amount_cents=refund.amount_cents,
            reason=refund.reason,
            at=at,
        ),
    )


def _fail(refund: Refund, reason: str, *, proof: Proof) -> Refund:
    rules.check_can_end(str(refund.pk), RefundStatus(refund.status))
    refund.status = RefundStatus.FAILED
    refund.failure_reason = reason
    refund.ended_at = timezone.now()
    refund.save()
    proof.says("The money did not go back.")
    _undo_payment(refund, StepKind.RETURNED, proof=proof)
    emit_event("failed", refund, failureReason=reason)
    return refund


def emit_event(what: str, refund: Refund, **more: str) -> None:
    """Record what became of a refund, in the caller's transaction."""
    payment = refund.payment
    recorder.emit(
        f"refund.{what}",
        {
            "refundId": str(refund.pk),
            "paymentId": str(payment.pk),
            "creditNoteId": str(refund.credit_note_id) if refund.credit_note_id else None,
            "surplusOf": str(refund.surplus_of_id) if refund.surplus_of_id else None,
            "invoiceId": str(payment.invoice_id),
            "bookingId": str(payment.invoice.booking_id),
            "method": refund.method,
            "amountCents": refund.amount_cents,
            "currency": refund.currency,
            **more,
        },
        stream=("refund", str(refund.pk)),
        event_id=f"evt_refund_{what}_{refund.pk}",
    )
