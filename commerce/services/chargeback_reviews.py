"""Reviews of chargebacks: the merchant has contested one, and the bank decides.

The provider reports it, signed, or a person records it. It is recorded once, and only while the
chargeback is open: a late report does not reopen it (ADR 0041).
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from commerce.domain import horizon
from commerce.domain.chargebacks import (
    ChargebackResolved,
    ChargebackStatus,
    ChargebackUnknown,
)
from commerce.models import Chargeback, ChargebackReview
from commerce.services import invoices, name_screening, provider_reports
from commerce.services.actions import action_on
from commerce.services.chargeback_resolutions import ChargebackNotFound, ReportedOutcome, state_of
from events import recorder
from events.domain.times import rfc3339
from ledger import recording
from ledger.domain.action import Proof
from workflows.work import queue
from workflows.work.domain.claim import Claim, WorkRef

NOTE_REVIEW = "commerce.note_review"
MAY = "chargeback.resolve"
_GOES_ON = "The dispute continues until its outcome is reported."


def report_review(*, report: ReportedOutcome) -> WorkRef:
    """Have a job take note that a chargeback is looked at again. Reported again, it is listed.

    :raises StillToCome, BeyondHorizon: if it cannot have happened when the provider says.
    :raises JobKeyConflict: if the provider said something else of it before.
    """
    return provider_reports.note_later(report=report, of="review", job=NOTE_REVIEW, capability=MAY)


def note_review(*, report: ReportedOutcome, claim: Claim) -> None:
    """Record what a provider reviews, as the job that was listed.

    :raises ChargebackUnknown: if no such chargeback is noted: worth another try.
    """
    terms = provider_reports.terms_of(report)
    action = action_on("chargeback.review", capability=MAY, reason=report.reason, asked=terms)
    with recording.recorded(action) as proof:
        proof.weighs(reported_by_provider=True)
        try:
            noted = _review(report, proof=proof)
        except ChargebackResolved as ended:
            # Messages come in any order: this one was overtaken.
            proof.changes_nothing()
            queue.complete(claim, {"status": ended.facts["status"], "noted": 0})
            return
        queue.complete(claim, {"status": ChargebackStatus.UNDER_REVIEW.value, "noted": noted})


def review_chargeback(
    *, chargeback_id: UUID, reason: str, occurred_at: datetime | None = None
) -> Chargeback:
    """Record by hand that a claim is under review, over all payments that it was taken off.

    :raises ChargebackNotFound: if there is no such chargeback.
    :raises ChargebackResolved: if it has ended.
    :raises PersonNamed: if the reason names somebody.
    :raises StillToCome, BeyondHorizon: if it cannot have happened at `occurred_at`.
    """
    horizon.check_happened(occurred_at, now=timezone.now(), pointer="/occurred_at")
    name_screening.check_names_nobody(
        Q(invoices__payments__chargebacks=chargeback_id), reason=reason
    )
    asked = {"reason": reason, "occurred_at": occurred_at}
    action = action_on(
        "chargeback.review", chargeback_id, capability=MAY, reason=reason, asked=asked
    )
    with recording.recorded(action) as proof:
        known = Chargeback.objects.filter(pk=chargeback_id).first()
        if known is None:
            raise ChargebackNotFound(chargeback_id)
        report = ReportedOutcome(
            provider=known.provider,
            provider_ref=known.provider_ref,
            status=ChargebackStatus.UNDER_REVIEW,
            reason=reason,
            occurred_at=occurred_at or timezone.now(),
        )
        _review(report, proof=proof, asked_of=known)
    return Chargeback.objects.select_related("review", "resolution").get(pk=chargeback_id)


def _review(report: ReportedOutcome, *, proof: Proof, asked_of: Chargeback | None = None) -> int:
    """Record every part of a claim, that of `asked_of` first; return of how many it was new."""
    of_claim = Chargeback.objects.filter(provider=report.provider, provider_ref=report.provider_ref)
    invoice_id = of_claim.values_list("payment__invoice_id", flat=True).first()
    if invoice_id is None:
        raise ChargebackUnknown(report.provider, report.provider_ref)
    # A resolution locks the invoice too: the second of the two sees what the first has done.
    invoices.locked(invoice_id)
    reason = name_screening.without_people(Q(invoices=invoice_id), report.reason)
    report = replace(report, reason=reason)
    found = list(of_claim.select_related("payment__invoice", "review", "resolution").order_by("pk"))
    found.sort(key=lambda each: each != asked_of)
    proof.refers_to(found[0].pk)
    proof.found(state_of(found[0]))
    if hasattr(found[0], "resolution"):
        ended = found[0].resolution.status
        raise ChargebackResolved(report.provider, report.provider_ref, status=ended)
    new = [each for each in found if not hasattr(each, "review")]
    if not new:
        proof.changes_nothing()
        return 0
    proof.cannot_be_undone(_GOES_ON)
    for each in new:
        summary = _note(each, report)
        if each == found[0]:
            proof.says(summary)
        else:
            too = action_on("chargeback.review", each.pk, capability=MAY, reason=report.reason)
            recording.record_further_target(too, summary)
    return len(new)


def _note(chargeback: Chargeback, report: ReportedOutcome) -> str:
    ChargebackReview.objects.create(
        chargeback=chargeback, reason=report.reason, occurred_at=report.occurred_at
    )
    recorder.emit(
        "chargeback.under_review",
        _payload(chargeback, report),
        stream=("chargeback", str(chargeback.pk)),
        event_id=f"evt_chargeback_under_review_{chargeback.pk}",
    )
    return f"{chargeback.provider_ref} is under review."


def _payload(chargeback: Chargeback, report: ReportedOutcome) -> dict[str, Any]:
    invoice = chargeback.payment.invoice
    return {
        "chargebackId": str(chargeback.pk),
        "paymentId": str(chargeback.payment_id),
        "invoiceId": str(invoice.pk),
        "bookingId": str(invoice.booking_id),
        "provider": chargeback.provider,
        "providerRef": chargeback.provider_ref,
        "reason": report.reason,
        "occurredAt": rfc3339(report.occurred_at),
    }
