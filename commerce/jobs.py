"""The kinds of job of commerce: each calls one service. Handlers run outside any transaction."""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model
from django.utils import timezone

from commerce import people, selectors, timetable
from commerce.domain.booking.refusals import HoldNotOver, InvalidTransition
from commerce.models import Booking, Invoice
from commerce.schemas import CENTS, CURRENCY, TEXT, TIME, record
from commerce.services import (
    bookings,
    chargeback_resolutions,
    chargeback_reviews,
    chargebacks,
    deliveries,
    invoices,
    refunds,
    settlement,
)
from commerce.services.chargeback_resolutions import ReportedOutcome
from commerce.services.chargebacks import ReportedClaim
from commerce.services.invoices import InvoiceNotDue
from events import bus
from events.domain.envelope import Envelope
from ledger.erasing.erasure import SubjectOnHold
from ledger.services import erasures
from workflows.work.domain.claim import AttemptTimedOut, Claim
from workflows.work.domain.retry import RetryPolicy
from workflows.work.registry import job

SWEEP_MAX = 500
"""Of one kind per pass; what is left is for the next."""
FAILURES_MAX = 10
"""Of one pass, before it gives up."""
_Row = TypeVar("_Row", bound=Model)

logger = logging.getLogger(__name__)

_asks_provider = partial(
    job, retry=RetryPolicy(max_attempts=8, base_s=2, factor=2, cap_s=900, jitter=0.2)
)
_NOTHING = {"type": "object", "maxProperties": 0}

_OUTCOME = record(provider=TEXT, providerRef=TEXT, status=TEXT, reason=TEXT, occurredAt=TIME)


def _naming(key: str) -> dict[str, Any]:
    id_ = {"type": "string", "format": "uuid"}
    return {"type": "object", "properties": {key: id_}, "required": [key]}


@_asks_provider(
    deliveries.SEND_DOCUMENTS,
    capability="booking.send_documents",
    input_schema=_naming("deliveryId"),
)
def send_documents(claim: Claim) -> dict[str, Any]:
    """Hand the documents of a booking to the mail service."""
    return deliveries.deliver(claim=claim)


@_asks_provider(
    settlement.REQUEST_PAYMENT,
    capability="invoice.request_payment",
    input_schema=_naming("invoiceId"),
)
def request_payment(claim: Claim) -> dict[str, Any]:
    """Ask a provider to collect an invoice."""
    return settlement.request_payment(claim=claim)


@_asks_provider(
    settlement.POLL_SETTLEMENT,
    capability="invoice.poll_settlement",
    input_schema=_naming("invoiceId"),
)
def poll_settlement(claim: Claim) -> dict[str, Any]:
    """Ask the providers of an invoice what was paid."""
    invoice_id = UUID(claim.input["invoiceId"])
    return settlement.poll_invoice_settlement(invoice_id=invoice_id)


@_asks_provider(
    refunds.REVERSE_PAYMENT, capability="refund.settle", input_schema=_naming("refundId")
)
def reverse_payment(claim: Claim) -> dict[str, Any]:
    """Have a provider take a capture back."""
    return refunds.reverse_at_provider(claim=claim)


@_asks_provider(
    chargebacks.NOTE_CHARGEBACK,
    capability="chargeback.note",
    input_schema=record(
        provider=TEXT,
        providerRef=TEXT,
        captureRef=TEXT,
        amountCents=CENTS,
        currency=CURRENCY,
        reason=TEXT,
        occurredAt=TIME,
    ),
)
def note_chargeback(claim: Claim) -> None:
    """Take off a payment what its provider took back."""
    chargebacks.note_chargeback(report=ReportedClaim.from_json(claim.input), claim=claim)


@_asks_provider(
    chargeback_resolutions.NOTE_RESOLUTION, capability="chargeback.resolve", input_schema=_OUTCOME
)
def note_resolution(claim: Claim) -> None:
    """Record how a chargeback ended, and book what came back."""
    chargeback_resolutions.note_resolution(
        report=ReportedOutcome.from_json(claim.input), claim=claim
    )


@_asks_provider(
    chargeback_reviews.NOTE_REVIEW, capability="chargeback.resolve", input_schema=_OUTCOME
)
def note_review(claim: Claim) -> None:
    """Record that a chargeback is looked at again."""
    chargeback_reviews.note_review(report=ReportedOutcome.from_json(claim.input), claim=claim)


@job(timetable.EXPIRE_HOLDS, capability="booking.expire", input_schema=_NOTHING, housekeeping=True)
def expire_holds(claim: Claim) -> dict[str, int]:
    """Give up the seats of every booking whose hold is over."""
    over = selectors.holds_that_ended(timezone.now())[:SWEEP_MAX]
    # Prolonged, confirmed or cancelled since the list was read.
    settled = (HoldNotOver, InvalidTransition)

    def expire(booking: Booking) -> None:
        bookings.expire_if_over(booking_id=booking.pk)

    return {"expired": _each(claim, over, expire, settled)}


@job(
    timetable.MARK_OVERDUE,
    capability="invoice.mark_overdue",
    input_schema=_NOTHING,
    housekeeping=True,
)
def mark_overdue(claim: Claim) -> dict[str, int]:
    """Mark every invoice that should have been paid by yesterday."""
    due = selectors.invoices_past_due(timezone.now().date())[:SWEEP_MAX]
    # Paid or voided since the list was read.
    settled = (InvoiceNotDue,)

    def mark(invoice: Invoice) -> None:
        invoices.mark_overdue(invoice_id=invoice.pk)

    return {"marked": _each(claim, due, mark, settled)}


@job(
    timetable.FORGET_DOCUMENTS, capability="subject.erase", input_schema=_NOTHING, housekeeping=True
)
def forget_documents(claim: Claim) -> dict[str, int]:
    """Forget documents of invoices that need be kept no longer."""
    forgotten = 0
    for subject in people.documents_over(timezone.now()):
        claim.check()
        try:
            erasures.erase_subject(subject=subject, reason=people.OVER)
        except SubjectOnHold:
            continue  # A court may ask for it, for years: it must not use up a place of others.
        forgotten += 1
        if forgotten == SWEEP_MAX:
            break
    return {"forgotten": forgotten}


@job(
    timetable.POLL_OPEN,
    capability="invoice.poll_settlement",
    input_schema=_NOTHING,
    timeout_s=300,
    housekeeping=True,
)
def poll_open_settlements(claim: Claim) -> dict[str, int]:
    """Ask the providers about every invoice that is owed and known to one."""
    polled, patience = 0, settlement.Patience()
    for invoice in selectors.invoices_to_poll()[:SWEEP_MAX]:
        claim.check()
        found = settlement.poll_invoice_settlement(invoice_id=invoice.pk, patience=patience)
        polled += bool(found["results"])
    return {"polled": polled}


def _each(
    claim: Claim,
    rows: Iterable[_Row],
    act: Callable[[_Row], object],
    settled: tuple[type[Exception], ...],
) -> int:
    """Do `act` to each row, and return to how many: not to those that are `settled` already.

    :raises Exception: the first failure, when the others have had their turn. Each pass begins
        with the oldest: if it ended there, one row that cannot be handled would keep all back.
    """
    done, failures = 0, list[Exception]()
    for row in rows:
        claim.check()
        try:
            act(row)
        except settled:
            continue
        except AttemptTimedOut:
            raise
        except Exception as error:
            logger.exception("A row was passed over.", extra={"id": str(row.pk)})
            failures.append(error)
            if len(failures) == FAILURES_MAX:
                break  # It is not the rows.
        else:
            done += 1
    if failures:
        raise failures[0]
    return done


def _note_given_up(envelope: Envelope) -> None:
    """Mark a delivery as failed in the transaction in which its job ends."""
    if envelope.data["kind"] == deliveries.SEND_DOCUMENTS:
        deliveries.note_failed(work_id=UUID(envelope.data["jobId"]), error=envelope.data["error"])


def _note_cancelled(envelope: Envelope) -> None:
    """Mark a delivery as cancelled in the transaction in which its job is."""
    if envelope.data["kind"] == deliveries.SEND_DOCUMENTS:
        deliveries.note_cancelled(work_id=UUID(envelope.data["jobId"]))


# A reversal that gave up is not noted: as long as the provider has not said no, the money may
# have gone back, so its refund stays pending and holds the amount until somebody re-drives it.
bus.before_commit("job.dead_lettered", _note_given_up)
bus.before_commit("job.cancelled", _note_cancelled)
