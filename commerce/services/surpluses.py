"""Refunds the surplus of a chargeback: what came back beyond what its invoice asks (ADR 0041).

The customer had paid another way meanwhile, so it is theirs. It is a refund of the surplus, not
of a payment: it changes neither invoice nor booking, and is no step in reversing the payment.
"""

from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from commerce import selectors
from commerce.domain import refunds as rules
from commerce.domain.chargebacks import SURPLUS_REFERENCE
from commerce.domain.refunds import NothingToReverse, RefundMethod, RefundStatus
from commerce.models import Chargeback, Refund
from commerce.services import invoices, name_screening, refunds
from commerce.services.actions import action_on
from commerce.services.chargeback_resolutions import ChargebackNotFound
from events import context
from ledger import recording
from ledger.domain.action import Kind

RETURN_SURPLUS: Final = "refund.return_surplus"


def refund_surplus(
    *, chargeback_id: UUID, amount_cents: int, method: RefundMethod, reason: str
) -> Refund:
    """Hold an amount against the surplus of a chargeback until it has gone back or not.

    :raises ChargebackNotFound: if there is no such chargeback.
    :raises RefundExceedsSurplus: if it is more than is left, or there is no surplus.
    :raises NothingToReverse: if a provider is to take it back: it brought it.
    :raises PersonNamed: if the reason does.
    """
    name_screening.check_names_nobody(
        Q(invoices__payments__chargebacks=chargeback_id), reason=reason
    )
    asked = {"chargeback_id": chargeback_id, "amount_cents": amount_cents}
    asked |= {"method": method, "reason": reason}
    action = action_on(
        RETURN_SURPLUS,
        kind=Kind.CREATE,
        capability="refund.request",
        reason=reason,
        asked=asked,
        reference=f"{SURPLUS_REFERENCE}{chargeback_id}",
    )
    with recording.recorded(action) as proof:
        chargeback = _locked(chargeback_id)
        if method is RefundMethod.PROCESSOR_REVERSAL:
            raise NothingToReverse(str(chargeback.payment_id))
        state = state_of(chargeback)
        proof.found(state)
        rules.check_refund_of_surplus(
            chargeback_id=str(chargeback_id), amount_cents=amount_cents, **state
        )
        refund = Refund.objects.create(
            payment=chargeback.payment,
            surplus_of=chargeback.resolution,
            method=method,
            status=RefundStatus.PENDING,
            amount_cents=amount_cents,
            currency=chargeback.currency,
            reason=reason,
            requested_by=str(context.current().principal),
        )
        proof.refers_to(refund.pk)
        proof.weighs(amount_cents=amount_cents, currency=refund.currency)
        proof.says(f"A surplus of {chargeback.provider_ref} is to go back.")
        proof.cannot_be_undone(refunds.ON_ITS_WAY)
        refunds.emit_event("requested", refund, reason=reason)
    return refund


def state_of(chargeback: Chargeback) -> dict[str, Any]:
    """Return what is there of a surplus, and what of it is held. Cents."""
    ended = getattr(chargeback, "resolution", None)
    return {
        "surplus_cents": ended.surplus_cents if ended else 0,
        "held_cents": selectors.surplus_held_cents(chargeback.pk),
    }


def _locked(chargeback_id: UUID) -> Chargeback:
    """Return a chargeback, with its invoice locked: no other refund of its surplus can start."""
    rows = Chargeback.objects.filter(pk=chargeback_id)
    invoice_id = rows.values_list("payment__invoice_id", flat=True).first()
    if invoice_id is None:
        raise ChargebackNotFound(chargeback_id)
    invoices.locked(invoice_id)
    return rows.select_related("payment__invoice", "resolution").get()
