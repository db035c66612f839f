"""`evolve` of the booking aggregate: the state after an event. Never refuses."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import reduce
from typing import Any, assert_never

from commerce.domain.booking.messages import (
    BookingAdvanced,
    BookingAmended,
    BookingCancelled,
    BookingCreated,
    BookingExpired,
    BookingRefunded,
    DocumentsSent,
    Event,
    RosterChange,
    RosterChanged,
    StatusOverridden,
)
from commerce.domain.booking.state import Booking, Status

_STAMPS = {
    Status.AWAITING_PAYMENT: "awaiting_payment_at",
    Status.CONFIRMED: "confirmed_at",
    Status.IN_PROGRESS: "started_at",
    Status.COMPLETED: "completed_at",
    Status.EXPIRED: "expired_at",
    Status.CANCELLED: "cancelled_at",
}


def fold(events: Iterable[Event], *, start: Booking) -> Booking:
    """Return `start` as it is after all of `events`."""
    return reduce(evolve, events, start)


def evolve(booking: Booking, event: Event) -> Booking:  # noqa: PLR0911 - one branch per event
    """Return `booking` as it is after `event`."""
    after = replace(booking, revision=event.revision)
    match event:
        case BookingCreated():
            return _created(after, event)
        case BookingAdvanced():
            return _moved(
                after, event.to, at=event.at, previous=event.previous, until=event.hold_expires_at
            )
        case BookingCancelled():
            cancelled = _moved(after, Status.CANCELLED, at=event.at, previous=event.previous)
            return replace(cancelled, entitlement=event.entitlement)
        case BookingExpired():
            return _moved(after, Status.EXPIRED, at=event.at, previous=event.previous)
        case StatusOverridden():
            # A correction is no payment: `paid_at` stays.
            return _moved(after, event.to, at=event.at, until=event.hold_expires_at)
        case BookingAmended():
            return replace(
                after,
                external_ref=event.external_ref,
                notifications_suppressed=event.notifications_suppressed,
            )
        case RosterChanged():
            return _roster_changed(after, event)
        case DocumentsSent():
            return replace(after, documents_sent_at=event.at)
        case BookingRefunded():
            return replace(after, refunded_cents=booking.refunded_cents + event.amount_cents)
        case _:
            assert_never(event)


def _created(booking: Booking, event: BookingCreated) -> Booking:
    return replace(
        booking,
        status=Status.DRAFT,
        number=event.number,
        currency=event.currency,
        pax=event.pax,
        items=event.items,
        external_ref=event.external_ref,
        notifications_suppressed=event.notifications_suppressed,
        created_by=event.actor,
        created_at=event.at,
    )


def _moved(
    booking: Booking,
    to: Status,
    *,
    at: datetime,
    previous: Status | None = None,
    until: datetime | None = None,
) -> Booking:
    stamps: dict[str, datetime] = {_STAMPS[to]: at} if to in _STAMPS else {}
    if to is Status.CONFIRMED and previous is Status.AWAITING_PAYMENT:
        stamps["paid_at"] = at
    changes: dict[str, Any] = {**stamps, "status": to, "hold_expires_at": until}
    # What a cancellation gives back is owed only as long as the booking stays cancelled.
    return replace(booking, entitlement=None, **changes)


def _roster_changed(booking: Booking, event: RosterChanged) -> Booking:
    match event.change:
        case RosterChange.ADDED:
            return replace(booking, travellers=(*booking.travellers, event.traveller_id))
        case RosterChange.REMOVED:
            left = tuple(one for one in booking.travellers if one != event.traveller_id)
            return replace(booking, travellers=left)
        case RosterChange.AMENDED | RosterChange.ERASED:
            return booking
        case _:
            assert_never(event.change)
