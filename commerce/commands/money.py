"""Commands on payments, credit notes, refunds and chargebacks."""

from typing import Any
from uuid import UUID

from commerce.commands.registration import POSITIVE, REASON, moment, register, yet_to_be_made
from commerce.domain.chargebacks import RESOLVED, ChargebackStatus
from commerce.domain.refunds import BY_HAND, RefundMethod
from commerce.models import Chargeback, Payment, PaymentMethod, Refund
from commerce.schemas import CURRENCY, FLAG, ID, TEXT, TIME, nullable, record
from commerce.services import (
    chargeback_resolutions,
    chargeback_reviews,
    payments,
    refunds,
    surpluses,
)
from commerce.services.chargeback_resolutions import ChargebackNotFound
from commerce.services.payments import PaymentNotFound
from commerce.services.refunds import RefundNotFound
from events.domain.canonical import JSON


def _payment_state(target_id: str) -> JSON:
    row = Payment.objects.filter(pk=target_id).first()
    if row is None:
        raise PaymentNotFound(UUID(target_id))
    return payments.state_of(row)


def _refund_state(target_id: str) -> JSON:
    row = Refund.objects.filter(pk=target_id).first()
    if row is None:
        raise RefundNotFound(UUID(target_id))
    return refunds.state_of(row)


def _chargeback_state(target_id: str) -> JSON:
    row = Chargeback.objects.filter(pk=target_id).first()
    if row is None:
        raise ChargebackNotFound(UUID(target_id))
    return chargeback_resolutions.state_of(row)


def _record_payment(_target_id: str, asked: dict[str, Any]) -> str:
    payment = payments.record_payment(
        invoice_id=UUID(asked["invoice_id"]),
        amount_cents=asked["amount_cents"],
        currency=asked["currency"],
        method=PaymentMethod(asked["method"]),
        reference=asked.get("reference", ""),
        paid_at=moment(asked.get("paid_at")),
        is_pending=asked.get("is_pending", False),
    )
    return str(payment.pk)


def _complete_payment(target_id: str, asked: dict[str, Any]) -> str:
    paid_at = moment(asked.get("paid_at"))
    return str(payments.complete_payment(payment_id=UUID(target_id), paid_at=paid_at).pk)


def _fail_payment(target_id: str, asked: dict[str, Any]) -> str:
    return str(payments.fail_payment(payment_id=UUID(target_id), reason=asked["reason"]).pk)


def _issue_credit_note(_target_id: str, asked: dict[str, Any]) -> str:
    note = refunds.issue_credit_note(**{**asked, "invoice_id": UUID(asked["invoice_id"])})
    return str(note.pk)


def _request_refund(_target_id: str, asked: dict[str, Any]) -> str:
    note = asked.get("credit_note_id")
    refund = refunds.request_refund(
        payment_id=UUID(asked["payment_id"]),
        amount_cents=asked["amount_cents"],
        method=RefundMethod(asked["method"]),
        reason=asked["reason"],
        credit_note_id=UUID(note) if note else None,
        with_credit_note=asked.get("with_credit_note", False),
    )
    return str(refund.pk)


def _settle_refund(target_id: str, asked: dict[str, Any]) -> str:
    provider_ref = asked.get("provider_ref", "")
    return str(refunds.settle_refund(refund_id=UUID(target_id), provider_ref=provider_ref).pk)


def _fail_refund(target_id: str, asked: dict[str, Any]) -> str:
    return str(refunds.fail_refund(refund_id=UUID(target_id), reason=asked["reason"]).pk)


def _return_surplus(_target_id: str, asked: dict[str, Any]) -> str:
    refund = surpluses.refund_surplus(
        chargeback_id=UUID(asked["chargeback_id"]),
        amount_cents=asked["amount_cents"],
        method=RefundMethod(asked["method"]),
        reason=asked["reason"],
    )
    return str(refund.pk)


def _review_chargeback(target_id: str, asked: dict[str, Any]) -> str:
    reviewed = chargeback_reviews.review_chargeback(
        chargeback_id=UUID(target_id),
        reason=asked["reason"],
        occurred_at=moment(asked.get("occurred_at")),
    )
    return str(reviewed.pk)


def _resolve_chargeback(target_id: str, asked: dict[str, Any]) -> str:
    resolved = chargeback_resolutions.resolve_chargeback(
        chargeback_id=UUID(target_id),
        status=ChargebackStatus(asked["status"]),
        reason=asked["reason"],
        occurred_at=moment(asked.get("occurred_at")),
    )
    return str(resolved.pk)


register(
    "payment.record",
    "Book money on an invoice.",
    _record_payment,
    schema=record(
        ("reference", "paid_at", "is_pending"),
        invoice_id=ID,
        amount_cents=POSITIVE,
        currency=CURRENCY,
        method={"enum": [method.value for method in PaymentMethod]},
        reference=TEXT,
        paid_at=nullable(TIME),
        is_pending=FLAG,
    ),
    state_of=yet_to_be_made,
    makes=True,
)
for _name, _meaning, _run, _schema in (
    (
        "payment.complete",
        "Note that announced money has come.",
        _complete_payment,
        record(("paid_at",), paid_at=nullable(TIME)),
    ),
    (
        "payment.fail",
        "Note that announced money will not come.",
        _fail_payment,
        record(reason=REASON),
    ),
):
    register(
        _name,
        _meaning,
        _run,
        schema=_schema,
        state_of=_payment_state,
        capability="payment.record",
    )
register(
    "credit_note.issue",
    "Issue a credit note on an invoice.",
    _issue_credit_note,
    schema=record(invoice_id=ID, amount_cents=POSITIVE, currency=CURRENCY, reason=REASON),
    state_of=yet_to_be_made,
    makes=True,
)
register(
    "refund.request",
    "Give money of a payment back.",
    _request_refund,
    schema=record(
        ("credit_note_id", "with_credit_note"),
        payment_id=ID,
        amount_cents=POSITIVE,
        method={"enum": [method.value for method in RefundMethod]},
        reason=REASON,
        credit_note_id=nullable(ID),
        with_credit_note=FLAG,
    ),
    state_of=yet_to_be_made,
    makes=True,
)
register(
    "refund.settle",
    "Note that money has gone back.",
    _settle_refund,
    schema=record(("provider_ref",), provider_ref=TEXT),
    state_of=_refund_state,
)
register(
    "refund.fail",
    "Note that money has not gone back.",
    _fail_refund,
    schema=record(reason=REASON),
    state_of=_refund_state,
    capability="refund.settle",
)
register(
    "chargeback.review",
    "Note that a chargeback is looked at again.",
    _review_chargeback,
    schema=record(
        ("occurred_at",), reason={**REASON, "maxLength": 200}, occurred_at=nullable(TIME)
    ),
    state_of=_chargeback_state,
    capability="chargeback.resolve",
)
register(
    surpluses.RETURN_SURPLUS,
    "Refund the surplus of a won chargeback.",
    _return_surplus,
    schema=record(
        chargeback_id=ID,
        amount_cents=POSITIVE,
        method={"enum": [method.value for method in BY_HAND]},
        reason=REASON,
    ),
    state_of=yet_to_be_made,
    capability="refund.request",
    makes=True,
)
register(
    "chargeback.resolve",
    "Note how a chargeback ended.",
    _resolve_chargeback,
    schema=record(
        ("occurred_at",),
        status={"enum": [status.value for status in RESOLVED]},
        reason={**REASON, "maxLength": 200},
        occurred_at=nullable(TIME),
    ),
    state_of=_chargeback_state,
)
