"""Vouchers: issued by the fulfilment of a booking, voided as soon as it is not confirmed."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from commerce import projections
from commerce.domain.booking.refusals import BookingNotFound
from commerce.domain.booking.state import Booking as State
from commerce.domain.booking.state import Status
from commerce.models import Booking, BookingItem, Voucher
from commerce.services.actions import action_on
from events import recorder, store
from events.domain.errors import Rejected
from events.ids import new_id
from ledger import recording
from ledger.domain.action import Kind

FULFILLED = frozenset({Status.CONFIRMED, Status.IN_PROGRESS, Status.COMPLETED})
"""The statuses of a booking in which its vouchers are good."""


class BookingNotConfirmed(Rejected):
    code = "booking_not_confirmed"
    hint = "Confirm the booking first."

    def __init__(self, booking_id: UUID, status: str) -> None:
        super().__init__(
            f"Booking {booking_id} is {status}; vouchers are for confirmed ones.",
            booking_id=str(booking_id),
            status=status,
        )


def issue_voucher(*, booking_id: UUID, item_id: UUID) -> Voucher:
    """Issue the voucher of one item, or return the one that is valid already.

    :raises BookingNotFound: if there is no such booking.
    :raises BookingNotConfirmed: if it is not confirmed, or no longer.
    """
    voucher_id = new_id()
    asked = {"booking_id": booking_id, "item_id": item_id}
    action = action_on("voucher.issue", voucher_id, kind=Kind.CREATE, asked=asked)
    with recording.recorded(action) as proof:
        _lock(booking_id)
        confirmed(booking_id)
        valid = Voucher.objects.filter(item_id=item_id, voided_at=None).first()
        if valid is not None:
            proof.changes_nothing()
            return valid
        item = BookingItem.objects.get(pk=item_id, booking_id=booking_id)
        voucher = Voucher.objects.create(
            pk=voucher_id, booking_id=booking_id, item=item, code=_code(voucher_id)
        )
        _emit("issued", voucher)
        return voucher


def void_voucher(*, booking_id: UUID, code: str, reason: str) -> None:
    """Make a voucher worthless. One that is so already stays as it is."""
    voucher = Voucher.objects.get(code=code, booking_id=booking_id)
    action = action_on("voucher.void", voucher.pk, asked={"reason": reason})
    with recording.recorded(action) as proof:
        _lock(booking_id)
        if not _void(Voucher.objects.filter(pk=voucher.pk, voided_at=None), reason):
            proof.changes_nothing()


def confirmed(booking_id: UUID) -> Booking:
    """Return a booking whose vouchers would be good.

    :raises BookingNotFound: if there is no such booking.
    :raises BookingNotConfirmed: if it is in another status.
    """
    booking = Booking.objects.filter(pk=booking_id).first()
    if booking is None:
        raise BookingNotFound(str(booking_id))
    if booking.status not in FULFILLED:
        raise BookingNotConfirmed(booking_id, booking.status)
    return booking


def follow_booking(booking: State) -> None:
    """Void the vouchers of a booking that is not confirmed any more.

    Runs in the transaction that changed the status, under its entry of the ledger.
    """
    if booking.status not in FULFILLED:
        valid = Voucher.objects.filter(booking_id=booking.id, voided_at=None)
        _void(valid, f"The booking is {booking.status}.")


def _lock(booking_id: UUID) -> None:
    # The first lock of all, as in every service of bookings.
    store.lock([projections.stream_of(booking_id)])


def _void(vouchers: QuerySet[Voucher], reason: str) -> int:
    now = timezone.now()
    voided = list(vouchers)
    for voucher in voided:
        Voucher.objects.filter(pk=voucher.pk).update(voided_at=now, voided_because=reason)
        _emit("voided", voucher)
    return len(voided)


def _emit(what: str, voucher: Voucher) -> None:
    recorder.emit(
        f"voucher.{what}",
        {
            "voucherId": str(voucher.pk),
            "bookingId": str(voucher.booking_id),
            "itemId": str(voucher.item_id),
            "code": voucher.code,
        },
        stream=("voucher", str(voucher.pk)),
    )


def _code(voucher_id: UUID) -> str:
    # The random end of a UUIDv7: 48 bits, and unique by constraint.
    return f"V-{voucher_id.hex[-12:].upper()}"
