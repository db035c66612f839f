"""How chargebacks end: won, lost or withdrawn, once, and what comes back is booked (ADR 0041).

The provider reports it, signed, or a person records what it wrote. The record of the chargeback
does not change: what comes back is a payment of its own, caused by the chargeback.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from commerce.domain import chargebacks as rules
from commerce.domain import horizon
from commerce.domain.chargebacks import (
    ChargebackResolved,
    ChargebackStatus,
    ChargebackUnknown,
    Return,
)
from commerce.models import Chargeback, ChargebackResolution, Invoice, Payment
from commerce.services import invoices, name_screening, payments, provider_reports
from commerce.services.actions import action_on
from commerce.services.payments import Captured
from events import context, recorder
from events.domain.errors import NotFound
from events.domain.times import rfc3339
from ledger import recording, timelines
from ledger.domain import money
from ledger.domain.action import Proof, Target
from ledger.domain.reversals import Declaration, ReversalKind
from workflows.work import queue
from workflows.work.domain.claim import Claim, WorkRef

NOTE_RESOLUTION = "commerce.note_resolution"
_MAY = "chargeback.resolve"
_FINAL = "It was decided outside of Daybook."


class ChargebackNotFound(NotFound):
    code = "chargeback_not_found"

    def __init__(self, chargeback_id: UUID) -> None:
        super().__init__(
            f"There is no chargeback {chargeback_id}.", chargeback_id=str(chargeback_id)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedOutcome:
    """What a provider says of the end of a chargeback, under its own name for it."""

    provider: str
    provider_ref: str
    status: ChargebackStatus
    reason: str
    occurred_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Return the input of the job that notes it."""
        return {
            "provider": self.provider,
            "providerRef": self.provider_ref,
            "status": self.status.value,
            "reason": self.reason,
            "occurredAt": self.occurred_at.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(
            provider=data["provider"],
            provider_ref=data["providerRef"],
            status=ChargebackStatus(data["status"]),
            reason=data["reason"],
            occurred_at=datetime.fromisoformat(data["occurredAt"]),
        )


def report_resolution(*, report: ReportedOutcome) -> WorkRef:
    """Have a job take note of how a chargeback ended. Reported again, it is listed already.

    :raises StillToCome, BeyondHorizon: if it cannot have happened when the provider says.
    :raises JobKeyConflict: if the provider said something else of it before.
    """
    return provider_reports.note_later(
        report=report, of="resolution", job=NOTE_RESOLUTION, capability=_MAY
    )


def note_resolution(*, report: ReportedOutcome, claim: Claim) -> None:
    """Record what a provider decided. The job behind `report_resolution`.

    :raises ChargebackUnknown: if no such chargeback is noted: worth another try.
    :raises ChargebackResolved: if it ended otherwise before.
    """
    terms = provider_reports.terms_of(report)
    action = action_on("chargeback.resolve", capability=_MAY, reason=report.reason, asked=terms)
    with ExitStack() as story, recording.recorded(action) as proof:
        proof.weighs(reported_by_provider=True)
        resolutions = _resolve(report, story, proof=proof)
        queue.complete(
            claim,
            {
                "status": report.status.value,
                "returnedCents": sum(each.returned_cents for each in resolutions),
                "surplusCents": sum(each.surplus_cents for each in resolutions),
            },
        )


def resolve_chargeback(
    *,
    chargeback_id: UUID,
    status: ChargebackStatus,
    reason: str,
    occurred_at: datetime | None = None,
) -> Chargeback:
    """Record by hand how a chargeback ended, over all payments that it was taken off.

    :raises ChargebackNotFound: if there is no such chargeback.
    :raises ChargebackResolved: if it ended otherwise before.
    :raises PersonNamed: if the reason names somebody.
    :raises StillToCome, BeyondHorizon: if it cannot have happened at `occurred_at`.
    """
    horizon.check_happened(occurred_at, now=timezone.now(), pointer="/occurred_at")
    name_screening.check_names_nobody(
        Q(invoices__payments__chargebacks=chargeback_id), reason=reason
    )
    asked = {"status": status, "reason": reason, "occurred_at": occurred_at}
    action = action_on("chargeback.resolve", chargeback_id, reason=reason, asked=asked)
    with ExitStack() as story, recording.recorded(action) as proof:
        known = Chargeback.objects.filter(pk=chargeback_id).first()
        if known is None:
            raise ChargebackNotFound(chargeback_id)
        report = ReportedOutcome(
            provider=known.provider,
            provider_ref=known.provider_ref,
            status=status,
            reason=reason,
            occurred_at=occurred_at or timezone.now(),
        )
        _resolve(report, story, proof=proof, asked_of=known)
    return Chargeback.objects.select_related("review", "resolution").get(pk=chargeback_id)


def state_of(chargeback: Chargeback) -> dict[str, Any]:
    """Return what an approval of the end of a chargeback depends on."""
    return {"status": chargeback.status.value}


def _resolve(
    report: ReportedOutcome, story: ExitStack, *, proof: Proof, asked_of: Chargeback | None = None
) -> list[ChargebackResolution]:
    """Resolve every part of a claim, that of `asked_of` first, as consequences of the chargebacks.

    The entry of `proof` is that of the first; `story` says why until it is written.
    """
    of_claim = Chargeback.objects.filter(provider=report.provider, provider_ref=report.provider_ref)
    invoice_id = of_claim.values_list("payment__invoice_id", flat=True).first()
    if invoice_id is None:
        raise ChargebackUnknown(report.provider, report.provider_ref)
    invoice = invoices.locked(invoice_id)
    reason = name_screening.without_people(Q(invoices=invoice_id), report.reason)
    report = replace(report, reason=reason)
    # Under the lock of the invoice: a concurrent resolution is done, or waits.
    found = list(
        of_claim.select_related("payment__capture", "review", "resolution").order_by(
            "noted_at", "pk"
        )
    )
    found.sort(key=lambda each: each != asked_of)
    proof.refers_to(found[0].pk)
    proof.found(state_of(found[0]))
    proof.weighs(
        amount_cents=sum(each.charged_back_cents for each in found), currency=invoice.currency
    )
    if ended := [each.resolution for each in found if hasattr(each, "resolution")]:
        if ended[0].status != report.status:
            raise ChargebackResolved(report.provider, report.provider_ref, status=ended[0].status)
        proof.changes_nothing()
        return ended
    [first, *others] = found
    story.enter_context(context.caused_by(_entry_of(first)))
    return [
        _resolve_part(first, invoice, report, proof=proof),
        *(_resolve_other_part(other, invoice, report, proof=proof) for other in others),
    ]


def _resolve_part(
    chargeback: Chargeback, invoice: Invoice, report: ReportedOutcome, *, proof: Proof
) -> ChargebackResolution:
    back = rules.money_back(
        report.status,
        charged_back_cents=chargeback.charged_back_cents,
        due_cents=invoice.balance_due_cents,
    )
    payment = _booked(chargeback, invoice, back, report, proof=proof)
    resolution = ChargebackResolution.objects.create(
        chargeback=chargeback,
        status=report.status.value,
        returned_cents=back.returned_cents,
        surplus_cents=back.surplus_cents,
        payment=payment,
        reason=report.reason,
        occurred_at=report.occurred_at,
    )
    proof.says(_summary(resolution, chargeback))
    proof.cannot_be_undone(_FINAL)
    _emit(resolution, chargeback, invoice)
    return resolution


def _resolve_other_part(
    chargeback: Chargeback, invoice: Invoice, report: ReportedOutcome, *, proof: Proof
) -> ChargebackResolution:
    with context.caused_by(_entry_of(chargeback)):
        resolution = _resolve_part(chargeback, invoice, report, proof=proof)
        recording.record_further_target(
            action_on("chargeback.resolve", chargeback.pk, reason=report.reason),
            _summary(resolution, chargeback),
            declared=Declaration(kind=ReversalKind.NONE, why=_FINAL),
        )
    return resolution


def _booked(
    chargeback: Chargeback, invoice: Invoice, back: Return, report: ReportedOutcome, *, proof: Proof
) -> Payment | None:
    if not back.returned_cents:
        return None
    return payments.book_returned(
        invoice,
        amount_cents=back.returned_cents,
        reference=report.provider_ref,
        captured=Captured(
            provider=report.provider,
            # Under the same name: a bank that takes it once more finds it.
            provider_ref=chargeback.payment.capture.provider_ref,
            at=report.occurred_at,
        ),
        proof=proof,
    )


def _summary(resolution: ChargebackResolution, chargeback: Chargeback) -> str:
    back = money.written(resolution.returned_cents, chargeback.currency)
    surplus = money.written(resolution.surplus_cents, chargeback.currency)
    return (
        f"{chargeback.provider_ref} is {resolution.status}: {back} are back, "
        f"{surplus} beyond what is due."
    )


def _entry_of(chargeback: Chargeback) -> str:
    noted = timelines.last_of({Target(type="chargeback", id=str(chargeback.pk)): "chargeback.note"})
    return str(noted) if noted else context.current().causation_id or ""


def _emit(resolution: ChargebackResolution, chargeback: Chargeback, invoice: Invoice) -> None:
    recorder.emit(
        "chargeback.resolved",
        {
            "chargebackId": str(chargeback.pk),
            "paymentId": str(chargeback.payment_id),
            "invoiceId": str(invoice.pk),
            "bookingId": str(invoice.booking_id),
            "provider": chargeback.provider,
            "providerRef": chargeback.provider_ref,
            "status": resolution.status,
            "chargedBackCents": chargeback.charged_back_cents,
            "disputedCents": chargeback.disputed_cents,
            "returnedCents": resolution.returned_cents,
            "surplusCents": resolution.surplus_cents,
            "returnedPaymentId": str(resolution.payment_id) if resolution.payment_id else None,
            "currency": chargeback.currency,
            "reason": resolution.reason,
            "occurredAt": rfc3339(resolution.occurred_at),
        },
        stream=("chargeback", str(chargeback.pk)),
        event_id=f"evt_chargeback_resolved_{chargeback.pk}",
    )
