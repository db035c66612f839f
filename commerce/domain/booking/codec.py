"""The stored form of the events of a booking.

Names are a permanent registry: never reused, never changed in meaning. A new shape is a
new version, read here beside the old one.
"""

from collections.abc import Callable
from typing import assert_never

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
from commerce.domain.booking.snapshot import (
    JSON,
    item_json,
    read_item,
    read_maybe_time,
    read_time,
)
from commerce.domain.booking.state import Status
from commerce.domain.cancellation import Entitlement
from events.domain.times import rfc3339, rfc3339_or_none

ADVANCED = {
    Status.ON_HOLD: "booking.held",
    Status.AWAITING_PAYMENT: "booking.payment_awaited",
    Status.CONFIRMED: "booking.confirmed",
    Status.IN_PROGRESS: "booking.started",
    Status.COMPLETED: "booking.completed",
}
ROSTER = {
    RosterChange.ADDED: "booking.traveller.added",
    RosterChange.AMENDED: "booking.traveller.amended",
    RosterChange.REMOVED: "booking.traveller.removed",
    RosterChange.ERASED: "booking.traveller.erased",
}


def encode(event: Event) -> tuple[str, JSON]:
    """Return the name and the data under which `event` is kept."""
    name, data = _encode(event)
    return name, {
        "bookingId": event.booking_id,
        "revision": event.revision,
        "occurredAt": rfc3339(event.at),
        **data,
    }


def event_id(event: Event) -> str:
    """Return the id of this fact, the same however often it is reported."""
    match event:
        case BookingCreated():
            return f"evt_booking_created_{event.booking_id}"
        case DocumentsSent(delivery_id=delivery_id):
            return f"evt_delivery_sent_{delivery_id}"
        case BookingRefunded(refund_id=refund_id):
            return f"evt_booking_refunded_{refund_id}"
        case _:
            what = encode(event)[0].removeprefix("booking.").replace(".", "_")
            return f"evt_booking_{what}_{event.booking_id}_{event.revision}"


def decode(name: str, version: int, data: JSON) -> Event:
    """Read what `encode` wrote.

    :raises KeyError: if no booking event has that name.
    """
    return _DECODERS[name](data)


def _encode(event: Event) -> tuple[str, JSON]:  # noqa: PLR0911 - one branch per event
    match event:
        case BookingCreated():
            return "booking.created", _created(event)
        case BookingAdvanced():
            return ADVANCED[event.to], _advanced(event)
        case BookingCancelled():
            return "booking.cancelled", _cancelled(event)
        case BookingExpired():
            return "booking.expired", _expired(event)
        case StatusOverridden():
            return "booking.status_overridden", _overridden(event)
        case BookingAmended():
            return "booking.amended", _amended(event)
        case RosterChanged():
            return ROSTER[event.change], _roster_changed(event)
        case DocumentsSent():
            return "booking.documents.sent", _documents_sent(event)
        case BookingRefunded():
            return "booking.refunded", _refunded(event)
        case _:
            assert_never(event)


def _created(event: BookingCreated) -> JSON:
    return {
        "bookingNumber": event.number,
        "productId": event.items[0].product_id,
        "travelerCount": event.pax,
        "currency": event.currency,
        "sellAmountCents": sum(item.amount_cents for item in event.items),
        "items": [item_json(item) for item in event.items],
        "externalRef": event.external_ref,
        "suppressNotifications": event.notifications_suppressed,
        "createdByUserId": event.actor,
    }


def _advanced(event: BookingAdvanced) -> JSON:
    return {
        "bookingNumber": event.number,
        "previousStatus": event.previous.value,
        "actorId": event.actor,
        "suppressNotifications": event.notifications_suppressed,
        "holdExpiresAt": rfc3339_or_none(event.hold_expires_at),
    }


def _cancelled(event: BookingCancelled) -> JSON:
    return {
        "bookingNumber": event.number,
        "previousStatus": event.previous.value,
        "reason": event.reason,
        "actorId": event.actor,
        "suppressNotifications": event.notifications_suppressed,
        "cancellationPolicyEntitlement": event.entitlement.as_json(),
    }


def _expired(event: BookingExpired) -> JSON:
    return {
        "bookingNumber": event.number,
        "previousStatus": event.previous.value,
        "cause": event.cause,
        "actorId": event.actor,
    }


def _overridden(event: StatusOverridden) -> JSON:
    return {
        "bookingNumber": event.number,
        "fromStatus": event.previous.value,
        "toStatus": event.to.value,
        "reason": event.reason,
        "actorId": event.actor,
        "holdExpiresAt": rfc3339_or_none(event.hold_expires_at),
    }


def _amended(event: BookingAmended) -> JSON:
    return {
        "bookingNumber": event.number,
        "externalRef": event.external_ref,
        "suppressNotifications": event.notifications_suppressed,
        "actorId": event.actor,
    }


def _roster_changed(event: RosterChanged) -> JSON:
    return {
        "travelerId": event.traveller_id,
        "fields": list(event.fields),
        "actorId": event.actor,
    }


def _documents_sent(event: DocumentsSent) -> JSON:
    return {
        "bookingNumber": event.number,
        "deliveryId": event.delivery_id,
        "recipient": event.recipient,
        "provider": event.provider,
        "documentKeys": list(event.document_keys),
    }


def _refunded(event: BookingRefunded) -> JSON:
    return {
        "bookingNumber": event.number,
        "previousStatus": event.previous.value,
        "refundId": event.refund_id,
        "refundAmountCents": event.amount_cents,
        "reason": event.reason,
    }


def _read_created(data: JSON) -> Event:
    return BookingCreated(
        booking_id=data["bookingId"],
        revision=data["revision"],
        number=data["bookingNumber"],
        currency=data["currency"],
        pax=data["travelerCount"],
        items=tuple(read_item(item) for item in data["items"]),
        external_ref=data["externalRef"],
        notifications_suppressed=data["suppressNotifications"],
        actor=data["createdByUserId"],
        at=read_time(data["occurredAt"]),
    )


def _read_advanced_to(to: Status) -> Callable[[JSON], Event]:
    def read(data: JSON) -> Event:
        return BookingAdvanced(
            booking_id=data["bookingId"],
            revision=data["revision"],
            number=data["bookingNumber"],
            previous=Status(data["previousStatus"]),
            to=to,
            notifications_suppressed=data["suppressNotifications"],
            actor=data["actorId"],
            at=read_time(data["occurredAt"]),
            hold_expires_at=read_maybe_time(data["holdExpiresAt"]),
        )

    return read


def _read_cancelled(data: JSON) -> Event:
    return BookingCancelled(
        booking_id=data["bookingId"],
        revision=data["revision"],
        number=data["bookingNumber"],
        previous=Status(data["previousStatus"]),
        reason=data["reason"],
        entitlement=Entitlement.from_json(data["cancellationPolicyEntitlement"]),
        notifications_suppressed=data["suppressNotifications"],
        actor=data["actorId"],
        at=read_time(data["occurredAt"]),
    )


def _read_expired(data: JSON) -> Event:
    return BookingExpired(
        booking_id=data["bookingId"],
        revision=data["revision"],
        number=data["bookingNumber"],
        previous=Status(data["previousStatus"]),
        cause=data["cause"],
        actor=data["actorId"],
        at=read_time(data["occurredAt"]),
    )


def _read_overridden(data: JSON) -> Event:
    return StatusOverridden(
        booking_id=data["bookingId"],
        revision=data["revision"],
        number=data["bookingNumber"],
        previous=Status(data["fromStatus"]),
        to=Status(data["toStatus"]),
        reason=data["reason"],
        actor=data["actorId"],
        at=read_time(data["occurredAt"]),
        hold_expires_at=read_maybe_time(data["holdExpiresAt"]),
    )


def _read_amended(data: JSON) -> Event:
    return BookingAmended(
        booking_id=data["bookingId"],
        revision=data["revision"],
        number=data["bookingNumber"],
        external_ref=data["externalRef"],
        notifications_suppressed=data["suppressNotifications"],
        actor=data["actorId"],
        at=read_time(data["occurredAt"]),
    )


def _read_roster(change: RosterChange) -> Callable[[JSON], Event]:
    def read(data: JSON) -> Event:
        return RosterChanged(
            booking_id=data["bookingId"],
            revision=data["revision"],
            traveller_id=data["travelerId"],
            change=change,
            fields=tuple(data["fields"]),
            actor=data["actorId"],
            at=read_time(data["occurredAt"]),
        )

    return read


def _read_documents_sent(data: JSON) -> Event:
    return DocumentsSent(
        booking_id=data["bookingId"],
        revision=data["revision"],
        number=data["bookingNumber"],
        delivery_id=data["deliveryId"],
        recipient=data["recipient"],
        provider=data["provider"],
        document_keys=tuple(data["documentKeys"]),
        at=read_time(data["occurredAt"]),
    )


def _read_refunded(data: JSON) -> Event:
    return BookingRefunded(
        booking_id=data["bookingId"],
        revision=data["revision"],
        number=data["bookingNumber"],
        previous=Status(data["previousStatus"]),
        refund_id=data["refundId"],
        amount_cents=data["refundAmountCents"],
        reason=data["reason"],
        at=read_time(data["occurredAt"]),
    )


_DECODERS: dict[str, Callable[[JSON], Event]] = {
    "booking.created": _read_created,
    **{name: _read_advanced_to(to) for to, name in ADVANCED.items()},
    "booking.cancelled": _read_cancelled,
    "booking.expired": _read_expired,
    "booking.status_overridden": _read_overridden,
    "booking.amended": _read_amended,
    **{name: _read_roster(change) for change, name in ROSTER.items()},
    "booking.documents.sent": _read_documents_sent,
    "booking.refunded": _read_refunded,
}
NAMES = frozenset(_DECODERS)
