from datetime import timedelta

import pytest
from django.utils import timezone

from commerce import projections
from commerce.domain.booking.refusals import (
    BookingEmpty,
    BookingNotFound,
    InvalidTransition,
    OverrideNotNeeded,
    PaymentOutstanding,
)
from commerce.domain.booking.state import Status
from commerce.models import (
    Allocation,
    Booking,
    BookingContact,
    BookingItem,
    Invoice,
    PaymentMethod,
    Product,
    Slot,
)
from commerce.selectors import contact_of
from commerce.services import bookings, payments, products, slots
from commerce.services.bookings import ProductNotForSale, SeatRequest, SlotIsOver
from commerce.services.slots import SlotNotFound, SlotSoldOut
from events import selectors
from events.domain.envelope import Envelope
from events.ids import new_id
from events.sourcing import rebuilding
from ledger.preconditions import VersionMoved
from tests.integration.commerce.acting import CLERK
from tests.integration.commerce.conftest import CONTACT, MakeBooking


def remaining(slot: Slot) -> int | None:
    return Slot.objects.get(pk=slot.pk).remaining


def events_of(booking: Booking) -> list[Envelope]:
    return selectors.stream_events(projections.stream_of(booking.pk))


def seat_status(booking: Booking) -> list[str]:
    return list(Allocation.objects.filter(booking=booking.pk).values_list("status", flat=True))


class TestCreateBooking:
    def test_makes_a_draft_that_takes_no_seats(self, booking: Booking, slot: Slot) -> None:
        assert booking.status == Status.DRAFT
        assert booking.revision == 1
        assert booking.sell_amount_cents == 24_000
        assert booking.currency == "EUR"
        assert booking.created_by == str(CLERK)
        assert booking.number == f"BK-{timezone.now():%y%m}-000001"
        assert remaining(slot) == 10
        assert seat_status(booking) == []

    def test_records_one_fact_in_the_stream_of_the_booking(self, booking: Booking) -> None:
        [created] = events_of(booking)

        assert created.name == "booking.created"
        assert created.event_id == f"evt_booking_created_{booking.pk}"
        assert created.data["bookingNumber"] == booking.number
        assert created.data["travelerCount"] == 2
        assert created.principal == CLERK

    def test_keeps_the_contact_sealed_and_out_of_the_log(self, booking: Booking) -> None:
        sealed = bytes(BookingContact.objects.get(booking=booking.pk).sealed)

        assert b"Ada" not in sealed
        contact = contact_of(booking.pk)
        assert contact is not None
        assert contact.open() == CONTACT
        assert "Ada" not in str([event.as_json() for event in events_of(booking)])

    def test_counts_numbers_up(self, make_booking: MakeBooking) -> None:
        numbers = [make_booking().number[-6:] for _ in range(3)]

        assert numbers == ["000001", "000002", "000003"]

    def test_refuses_a_booking_of_nothing(self, slot: Slot) -> None:
        with pytest.raises(BookingEmpty):
            bookings.create_booking(requested=[], pax=1, contact=CONTACT)

        assert not Booking.objects.exists()

    def test_refuses_an_unknown_departure(self, slot: Slot) -> None:
        with pytest.raises(SlotNotFound):
            bookings.create_booking(
                requested=[SeatRequest(slot_id=new_id(), quantity=1)], pax=1, contact=CONTACT
            )

    def test_refuses_a_product_that_is_not_active(
        self, product: Product, make_booking: MakeBooking
    ) -> None:
        products.update_product(product_id=product.pk, status="archived")

        with pytest.raises(ProductNotForSale):
            make_booking()

    def test_refuses_a_departure_that_has_left(self, product: Product) -> None:
        gone = slots.create_slot(
            product_id=product.pk, starts_at=timezone.now() - timedelta(hours=1), capacity=5
        )

        with pytest.raises(SlotIsOver):
            bookings.create_booking(
                requested=[SeatRequest(slot_id=gone.pk, quantity=1)], pax=1, contact=CONTACT
            )

    def test_keeps_price_and_terms_of_the_moment(self, booking: Booking, product: Product) -> None:
        products.update_product(product_id=product.pk, sell_amount_cents=99_000)

        item = BookingItem.objects.get(booking=booking.pk)
        assert item.unit_amount_cents == 12_000
        assert item.terms is not None
        assert item.terms["rules"][1]["refundBp"] == 5_000


class TestHoldBooking:
    def test_takes_seats_until_its_end(self, booking: Booking, slot: Slot) -> None:
        until = timezone.now() + timedelta(hours=2)

        held = bookings.hold_booking(booking_id=booking.pk, until=until)

        assert held.status == Status.ON_HOLD
        assert held.hold_expires_at == until
        assert remaining(slot) == 8
        assert seat_status(booking) == ["held"]

    def test_tells_how_many_seats_are_left(self, booking: Booking, slot: Slot) -> None:
        bookings.hold_booking(booking_id=booking.pk)

        event = selectors.stream_events(("slot", str(slot.pk)))[-1]
        assert event.name == "availability.slot.changed"
        assert event.data["remainingPax"] == 8
        assert event.data["source"] == "booking"

    def test_refuses_more_seats_than_there_are(self, make_booking: MakeBooking, slot: Slot) -> None:
        large = make_booking(quantity=11)

        with pytest.raises(SlotSoldOut) as refusal:
            bookings.hold_booking(booking_id=large.pk)

        assert refusal.value.facts["remaining"] == 10
        assert Booking.objects.get(pk=large.pk).status == Status.DRAFT
        assert remaining(slot) == 10
        assert len(events_of(large)) == 1

    def test_refuses_a_booking_that_is_not_there(self, slot: Slot) -> None:
        with pytest.raises(BookingNotFound):
            bookings.hold_booking(booking_id=new_id())


class TestConfirmBooking:
    def test_turns_held_seats_into_confirmed_ones(self, booking: Booking, slot: Slot) -> None:
        bookings.hold_booking(booking_id=booking.pk)

        confirmed = bookings.confirm_booking(booking_id=booking.pk)

        assert confirmed.status == Status.CONFIRMED
        assert confirmed.hold_expires_at is None
        assert confirmed.paid_at is None
        assert remaining(slot) == 8
        assert seat_status(booking) == ["confirmed"]

    def test_refuses_while_the_payment_it_awaits_is_missing(self, booking: Booking) -> None:
        bookings.await_payment(booking_id=booking.pk)

        with pytest.raises(PaymentOutstanding) as refusal:
            bookings.confirm_booking(booking_id=booking.pk)

        assert refusal.value.facts["outstanding_cents"] == 24_000

    def test_stamps_when_the_awaited_payment_is_in(self, invoice: Invoice) -> None:
        booking_id = invoice.booking_id
        bookings.await_payment(booking_id=booking_id)
        payments.record_payment(
            invoice_id=invoice.pk,
            amount_cents=24_000,
            currency="EUR",
            method=PaymentMethod.BANK_TRANSFER,
        )

        confirmed = bookings.confirm_booking(booking_id=booking_id)

        assert confirmed.paid_at is not None
        assert confirmed.paid_at == confirmed.confirmed_at

    def test_names_the_revision_in_the_id_of_the_fact(self, confirmed: Booking) -> None:
        fact = events_of(confirmed)[-1]

        assert fact.event_id == f"evt_booking_confirmed_{confirmed.pk}_2"

    def test_refuses_who_saw_an_older_revision(self, booking: Booking) -> None:
        bookings.hold_booking(booking_id=booking.pk)

        with pytest.raises(VersionMoved):
            bookings.confirm_booking(booking_id=booking.pk, expected_version=1)

        assert Booking.objects.get(pk=booking.pk).status == Status.ON_HOLD


class TestCancelBooking:
    def test_gives_seats_back_and_records_the_entitlement(
        self, confirmed: Booking, slot: Slot
    ) -> None:
        cancelled = bookings.cancel_booking(booking_id=confirmed.pk, reason="Storm warning")

        assert cancelled.status == Status.CANCELLED
        assert cancelled.entitlement == {
            "outcome": "evaluated",
            "amountCents": 12_000,
            "currency": "EUR",
            "refundBp": 5_000,
            "refundType": "cash",
            "reason": "",
        }
        assert remaining(slot) == 10
        assert seat_status(confirmed) == ["cancelled"]
        assert BookingItem.objects.get(booking=confirmed.pk).status == "cancelled"

    def test_says_in_the_fact_what_was_and_why(self, confirmed: Booking) -> None:
        bookings.cancel_booking(booking_id=confirmed.pk, reason="Storm warning")

        fact = events_of(confirmed)[-1]
        assert fact.name == "booking.cancelled"
        assert fact.event_id == f"evt_booking_cancelled_{confirmed.pk}_3"
        assert fact.data["previousStatus"] == "confirmed"
        assert fact.data["reason"] == "Storm warning"
        assert fact.data["cancellationPolicyEntitlement"]["amountCents"] == 12_000

    def test_refuses_a_second_time(self, confirmed: Booking) -> None:
        bookings.cancel_booking(booking_id=confirmed.pk, reason="First")

        with pytest.raises(InvalidTransition):
            bookings.cancel_booking(booking_id=confirmed.pk, reason="Second")

        assert len(events_of(confirmed)) == 3


class TestExpireBooking:
    def test_gives_held_seats_back(self, booking: Booking, slot: Slot) -> None:
        bookings.hold_booking(booking_id=booking.pk)

        expired = bookings.expire_booking(booking_id=booking.pk)

        assert expired.status == Status.EXPIRED
        assert remaining(slot) == 10
        assert events_of(booking)[-1].data["cause"] == "request"


class TestCompleteBooking:
    def test_leaves_the_seats_taken(self, confirmed: Booking, slot: Slot) -> None:
        bookings.start_booking(booking_id=confirmed.pk)

        completed = bookings.complete_booking(booking_id=confirmed.pk)

        assert completed.status == Status.COMPLETED
        assert completed.completed_at is not None
        assert remaining(slot) == 8
        assert seat_status(confirmed) == ["fulfilled"]


class TestOverrideStatus:
    def test_takes_seats_again(self, confirmed: Booking, slot: Slot) -> None:
        bookings.cancel_booking(booking_id=confirmed.pk, reason="By mistake")

        corrected = bookings.override_status(
            booking_id=confirmed.pk, to=Status.CONFIRMED, reason="Cancelled by mistake"
        )

        assert corrected.status == Status.CONFIRMED
        assert corrected.entitlement is None
        assert remaining(slot) == 8
        assert seat_status(confirmed) == ["confirmed"]

    def test_can_make_a_draft_of_it_again(self, confirmed: Booking, slot: Slot) -> None:
        bookings.override_status(
            booking_id=confirmed.pk, to=Status.DRAFT, reason="Confirmed too early"
        )

        assert remaining(slot) == 10
        assert seat_status(confirmed) == ["released"]

    def test_refuses_what_the_ordinary_way_can_do(self, booking: Booking) -> None:
        with pytest.raises(OverrideNotNeeded):
            bookings.override_status(
                booking_id=booking.pk, to=Status.CONFIRMED, reason="In a hurry"
            )


class TestProjection:
    def test_is_what_the_events_say(self, confirmed: Booking) -> None:
        bookings.cancel_booking(booking_id=confirmed.pk, reason="Storm")

        stream = projections.stream_of(confirmed.pk)
        assert list(rebuilding.verify(projections.BOOKING, [stream])) == []

    def test_shows_a_row_that_somebody_tampered_with(self, confirmed: Booking) -> None:
        Booking.objects.filter(pk=confirmed.pk).update(sell_amount_cents=1)

        stream = projections.stream_of(confirmed.pk)
        [difference] = rebuilding.verify(projections.BOOKING, [stream])
        assert str(confirmed.pk) in difference

    def test_can_be_rebuilt_under_what_points_at_it(self, invoice: Invoice) -> None:
        Booking.objects.filter(pk=invoice.booking_id).update(sell_amount_cents=1)

        assert rebuilding.rebuild(projections.BOOKING) == 1

        assert Booking.objects.get(pk=invoice.booking_id).sell_amount_cents == 24_000
