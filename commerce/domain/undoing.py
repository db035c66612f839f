"""How each action of commerce can be undone: by which command, until when, how much of it.

This is recorded in the entry of the action, so later changes of the code do not affect it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from commerce.domain.booking.state import HOLDING, TRANSITIONS, Status
from ledger.domain.reversals import Declaration, ReversalKind

CANCEL_BOOKING = "booking.cancel"
OVERRIDE_BOOKING = "booking.override"
VOID_INVOICE = "invoice.void"
CREDIT_INVOICE = "invoice.credit"
REVERSE_PAYMENT = "payment.reverse"
REFUND_PAYMENT = "payment.refund"
RESTORE_PRODUCT = "product.restore"
DELETE_PRODUCT = "product.delete"
REVOKE_ACCESS = "document_access.revoke"
RESTORE_ACCESS = "document_access.restore"

REBOOK = "booking.create"
ISSUE_AGAIN = "invoice.create"
RECORD_AGAIN = "payment.record"
SEND_CORRECTION = "booking.send_documents"
ADD_AGAIN = "product.create"
ARCHIVE = "product.update"
GRANT_AGAIN = "document_access.grant"

FOLLOW_UPS: Mapping[str, str] = {
    REBOOK: "Make a new booking: the seats may be gone, and prices may have changed.",
    ISSUE_AGAIN: "Draft and issue a new invoice.",
    RECORD_AGAIN: "Record the money when it comes again.",
    SEND_CORRECTION: "Send corrected documents, and say that the first ones no longer hold.",
    ADD_AGAIN: "Add the product again.",
    ARCHIVE: "Archive it: what was sold stays on record.",
    GRANT_AGAIN: "Grant it anew, for as long as it is needed.",
}

_FIRST = 1


def of_booking() -> Declaration:
    """A booking that was made or confirmed is cancelled, on the terms that were agreed."""
    return Declaration(kind=ReversalKind.DOMAIN_COMMAND, command=CANCEL_BOOKING, version=_FIRST)


def of_transition(action_name: str, before: Status, after: Status) -> Declaration | None:
    """Return what an act that moved a booking from `before` to `after` says; None if nothing."""
    if action_name == "booking.confirm":
        return of_booking()
    if action_name in {"booking.start", "booking.complete", "booking.override"}:
        return of_status(before, after)
    if action_name in {"booking.cancel", "booking.expire"}:
        return Declaration(
            kind=ReversalKind.NONE, why="The seats are for sale again.", follow_ups=(REBOOK,)
        )
    return None


def of_status(before: Status, after: Status) -> Declaration:
    """A status that was gone on from is come back to by hand.

    Not one that holds seats: there is no new end of the hold.
    """
    if before in TRANSITIONS[after]:
        return Declaration(
            kind=ReversalKind.NONE, why=f"The ordinary way leads to {before.value} again."
        )
    if before in HOLDING:
        return Declaration(
            kind=ReversalKind.NONE,
            why="It is not known until when the seats would be held again.",
            follow_ups=(REBOOK,),
        )
    return Declaration(
        kind=ReversalKind.DOMAIN_COMMAND,
        command=OVERRIDE_BOOKING,
        version=_FIRST,
        args={"status": before.value},
    )


def of_issue(*, total_cents: int, currency: str) -> Declaration:
    """An invoice is voided while nothing hangs on it, and credited afterwards."""
    return Declaration(
        kind=ReversalKind.COMPENSATE,
        command=VOID_INVOICE,
        version=_FIRST,
        amount_cents=total_cents or None,
        currency=currency if total_cents else "",
        follow_ups=(CREDIT_INVOICE,),
    )


def of_capture(*, amount_cents: int, currency: str, until: datetime) -> Declaration:
    """What a provider took it takes back, until the settlement window closes."""
    return Declaration(
        kind=ReversalKind.REVERT,
        command=REVERSE_PAYMENT,
        version=_FIRST,
        until=until,
        amount_cents=amount_cents,
        currency=currency,
        follow_ups=(REFUND_PAYMENT,),
    )


def of_payment(*, amount_cents: int, currency: str) -> Declaration:
    """What somebody brought is given back by a new act."""
    return Declaration(
        kind=ReversalKind.COMPENSATE,
        command=REFUND_PAYMENT,
        version=_FIRST,
        amount_cents=amount_cents,
        currency=currency,
    )


def of_change(*, before: Mapping[str, Any], after: Mapping[str, Any]) -> Declaration:
    """The fields of a product that were changed get their values back."""
    return Declaration(
        kind=ReversalKind.REVERT,
        command=RESTORE_PRODUCT,
        version=_FIRST,
        args={"before": dict(before), "after": dict(after)},
    )


def of_new_product() -> Declaration:
    """A product is deleted as long as nothing was offered of it."""
    return Declaration(
        kind=ReversalKind.REVERT, command=DELETE_PRODUCT, version=_FIRST, follow_ups=(ARCHIVE,)
    )


def of_access(*, until: datetime) -> Declaration:
    """Access that was granted is revoked, as long as it is not over by itself."""
    return Declaration(
        kind=ReversalKind.REVERT,
        command=REVOKE_ACCESS,
        version=_FIRST,
        until=until,
        follow_ups=(GRANT_AGAIN,),
    )


def of_revocation(*, until: datetime) -> Declaration:
    """Access that was revoked is granted anew, for the rest of its time."""
    return Declaration(
        kind=ReversalKind.REVERT,
        command=RESTORE_ACCESS,
        version=_FIRST,
        until=until,
        follow_ups=(GRANT_AGAIN,),
    )
