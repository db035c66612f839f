"""The state of a booking, and its state machine.

draft ──────────▶ on_hold ──────────▶ awaiting_payment ──────────▶ confirmed ──▶ in_progress
  │                  │  (each may skip forward to the right)            │             │
  └──▶ cancelled ◀───┴──▶ expired ◀──────────┘                          └──▶ cancelled│
                                                                        completed ◀───┘
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from commerce.domain.cancellation import Entitlement, Segment, Terms
from commerce.domain.money import Money


class Status(StrEnum):
    DRAFT = "draft"
    ON_HOLD = "on_hold"
    AWAITING_PAYMENT = "awaiting_payment"
    CONFIRMED = "confirmed"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class SeatStatus(StrEnum):
    HELD = "held"
    CONFIRMED = "confirmed"
    FULFILLED = "fulfilled"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    RELEASED = "released"


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.DRAFT: frozenset(
        {Status.ON_HOLD, Status.AWAITING_PAYMENT, Status.CONFIRMED, Status.CANCELLED}
    ),
    Status.ON_HOLD: frozenset(
        {Status.AWAITING_PAYMENT, Status.CONFIRMED, Status.EXPIRED, Status.CANCELLED}
    ),
    Status.AWAITING_PAYMENT: frozenset({Status.CONFIRMED, Status.EXPIRED, Status.CANCELLED}),
    Status.CONFIRMED: frozenset({Status.IN_PROGRESS, Status.CANCELLED}),
    Status.IN_PROGRESS: frozenset({Status.COMPLETED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.CANCELLED: frozenset(),
}
TERMINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)
FORWARD = frozenset(
    {
        Status.ON_HOLD,
        Status.AWAITING_PAYMENT,
        Status.CONFIRMED,
        Status.IN_PROGRESS,
        Status.COMPLETED,
    }
)
"""What is reached by going on; cancelling, expiring and overriding are other acts."""
HOLDING = frozenset({Status.ON_HOLD, Status.AWAITING_PAYMENT})
"""Seats are kept for a while only: these statuses have an end."""

SEATS: Mapping[Status, SeatStatus | None] = {
    Status.DRAFT: None,
    Status.ON_HOLD: SeatStatus.HELD,
    Status.AWAITING_PAYMENT: SeatStatus.HELD,
    Status.CONFIRMED: SeatStatus.CONFIRMED,
    Status.IN_PROGRESS: SeatStatus.CONFIRMED,
    Status.COMPLETED: SeatStatus.FULFILLED,
    Status.EXPIRED: SeatStatus.EXPIRED,
    Status.CANCELLED: SeatStatus.CANCELLED,
}
TAKING = frozenset({SeatStatus.HELD, SeatStatus.CONFIRMED, SeatStatus.FULFILLED})
"""Allocations in these statuses count against the capacity of their slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that was booked, at the price and on the terms of that moment."""

    id: str
    product_id: str
    slot_id: str
    title: str
    quantity: int
    unit_amount_cents: int
    service_date: date
    terms: Terms | None = None

    @property
    def amount_cents(self) -> int:
        return self.quantity * self.unit_amount_cents


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A booking without any personal data: who travels is kept elsewhere, by id."""

    id: str
    revision: int = 0
    status: Status = Status.DRAFT
    number: str = ""
    currency: str = ""
    pax: int = 0
    items: tuple[Item, ...] = ()
    travellers: tuple[str, ...] = ()
    external_ref: str = ""
    notifications_suppressed: bool = False
    hold_expires_at: datetime | None = None
    entitlement: Entitlement | None = None
    refunded_cents: int = 0
    created_by: str = ""
    created_at: datetime | None = None
    awaiting_payment_at: datetime | None = None
    paid_at: datetime | None = None
    confirmed_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expired_at: datetime | None = None
    cancelled_at: datetime | None = None
    documents_sent_at: datetime | None = None

    @property
    def exists(self) -> bool:
        return self.revision > 0

    @property
    def amount_cents(self) -> int:
        return sum(item.amount_cents for item in self.items)

    @property
    def service_date(self) -> date | None:
        return min((item.service_date for item in self.items), default=None)

    @property
    def segments(self) -> list[Segment]:
        """The parts of the price that have terms of their own."""
        return [
            Segment(
                price=Money(item.amount_cents, self.currency),
                service_date=item.service_date,
                terms=item.terms,
            )
            for item in self.items
        ]
