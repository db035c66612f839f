"""Proposes refunds: of a cancelled booking, and of the surplus of a chargeback that was won.

A proposal is a request for approval; nothing is refunded yet. It is made in the name of whoever
cancelled or recorded the outcome, so somebody else decides; then the requester executes it, or
Daybook does where the policy says so. Unclear cases are left to people.
"""

from typing import Any, Final
from uuid import UUID

from commerce import selectors
from commerce.domain import undoing
from commerce.domain.booking.refusals import BookingNotFound
from commerce.domain.booking.state import Status
from commerce.domain.cancellation import RefundType
from commerce.domain.refunds import BY_HAND, RefundMethod
from commerce.models import Booking, Chargeback, Payment, PaymentStatus
from commerce.services import surpluses
from commerce.services.chargeback_resolutions import ChargebackNotFound
from events import context
from events.domain.errors import Forbidden
from events.domain.principal import Principal, PrincipalKind
from ledger.access import current_rights
from ledger.approving import demands
from ledger.approving.reference import ApprovalNotNeeded
from ledger.domain.policy import Execute, PolicyMissing
from ledger.domain.reversals import ReversalExpired, ReversalRefused
from ledger.models import Approval
from ledger.reversing import standings
from ledger.services import approvals, reversals

MAY: Final = "refund.request"

NOT_CANCELLED: Final = "not_cancelled"
NOTHING_DUE: Final = "nothing_due"
MANUAL_REVIEW: Final = "manual_review"


def propose_refund(*, booking_id: UUID) -> dict[str, str]:
    """Request approval to refund what the terms grant, as the current principal; once.

    Return `approvalId`, or `because`: why no approval was requested.

    :raises BookingNotFound: if there is no such booking.
    """
    booking = Booking.objects.filter(pk=booking_id).first()
    if booking is None:
        raise BookingNotFound(str(booking_id))
    paid = list(Payment.objects.filter(invoice__booking=booking, status=PaymentStatus.COMPLETED))
    because = _why_not(booking, paid)
    if because:
        return {"because": because}
    try:
        current_rights.demand_current(context.current().principal, MAY)
        approval = _ask(booking, paid[0])
    except (Forbidden, ApprovalNotNeeded, ReversalRefused, PolicyMissing) as why:
        return {"because": why.code}
    return {"approvalId": str(approval.pk)}


def propose_surplus(*, chargeback_id: UUID) -> dict[str, str]:
    """Request approval to refund the surplus of a chargeback, as the current principal; once.

    Return `approvalId`, or `because`: why no approval was requested. In the name of a provider
    it is requested only if Daybook executes what is approved: a provider cannot.

    :raises ChargebackNotFound: if there is no such chargeback.
    """
    rows = Chargeback.objects.select_related("resolution", "payment")
    chargeback = rows.filter(pk=chargeback_id).first()
    if chargeback is None:
        raise ChargebackNotFound(chargeback_id)
    state = surpluses.state_of(chargeback)
    amount_cents = state["surplus_cents"] - state["held_cents"]
    if amount_cents <= 0:
        return {"because": NOTHING_DUE}
    method = _way_back(chargeback)
    by = context.current().principal
    if method is None or not (_is_somebody(by) or _is_carried_out(chargeback, amount_cents, by)):
        return {"because": MANUAL_REVIEW}
    asked = {
        "chargeback_id": str(chargeback_id),
        "amount_cents": amount_cents,
        "method": method.value,
        "reason": f"Chargeback {chargeback.provider_ref} is {chargeback.status}.",
    }
    try:
        current_rights.demand_current(by, MAY)
        approval = approvals.request_command_approval(
            command=surpluses.RETURN_SURPLUS, target_id="", input=asked
        )
    except (Forbidden, ApprovalNotNeeded, PolicyMissing) as why:
        return {"because": why.code}
    return {"approvalId": str(approval.pk)}


def _way_back(chargeback: Chargeback) -> RefundMethod | None:
    """Return the way on which the customer had paid otherwise, if money goes back on it by hand."""
    otherwise = Payment.objects.filter(
        invoice=chargeback.payment.invoice_id, status=PaymentStatus.COMPLETED, capture=None
    )
    ways = set(otherwise.values_list("method", flat=True))
    return RefundMethod(ways.pop()) if len(ways) == 1 and ways <= set(BY_HAND) else None


def _is_somebody(by: Principal) -> bool:
    return by.kind is not PrincipalKind.SYSTEM


def _is_carried_out(chargeback: Chargeback, amount_cents: int, by: Principal) -> bool:
    known = demands.circumstances(
        action=surpluses.RETURN_SURPLUS,
        capability=MAY,
        target_type="refund",
        state=surpluses.state_of(chargeback),
        facts={"amount_cents": amount_cents, "currency": chargeback.currency},
        by=by,
    )
    needed = demands.approval_needed(known)
    return needed is not None and needed.policy.execute == Execute.ON_APPROVAL


def _why_not(booking: Booking, paid: list[Payment]) -> str:
    if booking.status != Status.CANCELLED:
        return NOT_CANCELLED
    entitlement: dict[str, Any] | None = booking.entitlement
    if entitlement is None or entitlement["reason"]:
        return MANUAL_REVIEW
    if not paid or not selectors.due_back_cents(booking):
        return NOTHING_DUE
    if entitlement["refundType"] != RefundType.CASH:
        return MANUAL_REVIEW
    # Which of several payments is to go back is for people to say.
    is_plain = len(paid) == 1 and standings.entry_of("payment", str(paid[0].pk)) is not None
    return "" if is_plain else MANUAL_REVIEW


def _ask(booking: Booking, payment: Payment) -> Approval:
    entry_id = standings.entry_of("payment", str(payment.pk))
    assert entry_id is not None, "a payment that says no way back is left to people"
    reason = f"Booking {booking.number} was cancelled."
    try:
        return reversals.request_reversal(entry_id=entry_id, reason=reason)
    except ReversalExpired:
        # The provider takes nothing back any more: it goes back by a new act.
        return reversals.request_reversal(
            entry_id=entry_id, reason=reason, command=undoing.REFUND_PAYMENT
        )
