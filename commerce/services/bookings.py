"""Bookings: the aggregate decides; its consequences are written in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from commerce import conf, projections, selectors, vault
from commerce.domain import horizon, money, undoing
from commerce.domain.booking.decisions import REQUEST, SWEEP
from commerce.domain.booking.messages import (
    Advance,
    AmendBooking,
    CancelBooking,
    Command,
    CreateBooking,
    ExpireBooking,
    OverrideStatus,
)
from commerce.domain.booking.refusals import BookingNotFound
from commerce.domain.booking.state import Booking as State
from commerce.domain.booking.state import Item, Status
from commerce.domain.money import Money
from commerce.models import (
    Booking,
    BookingContact,
    BookingItem,
    ItemStatus,
    Product,
    ProductStatus,
    SeriesScope,
    Slot,
)
from commerce.services import name_screening, numbers, policies, seats, vouchers
from commerce.services.actions import CommandInput, action_on
from commerce.services.slots import SlotNotFound
from events import context, ids, store
from events.domain.aggregate import Outcome
from events.domain.errors import Rejected
from events.sourcing import executor
from ledger import preconditions, recording
from ledger.domain.action import Kind, Proof
from ledger.preconditions import Expected
from ledger.privacy import subjects


class ProductNotForSale(Rejected):
    code = "product_not_for_sale"
    hint = "Book an active product, or have this one activated."

    def __init__(self, product: Product) -> None:
        super().__init__(
            f"Product {product.pk} is {product.status}.",
            product_id=str(product.pk),
            status=product.status,
        )


class SlotIsOver(Rejected):
    code = "slot_is_over"
    hint = "Choose a departure in the future."

    def __init__(self, slot: Slot) -> None:
        super().__init__(f"Departure {slot.pk} has left.", slot_id=str(slot.pk))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatRequest:
    """So many seats of a departure."""

    slot_id: UUID
    quantity: int


def create_booking(
    *,
    requested: Sequence[SeatRequest],
    pax: int,
    contact: dict[str, Any],
    external_ref: str = "",
    notifications_suppressed: bool = False,
) -> Booking:
    """Create a booking as a draft, at the current prices and terms.

    :raises BookingEmpty: if nothing is requested.
    :raises SlotNotFound, SlotIsOver: if a departure is unknown or has left.
    :raises ProductNotForSale: if its product is not active.
    :raises CurrenciesMixed: if the products are priced in several currencies.
    :raises PersonNamed: if the reference names the contact.
    """
    name_screening.check_not_named(contact, external_ref=external_ref)
    now = timezone.now()
    booking_id = str(ids.new_id())
    asked = {"requested": requested, "pax": pax, "external_ref": external_ref}
    asked |= {"notifications_suppressed": notifications_suppressed}
    asked |= {"contact": subjects.fingerprint_of(contact, of="booking.create")}
    action = action_on("booking.create", booking_id, kind=Kind.CREATE, asked=asked)
    with recording.recorded(action) as proof:
        items, currency = _price(requested, now)
        command = CreateBooking(
            number=numbers.next_number(SeriesScope.BOOKING, day=now.date()) if items else "",
            currency=currency,
            pax=pax,
            items=items,
            external_ref=external_ref,
            notifications_suppressed=notifications_suppressed,
            actor=_actor(),
            at=now,
        )
        state = _execute(booking_id, command, proof=proof).state
        _insert_items(state)
        BookingContact.objects.create(
            booking_id=booking_id,
            sealed=vault.seal(contact, subject=f"contact/{booking_id}", of=booking_id),
            email_index=subjects.index_of(str(contact.get("email", ""))),
        )
        proof.can_be_undone(undoing.of_booking())
        return _row(booking_id)


def hold_booking(
    *, booking_id: UUID, until: datetime | None = None, expected_version: Expected | None = None
) -> Booking:
    """Hold seats until `until` (by default for conf.HOLD).

    :raises InvalidTransition, HoldNeedsAnEnd: as the aggregate says.
    :raises SlotSoldOut: if there are not enough seats.
    :raises BeyondHorizon: if `until` is further away than business reaches.
    """
    command = _advance(Status.ON_HOLD, until=until or timezone.now() + conf.HOLD)
    asked = {"until": until}
    return _change("hold", booking_id, command, expected_version, source="booking", asked=asked)


def await_payment(
    *, booking_id: UUID, until: datetime | None = None, expected_version: Expected | None = None
) -> Booking:
    """Hold seats until `until` for a payment. Raises as `hold_booking` does."""
    command = _advance(Status.AWAITING_PAYMENT, until=until or timezone.now() + conf.HOLD)
    asked, verb = {"until": until}, "await_payment"
    return _change(verb, booking_id, command, expected_version, source="booking", asked=asked)


def confirm_booking(*, booking_id: UUID, expected_version: Expected | None = None) -> Booking:
    """Confirm, and take the seats for good.

    :raises InvalidTransition: if it cannot be confirmed from where it is.
    :raises PaymentOutstanding: if it awaits a payment that has not come in.
    :raises SlotSoldOut: if there are not enough seats.
    """
    with recording.recorded(action_on("booking.confirm", booking_id, asked={})) as proof:
        # Locked before the sum is read, so that it is true when the decision falls.
        lock_booking(booking_id)
        outstanding = selectors.outstanding_cents(_row(booking_id))
        command = _advance(Status.CONFIRMED, outstanding_cents=outstanding)
        return _changed(booking_id, command, expected_version, source="booking", proof=proof)


def start_booking(*, booking_id: UUID, expected_version: Expected | None = None) -> Booking:
    """Record that the journey has begun.

    :raises InvalidTransition: if it is not confirmed.
    """
    command = _advance(Status.IN_PROGRESS)
    return _change("start", booking_id, command, expected_version, source="booking")


def complete_booking(*, booking_id: UUID, expected_version: Expected | None = None) -> Booking:
    """Record that the journey is over.

    :raises InvalidTransition: if it is not in progress.
    """
    command = _advance(Status.COMPLETED)
    return _change("complete", booking_id, command, expected_version, source="booking")


def cancel_booking(
    *, booking_id: UUID, reason: str, expected_version: Expected | None = None
) -> Booking:
    """Cancel, give the seats back, and record what the agreed terms give back.

    :raises InvalidTransition: if it is over already.
    :raises PersonNamed: if the reason does.
    """
    name_screening.check_names_nobody(Q(pk=booking_id), reason=reason)
    command = CancelBooking(reason=reason, actor=_actor(), at=timezone.now())
    with recording.recorded(
        action_on("booking.cancel", booking_id, reason=reason, asked={"reason": reason})
    ) as proof:
        lock_booking(booking_id)
        proof.weighs(paid_cents=selectors.paid_on_booking_cents(booking_id))
        return _changed(booking_id, command, expected_version, source="cancel", proof=proof)


def expire_booking(*, booking_id: UUID, expected_version: Expected | None = None) -> Booking:
    """Expire a hold on request, and release its seats.

    :raises InvalidTransition: if none are kept.
    """
    command = ExpireBooking(cause=REQUEST, actor=_actor(), at=timezone.now())
    return _change("expire", booking_id, command, expected_version, source="expire")


def expire_if_over(*, booking_id: UUID) -> Booking:
    """Expire a hold whose time is over, and release its seats. For the sweep.

    :raises HoldNotOver: if the hold was prolonged meanwhile.
    :raises InvalidTransition: if none are kept any more.
    """
    command = ExpireBooking(cause=SWEEP, actor=_actor(), at=timezone.now())
    return _change("expire", booking_id, command, None, source="expire")


def override_status(
    *,
    booking_id: UUID,
    to: Status,
    reason: str,
    until: datetime | None = None,
    expected_version: Expected | None = None,
) -> Booking:
    """Correct the status by hand; seats follow.

    :raises OverrideReasonMissing: without a reason.
    :raises OverrideNotNeeded: if the ordinary way leads there.
    :raises HoldNeedsAnEnd: if seats are to be kept without `until`.
    :raises SlotSoldOut, PersonNamed: if seats are gone; if the reason names somebody.
    :raises BeyondHorizon: if `until` is further away than business reaches.
    """
    now = timezone.now()
    horizon.check_within(until, now=now, pointer="/hold_expires_at")
    name_screening.check_names_nobody(Q(pk=booking_id), reason=reason)
    command = OverrideStatus(to=to, reason=reason, actor=_actor(), at=now, hold_expires_at=until)
    asked = {"to": to, "reason": reason, "until": until}
    action = action_on("booking.override", booking_id, reason=reason, asked=asked)
    with recording.recorded(action) as proof:
        return _changed(booking_id, command, expected_version, source="modify", proof=proof)


def amend_booking(
    *,
    booking_id: UUID,
    expected_version: Expected | None,
    external_ref: str | None = None,
    notifications_suppressed: bool | None = None,
) -> Booking:
    """Change reference or notification settings of a booking; None leaves a value unchanged.

    :raises VersionMoved: if it changed since `expected_version`.
    :raises PersonNamed: if the reference names somebody.
    """
    name_screening.check_names_nobody(Q(pk=booking_id), external_ref=external_ref or "")
    asked = {"external_ref": external_ref, "notifications_suppressed": notifications_suppressed}
    with recording.recorded(action_on("booking.update", booking_id, asked=asked)) as proof:
        lock_booking(booking_id)
        row = _row(booking_id)
        is_silent = notifications_suppressed
        command = AmendBooking(
            external_ref=row.external_ref if external_ref is None else external_ref,
            notifications_suppressed=row.notifications_suppressed
            if is_silent is None
            else is_silent,
            actor=_actor(),
            at=timezone.now(),
        )
        return _changed(booking_id, command, expected_version, source="modify", proof=proof)


def lock_booking(booking_id: object) -> None:
    """Lock a booking until the end of this transaction: the first lock of all."""
    store.lock([projections.stream_of(booking_id)])


def state_of(booking: Booking) -> dict[str, Any]:
    """Return the state of a booking that an approval of a change is bound to."""
    return {"status": booking.status, "revision": booking.revision}


def _change(
    verb: str,
    booking_id: UUID,
    command: Command,
    expected_version: Expected | None,
    *,
    source: str,
    asked: CommandInput | None = None,
) -> Booking:
    with recording.recorded(action_on(f"booking.{verb}", booking_id, asked=asked)) as proof:
        return _changed(booking_id, command, expected_version, source=source, proof=proof)


def _changed(
    booking_id: UUID,
    command: Command,
    expected_version: Expected | None,
    *,
    source: str,
    proof: Proof,
) -> Booking:
    lock_booking(booking_id)
    # Compared first: who acts on an old picture shall learn that, not what is wrong today.
    before = _row(booking_id)
    preconditions.check_version(expected_version, before.revision)
    proof.found(state_of(before))
    proof.weighs(currency=before.currency, customer_visible=before.status != Status.DRAFT)
    state = _execute(str(booking_id), command, proof=proof).state
    if state.status != before.status:
        proof.says(f"Booking went from {before.status} to {state.status}.")
        vouchers.follow_booking(state)
        declared = undoing.of_transition(proof.action.name, Status(before.status), state.status)
        if declared is not None:
            proof.can_be_undone(declared)
    seats.follow_booking(state, source=source)
    return _row(booking_id)


def _execute(booking_id: str, command: Command, *, proof: Proof) -> Outcome[State]:
    assert proof.target.id == booking_id, "the proof is of another booking"
    stream = projections.stream_of(booking_id)
    return executor.execute_in_transaction(projections.BOOKING, stream, command)


def _advance(to: Status, *, until: datetime | None = None, outstanding_cents: int = 0) -> Advance:
    now = timezone.now()
    horizon.check_within(until, now=now, pointer="/hold_expires_at")
    return Advance(
        to=to,
        actor=_actor(),
        at=now,
        hold_expires_at=until,
        outstanding_cents=outstanding_cents,
    )


def _actor() -> str:
    return str(context.current().principal)


def _row(booking_id: UUID | str) -> Booking:
    row = Booking.objects.filter(pk=booking_id).first()
    if row is None:
        raise BookingNotFound(str(booking_id))
    return row


def _price(requested: Sequence[SeatRequest], now: datetime) -> tuple[tuple[Item, ...], str]:
    slot_ids = [one.slot_id for one in requested]
    related = Slot.objects.select_related("product__cancellation_policy")
    slots = related.in_bulk(slot_ids)
    items = tuple(_item(slots.get(one.slot_id), one, now) for one in requested)
    if not items:
        return items, ""
    currency = slots[slot_ids[0]].product.currency
    prices = (
        Money(item.amount_cents, slots[one.slot_id].product.currency)
        for item, one in zip(items, requested, strict=True)
    )
    money.total(prices, currency=currency)
    return items, currency


def _item(slot: Slot | None, one: SeatRequest, now: datetime) -> Item:
    if slot is None:
        raise SlotNotFound(one.slot_id)
    if slot.product.status != ProductStatus.ACTIVE:
        raise ProductNotForSale(slot.product)
    if slot.starts_at <= now:
        raise SlotIsOver(slot)
    return Item(
        id=str(ids.new_id()),
        product_id=str(slot.product_id),
        slot_id=str(slot.pk),
        title=slot.product.name,
        quantity=one.quantity,
        unit_amount_cents=slot.product.sell_amount_cents,
        service_date=slot.starts_at.date(),
        terms=policies.terms_of(slot.product.cancellation_policy),
    )


def _insert_items(state: State) -> None:
    BookingItem.objects.bulk_create(
        BookingItem(
            id=item.id,
            booking_id=state.id,
            product_id=item.product_id,
            slot_id=item.slot_id,
            title=item.title,
            quantity=item.quantity,
            unit_amount_cents=item.unit_amount_cents,
            service_date=item.service_date,
            status=ItemStatus.OPEN,
            terms=item.terms.as_json() if item.terms else None,
        )
        for item in state.items
    )
