"""Commands on bookings."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from commerce.commands.registration import (
    NOTHING,
    REASON,
    moment,
    register,
)
from commerce.domain.booking.refusals import BookingNotFound
from commerce.domain.booking.state import Status
from commerce.models import Booking
from commerce.schemas import FLAG, TEXT, TIME, nullable, record
from commerce.services import bookings
from events.domain.canonical import JSON
from ledger.commands import Run

_UNTIL = record(("until",), until=nullable(TIME))


def _booking_state(target_id: str) -> JSON:
    row = Booking.objects.filter(pk=target_id).first()
    if row is None:
        raise BookingNotFound(target_id)
    return bookings.state_of(row)


def _on_booking(service: Callable[..., Booking]) -> Run:
    def run(target_id: str, asked: dict[str, Any]) -> str:
        if "until" in asked:
            asked["until"] = moment(asked["until"])
        return str(service(booking_id=UUID(target_id), **asked).pk)

    return run


def _override(target_id: str, asked: dict[str, Any]) -> str:
    row = bookings.override_status(
        booking_id=UUID(target_id),
        to=Status(asked["to"]),
        reason=asked["reason"],
        until=moment(asked.get("until")),
    )
    return str(row.pk)


def _amend(target_id: str, asked: dict[str, Any]) -> str:
    row = bookings.amend_booking(booking_id=UUID(target_id), expected_version=None, **asked)
    return str(row.pk)


for _name, _meaning, _service, _schema in (
    ("booking.hold", "Keep seats for a booking.", bookings.hold_booking, _UNTIL),
    ("booking.await_payment", "Ask for payment of a booking.", bookings.await_payment, _UNTIL),
    ("booking.confirm", "Confirm a booking.", bookings.confirm_booking, NOTHING),
    ("booking.start", "Record that a journey has begun.", bookings.start_booking, NOTHING),
    ("booking.complete", "Record that a journey has ended.", bookings.complete_booking, NOTHING),
    ("booking.expire", "Give up held seats.", bookings.expire_booking, NOTHING),
    ("booking.cancel", "Cancel a booking.", bookings.cancel_booking, record(reason=REASON)),
):
    register(_name, _meaning, _on_booking(_service), schema=_schema, state_of=_booking_state)

register(
    "booking.override",
    "Correct the status of a booking by hand.",
    _override,
    schema=record(
        ("until",),
        to={"enum": [status.value for status in Status]},
        reason=REASON,
        until=nullable(TIME),
    ),
    state_of=_booking_state,
)
register(
    "booking.update",
    "Change the data of a booking.",
    _amend,
    schema=record(
        ("external_ref", "notifications_suppressed"),
        external_ref=nullable(TEXT),
        notifications_suppressed=nullable(FLAG),
    ),
    state_of=_booking_state,
)
