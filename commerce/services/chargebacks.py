"""Chargebacks: a provider reports that it took money back, and it is booked once.

It has already happened, so it needs no approval and amends no entry. Its entry is caused by the
last refund of the payment, or by its capture (ADR 0034).
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from django.db.models import Q

from commerce import selectors
from commerce.domain import chargebacks as rules
from commerce.domain import undoing
from commerce.domain.chargebacks import CaptureUnknown, ChargebackContradicted, Split
from commerce.domain.money import CurrenciesMixed
from commerce.models import CAME_IN, Chargeback, Invoice, Payment
from commerce.services import invoices, name_screening, payments, provider_reports
from commerce.services.actions import action_on
from events import context, recorder
from events.domain.times import rfc3339
from ledger import recording, timelines
from ledger.domain import money
from ledger.domain.action import Action, Kind, Proof, Target
from ledger.domain.reversals import ReversalKind, Undoing
from ledger.reversing import standings
from workflows.work import queue
from workflows.work.domain.claim import Claim, WorkRef

NOTE_CHARGEBACK = "commerce.note_chargeback"
_MAY = "chargeback.note"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedClaim:
    """What a provider says that it took back, under its own names for claim and capture."""

    provider: str
    provider_ref: str
    capture_ref: str
    amount_cents: int
    currency: str
    reason: str
    occurred_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Return the input of the job that notes it."""
        return {
            "provider": self.provider,
            "providerRef": self.provider_ref,
            "captureRef": self.capture_ref,
            "amountCents": self.amount_cents,
            "currency": self.currency,
            "reason": self.reason,
            "occurredAt": self.occurred_at.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(
            provider=data["provider"],
            provider_ref=data["providerRef"],
            capture_ref=data["captureRef"],
            amount_cents=data["amountCents"],
            currency=data["currency"],
            reason=data["reason"],
            occurred_at=datetime.fromisoformat(data["occurredAt"]),
        )


def report_chargeback(*, report: ReportedClaim) -> WorkRef:
    """Have a job take note of a chargeback. Reported again, it is listed already.

    :raises StillToCome, BeyondHorizon: if it cannot have happened when the provider says.
    :raises JobKeyConflict: if the provider said something else of it before.
    """
    return provider_reports.note_later(
        report=report, of="chargeback", job=NOTE_CHARGEBACK, capability=_MAY
    )


def note_chargeback(*, report: ReportedClaim, claim: Claim | None = None) -> list[Chargeback]:
    """Take off payments what their provider took back: with a `claim`, as the job that was listed.

    One claim is noted once, however often it is told. What it claims beyond what is left has gone
    back already: that part is disputed. Where one capture was booked as several payments, it
    comes off as many as it takes, those first of which most is left; each has an entry.

    :raises CaptureUnknown: if no such capture is booked: worth another try.
    :raises CurrenciesMixed: if it is in another currency than the payment.
    :raises ChargebackContradicted: if it was noted as something else.
    """
    # The entry is written when the inner block ends, while the outer one still says why.
    with ExitStack() as story, recording.recorded(_action(report)) as proof:
        _weigh(report, proof=proof)
        invoice, captured = _locked_capture(report)
        reason = name_screening.without_people(Q(invoices=invoice.pk), report.reason)
        report = replace(report, reason=reason)
        noted = _known(report, invoice)
        if noted:
            proof.changes_nothing()
        else:
            [first, *others] = _parts(report, captured)
            story.enter_context(context.caused_by(_cause_of(first[0])))
            noted = [
                _note(invoice, *first, report, proof=proof),
                *(_note_other_part(invoice, *other, report) for other in others),
            ]
        if claim is not None:
            queue.complete(claim, _result(noted))
    return noted


def _action(report: ReportedClaim) -> Action:
    terms = provider_reports.terms_of(report)
    return action_on(
        "chargeback.note", kind=Kind.CREATE, capability=_MAY, reason=report.reason, asked=terms
    )


def _weigh(report: ReportedClaim, *, proof: Proof) -> None:
    proof.weighs(reported_by_provider=True)
    proof.weighs(amount_cents=report.amount_cents, currency=report.currency)


def _result(noted: list[Chargeback]) -> dict[str, Any]:
    return {
        "chargebackIds": [str(each.pk) for each in noted],
        "chargedBackCents": sum(each.charged_back_cents for each in noted),
        "disputedCents": sum(each.disputed_cents for each in noted),
    }


def _locked_capture(report: ReportedClaim) -> tuple[Invoice, list[Payment]]:
    captured = Payment.objects.filter(
        capture__provider=report.provider,
        capture__provider_ref=report.capture_ref,
        status__in=CAME_IN,
    )
    invoice_id = captured.values_list("invoice_id", flat=True).first()
    if invoice_id is None:
        raise CaptureUnknown(report.provider, report.capture_ref)
    # The invoice first, then its payments: the order of locks.
    invoice = invoices.locked(invoice_id)
    of_invoice = captured.filter(invoice=invoice_id)
    return invoice, list(of_invoice.select_for_update(of=("self",)).order_by("pk"))


def _known(report: ReportedClaim, invoice: Invoice) -> list[Chargeback]:
    known = list(
        Chargeback.objects.filter(provider=report.provider, provider_ref=report.provider_ref)
    )
    if report.currency != invoice.currency:
        raise CurrenciesMixed(invoice.currency, report.currency)
    if known and sum(each.claimed_cents for each in known) != report.amount_cents:
        raise ChargebackContradicted(report.provider, report.provider_ref)
    return known


def _parts(report: ReportedClaim, captured: list[Payment]) -> list[tuple[Payment, Split]]:
    left_cents = [each.amount_cents - selectors.gone_cents(each) for each in captured]
    parts = rules.split(claimed_cents=report.amount_cents, left_cents=left_cents)
    return [(captured[place], part) for place, part in parts.items()]


def _note_other_part(
    invoice: Invoice, payment: Payment, part: Split, report: ReportedClaim
) -> Chargeback:
    with (
        context.caused_by(_cause_of(payment)),
        recording.recorded_in_transaction(_action(report)) as proof,
    ):
        _weigh(report, proof=proof)
        return _note(invoice, payment, part, report, proof=proof)


def _note(
    invoice: Invoice, payment: Payment, part: Split, report: ReportedClaim, *, proof: Proof
) -> Chargeback:
    chargeback = Chargeback.objects.create(
        payment=payment,
        provider=report.provider,
        provider_ref=report.provider_ref,
        claimed_cents=part.charged_back_cents + part.disputed_cents,
        charged_back_cents=part.charged_back_cents,
        disputed_cents=part.disputed_cents,
        currency=report.currency,
        reason=report.reason,
        occurred_at=report.occurred_at,
    )
    proof.refers_to(chargeback.pk)
    claimed, charged_back, disputed = (
        money.written(cents, report.currency)
        for cents in (chargeback.claimed_cents, part.charged_back_cents, part.disputed_cents)
    )
    proof.says(
        f"{report.provider} claims {claimed}: {charged_back} charged back, {disputed} disputed."
    )
    proof.cannot_be_undone("The provider has taken the money.", follow_ups=(undoing.RECORD_AGAIN,))
    if part.charged_back_cents:
        payments.take_back(invoice, payment, amount_cents=part.charged_back_cents, proof=proof)
        _undo_payment(payment, part.charged_back_cents, proof=proof)
        _emit_invoice(invoice, payment, chargeback)
    _emit(invoice, payment, chargeback)
    return chargeback


def _cause_of(payment: Payment) -> str:
    """Return the entry from which a chargeback follows: the last that gave money back."""
    gave_back = {
        Target(type="refund", id=str(id_)): "refund.request"
        for id_ in payment.refunds.filter(surplus_of=None)
        .exclude(status="failed")
        .values_list("pk", flat=True)
    } | {
        Target(type="chargeback", id=str(id_)): "chargeback.note"
        for id_ in payment.chargebacks.values_list("pk", flat=True)
    }
    last = timelines.last_of(gave_back)
    captured = last or standings.entry_of("payment", str(payment.pk))
    return str(captured) if captured else context.current().causation_id or ""


def _undo_payment(payment: Payment, amount_cents: int, *, proof: Proof) -> None:
    """Make this a step in the undoing of the payment, whenever it comes."""
    entry_id: UUID | None = standings.entry_of("payment", str(payment.pk))
    if entry_id is not None:
        proof.undoes(
            Undoing(
                of=entry_id,
                kind=ReversalKind.COMPENSATE,
                amount_cents=amount_cents,
                is_follow_up=True,
            )
        )


def _emit(invoice: Invoice, payment: Payment, chargeback: Chargeback) -> None:
    recorder.emit(
        "chargeback.noted",
        {
            "chargebackId": str(chargeback.pk),
            "paymentId": str(payment.pk),
            "invoiceId": str(invoice.pk),
            "bookingId": str(invoice.booking_id),
            "provider": chargeback.provider,
            "providerRef": chargeback.provider_ref,
            "claimedCents": chargeback.claimed_cents,
            "chargedBackCents": chargeback.charged_back_cents,
            "disputedCents": chargeback.disputed_cents,
            "currency": chargeback.currency,
            "reason": chargeback.reason,
            "occurredAt": rfc3339(chargeback.occurred_at),
        },
        stream=("chargeback", str(chargeback.pk)),
        event_id=f"evt_chargeback_noted_{chargeback.pk}",
    )


def _emit_invoice(invoice: Invoice, payment: Payment, chargeback: Chargeback) -> None:
    recorder.emit(
        "invoice.payment.charged_back",
        {
            **invoices.identity(invoice),
            "paymentId": str(payment.pk),
            "chargebackId": str(chargeback.pk),
            "amountCents": chargeback.charged_back_cents,
            "currency": chargeback.currency,
            "status": invoice.status,
            "paidCents": invoice.paid_cents,
            "balanceDueCents": invoice.balance_due_cents,
        },
        stream=invoices.stream_of(invoice),
        event_id=f"evt_payment_charged_back_{chargeback.pk}",
    )
