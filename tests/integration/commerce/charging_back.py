"""Let a provider take money back in tests, and see that the books still add up."""

from datetime import datetime
from typing import Any

from commerce import invariants
from commerce.domain.chargebacks import ChargebackStatus
from commerce.domain.refunds import RefundMethod
from commerce.models import Chargeback, Payment, Refund
from commerce.services import chargeback_resolutions, chargebacks, refunds
from commerce.services.chargeback_resolutions import ReportedOutcome
from commerce.services.chargebacks import ReportedClaim
from events import context
from events.domain.principal import Principal
from ledger import drift
from ledger.invariants.reversals import reversals_are_sound, standings_follow_from_entries
from tests.integration.commerce.acting import status_of, work_off
from workflows.work.domain.claim import WorkRef

PROVIDER = "system:payment_provider/demo"


def claim_back(payment: Payment, cents: int = 24_000, ref: str = "cb_1", **facts: Any) -> WorkRef:
    """Take in what the provider says, as its notification would."""
    claim = {
        "provider": "demo",
        "provider_ref": ref,
        "capture_ref": payment.capture.provider_ref,
        "amount_cents": cents,
        "currency": "EUR",
        "reason": "fraudulent",
        "occurred_at": datetime.fromisoformat("2026-11-28T09:00:00Z"),
    }
    with context.acting(Principal.parse(PROVIDER)):
        return chargebacks.report_chargeback(report=ReportedClaim(**{**claim, **facts}))


def note(payment: Payment, cents: int = 24_000, ref: str = "cb_1") -> Chargeback:
    claim_back(payment, cents, ref)
    work_off()
    return Chargeback.objects.get(provider_ref=ref)


def end(status: str, ref: str = "cb_1") -> WorkRef:
    """Let the provider tell how a chargeback ended."""
    report = ReportedOutcome(
        provider="demo",
        provider_ref=ref,
        status=ChargebackStatus(status),
        reason="The bank has decided.",
        occurred_at=datetime.fromisoformat("2026-11-28T10:00:00Z"),
    )
    with context.acting(Principal.parse(PROVIDER)):
        work = chargeback_resolutions.report_resolution(report=report)
    # What followed from what was done before may be due first.
    while status_of(work.id) == "ready":
        work_off()
    return work


def give_back(payment: Payment, cents: int) -> Refund:
    return refunds.request_refund(
        payment_id=payment.pk,
        amount_cents=cents,
        method=RefundMethod.BANK_TRANSFER,
        reason="Rain",
        with_credit_note=True,
    )


def nothing_is_wrong() -> bool:
    found = [
        *invariants.payments_add_up(),
        *invariants.money_back_is_covered(),
        *invariants.chargebacks_add_up(),
        *invariants.resolutions_return_what_was_taken(),
        *invariants.invoices_add_up(),
        *reversals_are_sound(),
        *standings_follow_from_entries(),
        *[each.check.name for each in drift.find_drift() if not each.is_none],
    ]
    assert found == []
    return True
