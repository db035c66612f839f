"""The commands and the events of the booking aggregate."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from commerce.domain.booking.state import Item, Status
from commerce.domain.cancellation import Entitlement


class RosterChange(StrEnum):
    ADDED = "added"
    AMENDED = "amended"
    REMOVED = "removed"
    ERASED = "erased"
    """Their personal data was forgotten; that somebody travelled was not."""


# Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBooking:
    number: str
    currency: str
    pax: int
    items: tuple[Item, ...]
    external_ref: str
    notifications_suppressed: bool
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Move forward to `to`. `outstanding_cents` is what the customer has not paid yet."""

    to: Status
    actor: str
    at: datetime
    hold_expires_at: datetime | None = None
    outstanding_cents: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelBooking:
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireBooking:
    """`cause` is `sweep` when the hold ran out, `request` when somebody gave it up."""

    cause: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideStatus:
    to: Status
    reason: str
    actor: str
    at: datetime
    hold_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendBooking:
    external_ref: str
    notifications_suppressed: bool
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRoster:
    """`fields` names what was amended; the values are personal and never come here."""

    traveller_id: str
    change: RosterChange
    actor: str
    at: datetime
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDocumentsSent:
    """`recipient` is masked: the log cannot forget an address."""

    delivery_id: str
    recipient: str
    provider: str
    document_keys: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRefund:
    refund_id: str
    amount_cents: int
    reason: str
    at: datetime


Command = (
    CreateBooking
    | Advance
    | CancelBooking
    | ExpireBooking
    | OverrideStatus
    | AmendBooking
    | ChangeRoster
    | NoteDocumentsSent
    | NoteRefund
)

# Events. Each carries the revision that it made: consumers and event ids need it.


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingCreated:
    booking_id: str
    revision: int
    number: str
    currency: str
    pax: int
    items: tuple[Item, ...]
    external_ref: str
    notifications_suppressed: bool
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingAdvanced:
    booking_id: str
    revision: int
    number: str
    previous: Status
    to: Status
    notifications_suppressed: bool
    actor: str
    at: datetime
    hold_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingCancelled:
    booking_id: str
    revision: int
    number: str
    previous: Status
    reason: str
    entitlement: Entitlement
    notifications_suppressed: bool
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingExpired:
    booking_id: str
    revision: int
    number: str
    previous: Status
    cause: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusOverridden:
    booking_id: str
    revision: int
    number: str
    previous: Status
    to: Status
    reason: str
    actor: str
    at: datetime
    hold_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingAmended:
    booking_id: str
    revision: int
    number: str
    external_ref: str
    notifications_suppressed: bool
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterChanged:
    booking_id: str
    revision: int
    traveller_id: str
    change: RosterChange
    fields: tuple[str, ...]
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsSent:
    booking_id: str
    revision: int
    number: str
    delivery_id: str
    recipient: str
    provider: str
    document_keys: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingRefunded:
    booking_id: str
    revision: int
    number: str
    previous: Status
    refund_id: str
    amount_cents: int
    reason: str
    at: datetime


Event = (
    BookingCreated
    | BookingAdvanced
    | BookingCancelled
    | BookingExpired
    | StatusOverridden
    | BookingAmended
    | RosterChanged
    | DocumentsSent
    | BookingRefunded
)
