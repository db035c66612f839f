"""Reversals of invoices and payments."""

from uuid import UUID

from commerce import selectors
from commerce.domain import undoing
from commerce.domain.refunds import RefundMethod
from commerce.domain.reversals import money as plans
from commerce.domain.reversals.money import ChargedBack, InvoiceFound, PaymentFound
from commerce.models import Delivery, DeliveryStatus, Invoice, Payment
from commerce.reversals.registration import register
from commerce.services import invoices, refunds
from commerce.services.invoices import InvoiceNotFound
from commerce.services.payments import PaymentNotFound
from ledger import timelines
from ledger.domain.action import Target
from ledger.domain.plans import OriginalAction, Plan
from ledger.domain.reversals import ReversalKind


def _look_at_invoice(original: OriginalAction) -> InvoiceFound:
    invoice = Invoice.objects.filter(pk=original.target.id).first()
    if invoice is None:
        raise InvoiceNotFound(UUID(original.target.id))
    return _found(invoice)


def _look_at_payment(original: OriginalAction) -> PaymentFound:
    rows = Payment.objects.select_related("invoice__booking")
    payment = rows.filter(pk=original.target.id).first()
    if payment is None:
        raise PaymentNotFound(UUID(original.target.id))
    return PaymentFound(
        id=str(payment.pk),
        invoice=_found(payment.invoice),
        status=payment.status,
        method=payment.method if not payment.provider else "",
        amount_cents=payment.amount_cents,
        held_cents=selectors.refund_held_cents(payment_id=payment.pk),
        provider=payment.provider,
        entitled_cents=selectors.due_back_cents(payment.invoice.booking),
        charged_back=_charged_back(payment),
    )


def _charged_back(payment: Payment) -> list[ChargedBack]:
    taken = payment.chargebacks.filter(charged_back_cents__gt=0).order_by("noted_at", "pk")
    return [
        ChargedBack(
            amount_cents=each.charged_back_cents,
            entry_id=timelines.last_of(
                {Target(type="chargeback", id=str(each.pk)): "chargeback.note"}
            ),
        )
        for each in taken
    ]


def _found(invoice: Invoice) -> InvoiceFound:
    sent = Delivery.objects.filter(booking=invoice.booking_id, status=DeliveryStatus.SENT)
    return InvoiceFound(
        id=str(invoice.pk),
        number=invoice.number or "",
        status=invoice.status,
        revision=invoice.revision,
        total_cents=invoice.total_cents,
        credited_cents=selectors.credited_cents(invoice.pk),
        unused_note_cents=max(
            (note.left_cents for note in selectors.unused_notes(invoice.pk)), default=0
        ),
        currency=invoice.currency,
        payments=invoice.payments.exclude(status="failed").count(),
        credit_notes=invoice.credit_notes.count(),
        documents_sent=sent.count(),
    )


def _void(original: OriginalAction, plan: Plan) -> None:
    invoices.void_invoice(
        invoice_id=UUID(plan.input["invoice_id"]),
        reason=original.reason,
        expected_version=plan.input["expected_version"],
    )


def _credit(original: OriginalAction, plan: Plan) -> None:
    refunds.issue_credit_note(
        invoice_id=UUID(plan.input["invoice_id"]),
        amount_cents=plan.input["amount_cents"],
        currency=plan.input["currency"],
        reason=original.reason,
    )


def _give_back(original: OriginalAction, plan: Plan) -> None:
    refunds.request_refund(
        payment_id=UUID(plan.input["payment_id"]),
        amount_cents=plan.input["amount_cents"],
        method=RefundMethod(plan.input["method"]),
        reason=original.reason,
        with_credit_note=plan.input["with_credit_note"],
    )


def _invoice_of(original: OriginalAction) -> Invoice | None:
    return Invoice.objects.filter(pk=original.target.id).first()


register(
    undoing.VOID_INVOICE,
    "Void the invoice: nothing was paid or credited on it.",
    kind=ReversalKind.COMPENSATE,
    look=_look_at_invoice,
    plan=plans.void,
    policy_facts=plans.policy_facts_of_voiding,
    run=_void,
    object_of=_invoice_of,
)
register(
    undoing.CREDIT_INVOICE,
    "Issue a credit note over what is left of the invoice.",
    kind=ReversalKind.COMPENSATE,
    capability="credit_note.issue",
    look=_look_at_invoice,
    plan=plans.credit,
    policy_facts=plans.policy_facts_of_crediting,
    run=_credit,
)
register(
    undoing.REVERSE_PAYMENT,
    "Have the provider take the capture back, while it still can.",
    kind=ReversalKind.REVERT,
    capability="refund.request",
    look=_look_at_payment,
    plan=plans.reverse,
    policy_facts=plans.policy_facts_of_giving_back,
    run=_give_back,
)
register(
    undoing.REFUND_PAYMENT,
    "Give the money back by a new act, with a credit note.",
    kind=ReversalKind.COMPENSATE,
    capability="refund.request",
    look=_look_at_payment,
    plan=plans.refund,
    policy_facts=plans.policy_facts_of_giving_back,
    run=_give_back,
)
