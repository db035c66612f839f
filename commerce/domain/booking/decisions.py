"""`decide` of the booking aggregate: a command becomes events, or is refused."""

from typing import assert_never

from commerce.domain import cancellation
from commerce.domain.booking.messages import (
    Advance,
    AmendBooking,
    BookingAdvanced,
    BookingAmended,
    BookingCancelled,
    BookingCreated,
    BookingExpired,
    BookingRefunded,
    CancelBooking,
    ChangeRoster,
    Command,
    CreateBooking,
    DocumentsSent,
    Event,
    ExpireBooking,
    NoteDocumentsSent,
    NoteRefund,
    OverrideStatus,
    RosterChange,
    RosterChanged,
    StatusOverridden,
)
from commerce.domain.booking.refusals import (
    BookingEmpty,
    BookingExists,
    BookingNotFound,
    HoldNeedsAnEnd,
    HoldNotOver,
    InvalidTransition,
    OverrideNotNeeded,
    OverrideReasonMissing,
    PaymentOutstanding,
    RosterClosed,
    RosterFull,
    TravellerNotOnBooking,
)
from commerce.domain.booking.state import FORWARD, HOLDING, TERMINAL, TRANSITIONS, Booking, Status

SWEEP = "sweep"
REQUEST = "request"


def decide(booking: Booking, command: Command) -> list[Event]:
    """Return the events that `command` causes in `booking`.

    :raises BookingExists: if it is to be created a second time.
    :raises BookingNotFound: if it was never created.
    :raises Rejected: if the command makes no sense in this state.
    """
    if isinstance(command, CreateBooking):
        return [_create(booking, command)]
    if not booking.exists:
        raise BookingNotFound(booking.id)
    return [_answer(booking, command, revision=booking.revision + 1)]


def _create(booking: Booking, command: CreateBooking) -> Event:
    if booking.exists:
        raise BookingExists(booking.id)
    if not command.items or command.pax < 1:
        raise BookingEmpty
    return BookingCreated(
        booking_id=booking.id,
        revision=1,
        number=command.number,
        currency=command.currency,
        pax=command.pax,
        items=command.items,
        external_ref=command.external_ref,
        notifications_suppressed=command.notifications_suppressed,
        actor=command.actor,
        at=command.at,
    )


def _answer(  # noqa: PLR0911 - one branch per command is the point
    booking: Booking,
    command: Advance
    | CancelBooking
    | ExpireBooking
    | OverrideStatus
    | AmendBooking
    | ChangeRoster
    | NoteDocumentsSent
    | NoteRefund,
    *,
    revision: int,
) -> Event:
    match command:
        case Advance():
            return _advance(booking, command, revision)
        case CancelBooking():
            return _cancel(booking, command, revision)
        case ExpireBooking():
            return _expire(booking, command, revision)
        case OverrideStatus():
            return _override(booking, command, revision)
        case AmendBooking():
            return _amend(booking, command, revision)
        case ChangeRoster():
            return _change_roster(booking, command, revision)
        case NoteDocumentsSent():
            return DocumentsSent(
                booking_id=booking.id,
                revision=revision,
                number=booking.number,
                delivery_id=command.delivery_id,
                recipient=command.recipient,
                provider=command.provider,
                document_keys=command.document_keys,
                at=command.at,
            )
        case NoteRefund():
            return BookingRefunded(
                booking_id=booking.id,
                revision=revision,
                number=booking.number,
                previous=booking.status,
                refund_id=command.refund_id,
                amount_cents=command.amount_cents,
                reason=command.reason,
                at=command.at,
            )
        case _:
            assert_never(command)


def _advance(booking: Booking, command: Advance, revision: int) -> Event:
    # Cancelling and expiring have commands of their own, which know what goes with it.
    assert command.to in FORWARD, f"a booking does not advance to {command.to}"
    _check_transition(booking, command.to)
    if command.to in HOLDING and not _ends_later(command):
        raise HoldNeedsAnEnd(booking.id)
    if booking.status is Status.AWAITING_PAYMENT and command.outstanding_cents > 0:
        raise PaymentOutstanding(booking.id, outstanding_cents=command.outstanding_cents)
    return BookingAdvanced(
        booking_id=booking.id,
        revision=revision,
        number=booking.number,
        previous=booking.status,
        to=command.to,
        notifications_suppressed=booking.notifications_suppressed,
        actor=command.actor,
        at=command.at,
        hold_expires_at=command.hold_expires_at if command.to in HOLDING else None,
    )


def _cancel(booking: Booking, command: CancelBooking, revision: int) -> Event:
    _check_transition(booking, Status.CANCELLED)
    return BookingCancelled(
        booking_id=booking.id,
        revision=revision,
        number=booking.number,
        previous=booking.status,
        reason=command.reason,
        entitlement=cancellation.evaluate_all(
            booking.segments, at=command.at, currency=booking.currency
        ),
        notifications_suppressed=booking.notifications_suppressed,
        actor=command.actor,
        at=command.at,
    )


def _expire(booking: Booking, command: ExpireBooking, revision: int) -> Event:
    _check_transition(booking, Status.EXPIRED)
    until = booking.hold_expires_at
    # The sweep looks at a list that may be seconds old: the hold may have been prolonged since.
    if command.cause == SWEEP and until is not None and until > command.at:
        raise HoldNotOver(booking.id, until=until.isoformat())
    return BookingExpired(
        booking_id=booking.id,
        revision=revision,
        number=booking.number,
        previous=booking.status,
        cause=command.cause,
        actor=command.actor,
        at=command.at,
    )


def _override(booking: Booking, command: OverrideStatus, revision: int) -> Event:
    if not command.reason.strip():
        raise OverrideReasonMissing(booking.id)
    if command.to is booking.status:
        raise InvalidTransition(
            booking.id, status=booking.status, to=command.to, allowed=_allowed(booking)
        )
    # An unpaid booking is confirmed by override: that is what its refusal advises.
    goes_unpaid = (booking.status, command.to) == (Status.AWAITING_PAYMENT, Status.CONFIRMED)
    if command.to in TRANSITIONS[booking.status] and not goes_unpaid:
        raise OverrideNotNeeded(booking.id, status=booking.status, to=command.to)
    if command.to in HOLDING and not _ends_later(command):
        raise HoldNeedsAnEnd(booking.id)
    return StatusOverridden(
        booking_id=booking.id,
        revision=revision,
        number=booking.number,
        previous=booking.status,
        to=command.to,
        reason=command.reason,
        actor=command.actor,
        at=command.at,
        hold_expires_at=command.hold_expires_at if command.to in HOLDING else None,
    )


def _amend(booking: Booking, command: AmendBooking, revision: int) -> Event:
    return BookingAmended(
        booking_id=booking.id,
        revision=revision,
        number=booking.number,
        external_ref=command.external_ref,
        notifications_suppressed=command.notifications_suppressed,
        actor=command.actor,
        at=command.at,
    )


def _change_roster(booking: Booking, command: ChangeRoster, revision: int) -> Event:
    is_known = command.traveller_id in booking.travellers
    if command.change is not RosterChange.ADDED and not is_known:
        raise TravellerNotOnBooking(booking.id, command.traveller_id)
    # The right to be forgotten does not end with the journey.
    if booking.status in TERMINAL and command.change is not RosterChange.ERASED:
        raise RosterClosed(booking.id, status=booking.status)
    if command.change is RosterChange.ADDED and len(booking.travellers) >= booking.pax:
        raise RosterFull(booking.id, pax=booking.pax)
    return RosterChanged(
        booking_id=booking.id,
        revision=revision,
        traveller_id=command.traveller_id,
        change=command.change,
        fields=command.fields,
        actor=command.actor,
        at=command.at,
    )


def _check_transition(booking: Booking, to: Status) -> None:
    if to not in TRANSITIONS[booking.status]:
        raise InvalidTransition(booking.id, status=booking.status, to=to, allowed=_allowed(booking))


def _allowed(booking: Booking) -> list[str]:
    return sorted(TRANSITIONS[booking.status])


def _ends_later(command: Advance | OverrideStatus) -> bool:
    return command.hold_expires_at is not None and command.hold_expires_at > command.at
