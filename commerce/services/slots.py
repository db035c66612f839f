"""Departures and their seats. Seats are counted under the lock of the departure's row."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from commerce.domain import horizon
from commerce.models import Product, Slot
from commerce.selectors import seats_taken
from commerce.services.actions import action_on
from commerce.services.products import ProductNotFound
from events import recorder
from events.domain.errors import Conflict, NotFound, Rejected
from events.domain.times import rfc3339
from ledger import preconditions, recording
from ledger.domain.action import Kind
from ledger.preconditions import Expected


class SlotNotFound(NotFound):
    code = "slot_not_found"

    def __init__(self, slot_id: UUID) -> None:
        super().__init__(f"There is no departure {slot_id}.", slot_id=str(slot_id))


class SlotExists(Conflict):
    code = "slot_exists"
    hint = "Change that one, or choose another time."

    def __init__(self, product_id: UUID, starts_at: datetime) -> None:
        super().__init__(
            f"Product {product_id} departs at {rfc3339(starts_at)} already.",
            product_id=str(product_id),
            starts_at=rfc3339(starts_at),
        )


class SlotSoldOut(Conflict):
    code = "slot_sold_out"
    hint = "Choose another departure or fewer seats."

    def __init__(self, slot: Slot, *, wanted: int) -> None:
        super().__init__(
            f"Departure {slot.pk} has {slot.remaining} seats left, not {wanted}.",
            slot_id=str(slot.pk),
            remaining=slot.remaining,
            wanted=wanted,
        )


class CapacityBelowTaken(Rejected):
    code = "capacity_below_taken"
    hint = "Give at least the number of seats that are taken, or cancel bookings first."

    def __init__(self, slot_id: UUID, *, capacity: int, taken: int) -> None:
        super().__init__(
            f"{taken} seats of departure {slot_id} are taken; {capacity} would be too few.",
            pointer="/capacity",
            slot_id=str(slot_id),
            capacity=capacity,
            taken=taken,
        )


class SlotEndsTooEarly(Rejected):
    code = "slot_ends_too_early"
    hint = "Give an `ends_at` after `starts_at`, or leave it out."

    def __init__(self) -> None:
        super().__init__("A departure ends after it starts.", pointer="/ends_at")


def create_slot(
    *,
    product_id: UUID,
    starts_at: datetime,
    ends_at: datetime | None = None,
    capacity: int | None = None,
) -> Slot:
    """Add a departure; without a capacity it takes any number.

    :raises ProductNotFound: if there is no such product.
    :raises SlotExists: if the product departs at that moment already.
    :raises SlotEndsTooEarly: if it would end before it starts.
    :raises BeyondHorizon: if it is further away than business reaches.
    """
    now = timezone.now()
    horizon.check_within(starts_at, now=now, pointer="/starts_at")
    horizon.check_within(ends_at, now=now, pointer="/ends_at")
    if ends_at is not None and ends_at <= starts_at:
        raise SlotEndsTooEarly
    asked = {"product_id": product_id, "starts_at": rfc3339(starts_at), "capacity": capacity}
    asked |= {"ends_at": ends_at}
    with recording.recorded(action_on("slot.create", kind=Kind.CREATE, asked=asked)) as proof:
        # Locked, so that the product cannot be deleted under its new departure.
        if not Product.objects.select_for_update(no_key=True).filter(pk=product_id).exists():
            raise ProductNotFound(product_id)
        slot = _insert(
            Slot(
                product_id=product_id,
                starts_at=starts_at,
                ends_at=ends_at,
                unlimited=capacity is None,
                capacity=capacity,
                remaining=capacity,
            )
        )
        proof.refers_to(slot.pk)
        proof.says(f"Departs at {rfc3339(starts_at)}.")
        _emit(slot, source="manual")
    return slot


def change_capacity(
    *, slot_id: UUID, capacity: int | None, expected_version: Expected | None = None
) -> Slot:
    """Give a departure more or fewer seats, or (None) any number.

    :raises SlotNotFound: if there is no such departure.
    :raises CapacityBelowTaken: if more seats are taken than that.
    :raises VersionMoved: if it changed since `expected_version`.
    """
    action = action_on("slot.update", slot_id, asked={"capacity": capacity})
    with recording.recorded(action) as proof:
        slot = _locked([slot_id])[slot_id]
        proof.found({"revision": slot.revision, "capacity": slot.capacity})
        preconditions.check_version(expected_version, slot.revision)
        taken = seats_taken(slot_id)
        if capacity is not None and capacity < taken:
            raise CapacityBelowTaken(slot_id, capacity=capacity, taken=taken)
        slot.unlimited = capacity is None
        slot.capacity = capacity
        slot.remaining = None if capacity is None else capacity - taken
        proof.says(f"Capacity: {'unlimited' if capacity is None else capacity}.")
        _store(slot, source="manual")
    return slot


def move_seats(changes: Mapping[UUID, int], *, source: str) -> None:
    """Take (above zero) or give back (below) seats of several departures, in this transaction.

    :raises SlotSoldOut: if one of them has not enough left.
    """
    slots = _locked(changes)
    for slot_id in sorted(changes):
        slot, wanted = slots[slot_id], changes[slot_id]
        if slot.remaining is not None:
            if wanted > slot.remaining:
                raise SlotSoldOut(slot, wanted=wanted)
            slot.remaining -= wanted
        _store(slot, source=source)


def _locked(slot_ids: Mapping[UUID, int] | list[UUID]) -> dict[UUID, Slot]:
    # In the order of their ids: two bookings of the same departures must not wait in a circle.
    rows = Slot.objects.select_for_update().filter(pk__in=list(slot_ids)).order_by("pk")
    slots = {slot.pk: slot for slot in rows}
    for slot_id in slot_ids:
        if slot_id not in slots:
            raise SlotNotFound(slot_id)
    return slots


def _insert(slot: Slot) -> Slot:
    try:
        with transaction.atomic():
            slot.save(force_insert=True)
    except IntegrityError as error:
        raise SlotExists(slot.product_id, slot.starts_at) from error
    return slot


def _store(slot: Slot, *, source: str) -> None:
    slot.revision += 1
    slot.save(update_fields=["unlimited", "capacity", "remaining", "revision"])
    _emit(slot, source=source)


def _emit(slot: Slot, *, source: str) -> None:
    recorder.emit(
        "availability.slot.changed",
        {
            "slotId": str(slot.pk),
            "productId": str(slot.product_id),
            "startsAt": rfc3339(slot.starts_at),
            "remainingPax": slot.remaining,
            "unlimited": slot.unlimited,
            "source": source,
        },
        stream=("slot", str(slot.pk)),
    )
