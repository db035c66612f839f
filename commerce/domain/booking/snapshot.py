"""The stored form of a booking's state, and of the values that its events share with it."""

from datetime import date, datetime
from typing import Any

from commerce.domain.booking.state import Booking, Item, Status
from commerce.domain.cancellation import Entitlement, Terms
from events.domain.times import rfc3339_or_none

JSON = dict[str, Any]


def dump(booking: Booking) -> JSON:
    """Return the whole state as JSON."""
    return {
        "id": booking.id,
        "revision": booking.revision,
        "status": booking.status.value,
        "number": booking.number,
        "currency": booking.currency,
        "pax": booking.pax,
        "items": [item_json(item) for item in booking.items],
        "travellers": list(booking.travellers),
        "externalRef": booking.external_ref,
        "notificationsSuppressed": booking.notifications_suppressed,
        "entitlement": booking.entitlement.as_json() if booking.entitlement else None,
        "refundedCents": booking.refunded_cents,
        "createdBy": booking.created_by,
        **{_camel(name): rfc3339_or_none(getattr(booking, name)) for name in _TIMES},
    }


def load(raw: JSON) -> Booking:
    """Read what `dump` wrote."""
    times = {name: read_maybe_time(raw[_camel(name)]) for name in _TIMES}
    return Booking(
        id=raw["id"],
        revision=raw["revision"],
        status=Status(raw["status"]),
        number=raw["number"],
        currency=raw["currency"],
        pax=raw["pax"],
        items=tuple(read_item(item) for item in raw["items"]),
        travellers=tuple(raw["travellers"]),
        external_ref=raw["externalRef"],
        notifications_suppressed=raw["notificationsSuppressed"],
        entitlement=Entitlement.from_json(raw["entitlement"]) if raw["entitlement"] else None,
        refunded_cents=raw["refundedCents"],
        created_by=raw["createdBy"],
        **times,
    )


_TIMES = (
    "hold_expires_at",
    "created_at",
    "awaiting_payment_at",
    "paid_at",
    "confirmed_at",
    "started_at",
    "completed_at",
    "expired_at",
    "cancelled_at",
    "documents_sent_at",
)


def item_json(item: Item) -> JSON:
    """Return an item as it is kept."""
    return {
        "itemId": item.id,
        "productId": item.product_id,
        "slotId": item.slot_id,
        "title": item.title,
        "quantity": item.quantity,
        "unitAmountCents": item.unit_amount_cents,
        "serviceDate": item.service_date.isoformat(),
        "terms": item.terms.as_json() if item.terms else None,
    }


def read_item(raw: JSON) -> Item:
    """Read what `item_json` wrote."""
    return Item(
        id=raw["itemId"],
        product_id=raw["productId"],
        slot_id=raw["slotId"],
        title=raw["title"],
        quantity=raw["quantity"],
        unit_amount_cents=raw["unitAmountCents"],
        service_date=date.fromisoformat(raw["serviceDate"]),
        terms=Terms.from_json(raw["terms"]) if raw["terms"] else None,
    )


def read_time(text: str) -> datetime:
    """Read what `rfc3339` wrote."""
    return datetime.fromisoformat(text)


def read_maybe_time(text: str | None) -> datetime | None:
    """Read what `rfc3339_or_none` wrote."""
    return None if text is None else read_time(text)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
