"""Updates seats and items when the status of their booking changes."""

from collections import Counter
from uuid import UUID

from django.utils import timezone

from commerce.domain.booking.state import SEATS, TAKING, Booking, Item, SeatStatus, Status
from commerce.models import Allocation, BookingItem, ItemStatus
from commerce.services import slots

_ITEM_STATUS = {
    Status.DRAFT: ItemStatus.OPEN,
    Status.ON_HOLD: ItemStatus.OPEN,
    Status.AWAITING_PAYMENT: ItemStatus.OPEN,
    Status.CONFIRMED: ItemStatus.CONFIRMED,
    Status.IN_PROGRESS: ItemStatus.CONFIRMED,
    Status.COMPLETED: ItemStatus.FULFILLED,
    Status.EXPIRED: ItemStatus.CANCELLED,
    Status.CANCELLED: ItemStatus.CANCELLED,
}


def follow_booking(booking: Booking, *, source: str) -> None:
    """Take, keep or give back the seats that the status of `booking` calls for.

    Runs in the transaction that changed the status; nothing happens when seats stay.

    :raises SlotSoldOut: if seats are needed that are not there.
    """
    held = {row.item_id: row for row in Allocation.objects.filter(booking_id=booking.id)}
    wanted = SEATS[booking.status]
    moves: Counter[UUID] = Counter()
    for item in booking.items:
        moves[UUID(item.slot_id)] += _move(item, held.get(UUID(item.id)), wanted)
    changes = {slot_id: count for slot_id, count in moves.items() if count}
    if changes:
        slots.move_seats(changes, source=source)
    _store(booking, held, wanted)
    BookingItem.objects.filter(booking_id=booking.id).exclude(
        status=_ITEM_STATUS[booking.status]
    ).update(status=_ITEM_STATUS[booking.status])


def _move(item: Item, held: Allocation | None, wanted: SeatStatus | None) -> int:
    takes = wanted in TAKING
    has = held is not None and held.status in TAKING
    return (takes - has) * item.quantity


def _store(booking: Booking, held: dict[UUID, Allocation], wanted: SeatStatus | None) -> None:
    now = timezone.now()
    if wanted is None or wanted not in TAKING:
        # Back to a draft: nothing ended, the seats are simply free again.
        status = wanted or SeatStatus.RELEASED
        Allocation.objects.filter(booking_id=booking.id, status__in=TAKING).update(
            status=status, changed_at=now
        )
        return
    Allocation.objects.filter(booking_id=booking.id).exclude(status=wanted).update(
        status=wanted, changed_at=now
    )
    Allocation.objects.bulk_create(
        Allocation(
            item_id=item.id,
            booking_id=booking.id,
            slot_id=item.slot_id,
            quantity=item.quantity,
            status=wanted,
            changed_at=now,
        )
        for item in booking.items
        if UUID(item.id) not in held
    )
