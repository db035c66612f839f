"""Settlement: query the providers for payments, and book those that are not booked yet.

The provider is called outside any transaction. The difference is computed under the lock of the
invoice, so concurrent polls, or two providers that report the same money, book it once.
"""

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from commerce import selectors
from commerce.domain import settlement as rules
from commerce.domain.invoices import PAYABLE, InvoiceNotPayable
from commerce.domain.money import CurrenciesMixed
from commerce.domain.settlement import SettlementReport
from commerce.models import ExternalRef, Invoice, Payment
from commerce.ports.http import PeerUnavailable
from commerce.ports.payment import PROVIDERS
from commerce.services import invoices, payments
from commerce.services.actions import action_on
from commerce.services.payments import Captured
from events import recorder
from events.domain.errors import Conflict, DomainError, Rejected
from events.domain.times import rfc3339_or_none
from ledger import recording
from ledger.domain.action import Kind, Proof
from workflows.work import queue
from workflows.work import selectors as jobs
from workflows.work.domain.claim import AttemptTimedOut, Claim, WorkRef
from workflows.work.domain.life import State

logger = logging.getLogger(__name__)

NO_POLLER = "No settlement poller configured"
REQUEST_PAYMENT = "commerce.request_payment"
POLL_SETTLEMENT = "commerce.poll_settlement"
LOST_S_MAX = 30.0
"""How long one pass over many invoices waits for a provider in vain, all in all."""


class ProviderUnknown(Rejected):
    code = "provider_unknown"
    hint = "Name one of those in `known`."

    def __init__(self, provider: str) -> None:
        super().__init__(
            f"There is no payment provider {provider!r}.",
            pointer="/provider",
            provider=provider,
            known=sorted(PROVIDERS),
        )


class PaymentRequestEnded(Conflict):
    code = "payment_request_ended"
    hint = "Look at the provider whether it collects, and record the payment by hand."

    def __init__(self, invoice_id: UUID, provider: str, job_id: UUID) -> None:
        super().__init__(
            f"Job {job_id} asked {provider} to collect, and was put away before it learned whether "
            "it does.",
            invoice_id=str(invoice_id),
            provider=provider,
            job_id=str(job_id),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What came of one reference: the payment that was booked, if any, or why not."""

    ref: ExternalRef
    payment: Payment | None = None
    newly_applied_cents: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the shape of a poll's result."""
        ref = self.ref
        return {
            "provider": ref.provider,
            "externalRefId": str(ref.pk),
            "externalId": ref.external_id,
            "externalNumber": ref.external_number,
            "externalUrl": ref.external_url,
            "status": ref.status,
            "paidAmountCents": ref.paid_amount_cents,
            "unpaidAmountCents": ref.unpaid_amount_cents,
            "syncedAt": rfc3339_or_none(ref.synced_at),
            "settledAt": rfc3339_or_none(ref.settled_at),
            "createdPaymentId": str(self.payment.pk) if self.payment else None,
            "newlyAppliedAmountCents": self.newly_applied_cents,
            "syncError": ref.sync_error or None,
        }


@dataclass(frozen=True, slots=True)
class Patience:
    """What a pass over many invoices has lost to providers that did not answer, in seconds.

    One that hangs costs its timeout for each invoice: soon the rest of the pass goes without it.
    """

    lost_s: dict[str, float] = field(default_factory=dict)

    def is_over(self, provider: str) -> bool:
        """Return whether `provider` is left alone."""
        return self.lost_s.get(provider, 0) >= LOST_S_MAX

    def lose(self, provider: str, seconds: float) -> None:
        """Count a call that brought nothing."""
        self.lost_s[provider] = self.lost_s.get(provider, 0) + seconds
        if self.is_over(provider):
            logger.warning("A provider is left alone by this pass.", extra={"provider": provider})


def ask_for_payment(*, invoice_id: UUID, provider: str) -> WorkRef:
    """Have a provider collect what is due on an invoice, as a job.

    :raises ProviderUnknown: if there is no such provider.
    :raises InvoiceNotFound: if there is no such invoice.
    :raises InvoiceNotPayable: if nothing is due on it.
    :raises PaymentRequestEnded: if the job that asked was put away after it had tried.
    """
    if provider not in PROVIDERS:
        raise ProviderUnknown(provider)
    asked = {"provider": provider}
    action = action_on("invoice.request_payment", invoice_id, kind=Kind.EXECUTE, asked=asked)
    with recording.recorded(action) as proof:
        invoice = invoices.locked(invoice_id)
        if invoice.status not in PAYABLE:
            raise InvoiceNotPayable(str(invoice_id), invoice.status)
        work = queue.enqueue(
            REQUEST_PAYMENT,
            subject=f"invoice/{invoice_id}",
            input={"invoiceId": str(invoice_id), "provider": provider},
            idempotency_key=_request_key(invoice_id, provider),
        )
        proof.answers_with(work.id)
        proof.says(f"Job {work.id} asks {provider}.")
    return work


def _request_key(invoice_id: UUID, provider: str) -> str:
    # Asked twice, the provider is asked once: it would collect twice otherwise. Only a job that
    # was cancelled before it had tried leaves no doubt, and makes room for another.
    asked = jobs.jobs().of_kind(REQUEST_PAYMENT).about(subject=f"invoice/{invoice_id}")
    ended = asked.filter(status__in=[State.CANCELLED.value, State.DISCARDED.value])
    ours = [job for job in ended if jobs.input_of(job)["provider"] == provider]
    for job in ours:
        if job.attempt:
            raise PaymentRequestEnded(invoice_id, provider, job.pk)
    key = f"request-payment:{invoice_id}:{provider}"
    return f"{key}:{len(ours) + 1}" if ours else key


def request_payment(*, claim: Claim) -> dict[str, Any]:
    """Ask the provider for the money. The job behind `ask_for_payment`.

    :raises InvoiceNotPayable: if it was paid or voided meanwhile.
    :raises PeerUnavailable, PeerRefused, PeerMissing: as the provider says.
    """
    provider = claim.input["provider"]
    invoice = Invoice.objects.get(pk=claim.input["invoiceId"])
    if invoice.status not in PAYABLE:
        raise InvoiceNotPayable(str(invoice.pk), invoice.status)
    report = PROVIDERS[provider].request(
        amount_cents=invoice.balance_due_cents,
        currency=invoice.currency,
        reference=invoice.number or "",
        key=claim.token,
    )
    with recording.recorded(action_on("settlement.note", invoice.pk, kind=Kind.EXECUTE)):
        invoices.locked(invoice.pk)
        ref, _ = ExternalRef.objects.update_or_create(
            invoice=invoice, provider=provider, defaults=_known(report)
        )
        result = {"externalId": ref.external_id, "externalUrl": ref.external_url}
        queue.complete(claim, result)
    return result


def ask_for_poll(*, invoice_id: UUID) -> WorkRef:
    """Have the providers of an invoice asked what was paid, as a job.

    :raises InvoiceNotFound: if there is no such invoice.
    """
    with recording.recorded(
        action_on("invoice.poll_settlement", invoice_id, kind=Kind.EXECUTE)
    ) as proof:
        invoices.locked(invoice_id)
        work = queue.enqueue(
            POLL_SETTLEMENT,
            subject=f"invoice/{invoice_id}",
            input={"invoiceId": str(invoice_id)},
        )
        proof.answers_with(work.id)
        proof.says(f"Job {work.id} asks.")
    return work


def poll_invoice_settlement(
    *, invoice_id: UUID, patience: Patience | None = None
) -> dict[str, Any]:
    """Ask every provider that knows an invoice, and record what is new, even if one fails.

    Those with whom the `patience` of a pass is over are not asked.

    :raises InvoiceNotFound: if there is no such invoice.
    """
    patience = patience or Patience()
    refs = ExternalRef.objects.filter(invoice=invoice_id).order_by("created_at")
    results = [_poll_one(ref, patience) for ref in refs if not patience.is_over(ref.provider)]
    invoice = Invoice.objects.filter(pk=invoice_id).first()
    if invoice is None:
        raise invoices.InvoiceNotFound(invoice_id)
    return {
        "invoiceId": str(invoice_id),
        "invoiceStatus": invoice.status,
        "paidCents": invoice.paid_cents,
        "balanceDueCents": invoice.balance_due_cents,
        "results": [result.as_json() for result in results],
    }


def book_report(*, ref: ExternalRef, report: SettlementReport) -> Applied:
    """Book what a provider says of an invoice that it knows, as far as that is new.

    :raises CurrenciesMixed: if it is in another currency than the invoice.
    :raises InvoiceNotPayable: if nothing is due on it any more.
    """
    asked = {"ref_id": ref.pk, "report": report}
    action = payments.action_of("payment.capture", kind=Kind.CREATE, asked=asked)
    with recording.recorded(action) as proof:
        # It has happened; recording it needs no approval.
        proof.weighs(reported_by_provider=True)
        invoice = invoices.locked(ref.invoice_id)
        stored = ExternalRef.objects.select_for_update().get(pk=ref.pk)
        reference = rules.reference_of(
            report,
            stored=(stored.external_number, stored.external_id),
            number=invoice.number or "",
        )
        for name, value in _known(report).items():
            setattr(stored, name, value)
        stored.sync_error = ""
        stored.save()
        return _book(invoice, stored, report, reference, proof=proof)


def _poll_one(ref: ExternalRef, patience: Patience) -> Applied:
    poller = PROVIDERS.get(ref.provider)
    if poller is None:
        return _note_error(ref, NO_POLLER)
    asked_at = time.monotonic()
    try:
        report = poller.poll(ref.external_id)
        return book_report(ref=ref, report=report)
    except PeerUnavailable as error:
        patience.lose(ref.provider, time.monotonic() - asked_at)
        return _note_error(ref, str(error))
    except DomainError as error:
        return _note_error(ref, str(error))
    except AttemptTimedOut:
        raise  # It is our time that is up, whatever the provider would have said.
    except Exception as error:
        # The one edge of this app: a provider that answers nonsense is not our bug.
        logger.exception("A settlement report could not be used.", extra={"ref": str(ref.pk)})
        return _note_error(ref, f"{type(error).__name__}: {error}")


def _book(
    invoice: Invoice, ref: ExternalRef, report: SettlementReport, reference: str, *, proof: Proof
) -> Applied:
    if report.currency is not None and report.currency != invoice.currency:
        raise CurrenciesMixed(invoice.currency, report.currency)
    newly = rules.newly_applied_cents(
        total_cents=invoice.total_cents,
        paid_cents=invoice.paid_cents,
        reported_cents=report.paid_amount_cents or 0,
        charged_back_cents=selectors.charged_back_cents(invoice_id=invoice.pk),
    )
    if newly == 0:
        proof.changes_nothing()
        return Applied(ref=ref)
    if invoice.status not in PAYABLE:
        raise InvoiceNotPayable(str(invoice.pk), invoice.status)
    at = _settled_at(report)
    captured = Captured(
        provider=ref.provider, provider_ref=report.capture_id or ref.external_id, at=at
    )
    payment = payments.book_captured(
        invoice,
        amount_cents=newly,
        reference=reference,
        paid_at=at,
        captured=captured,
        proof=proof,
    )
    recorder.emit(
        "invoice.settled",
        {
            "invoiceId": str(invoice.pk),
            "paymentId": str(payment.pk),
            "provider": ref.provider,
            "newlyAppliedAmountCents": newly,
            "paidCents": invoice.paid_cents,
            "balanceDueCents": invoice.balance_due_cents,
        },
        stream=invoices.stream_of(invoice),
        event_id=f"evt_invoice_settled_{payment.pk}",
    )
    return Applied(ref=ref, payment=payment, newly_applied_cents=newly)


def _note_error(ref: ExternalRef, error: str) -> Applied:
    action = action_on("settlement.note", ref.invoice_id, kind=Kind.EXECUTE)
    with recording.recorded(action) as proof:
        stored = ExternalRef.objects.select_for_update().get(pk=ref.pk)
        if stored.sync_error == error[:1000]:
            # What is open is asked about every minute, for days.
            proof.changes_nothing()
        else:
            stored.sync_error = error[:1000]
            stored.save(update_fields=["sync_error"])
    return Applied(ref=stored)


def _known(report: SettlementReport) -> dict[str, Any]:
    """Return the columns that the report says something about: what it left out stays."""
    columns = {
        "external_id": report.external_id,
        "external_number": report.external_number,
        "external_url": report.external_url,
        "status": report.status,
        "paid_amount_cents": report.paid_amount_cents,
        "unpaid_amount_cents": report.unpaid_amount_cents,
        "settled_at": report.settled_at,
        "synced_at": report.synced_at or timezone.now(),
    }
    return {name: value for name, value in columns.items() if value is not None}


def _settled_at(report: SettlementReport) -> datetime:
    return report.settled_at or report.synced_at or timezone.now()
