"""Propose what a cancelled booking gives back: approval is asked for, nothing is done.

It is asked in the name of who cancelled, so somebody else decides; then they carry it out, or
Daybook does where the policy says so. Whatever is not plain is left to people.
"""

from typing import Any, Final
from uuid import UUID

from commerce.domain import undoing
from commerce.domain.booking.refusals import BookingNotFound
from commerce.domain.booking.state import Status
from commerce.models import Booking, Payment, PaymentStatus
from events import context
from events.domain.errors import Forbidden
from ledger import current_rights, standings
from ledger.approving.reference import ApprovalNotNeeded
from ledger.domain.policy import PolicyMissing
from ledger.domain.reversals import ReversalExpired, ReversalRefused
from ledger.models import Approval
from ledger.services import reversals

MAY: Final = "refund.request"

NOT_CANCELLED: Final = "not_cancelled"
NOTHING_DUE: Final = "nothing_due"
MANUAL_REVIEW: Final = "manual_review"


def propose_refund(*, booking_id: UUID) -> dict[str, str]:
    """Ask for approval to give back what the terms say, as whoever acts; once.

    Return `approvalId`, or `because`: why nobody was asked.

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


def _why_not(booking: Booking, paid: list[Payment]) -> str:
    if booking.status != Status.CANCELLED:
        return NOT_CANCELLED
    entitlement: dict[str, Any] | None = booking.entitlement
    if entitlement is None or entitlement["reason"]:
        return MANUAL_REVIEW
    if not paid or not entitlement["amountCents"]:
        return NOTHING_DUE
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
