"""What follows from a confirmation: a flow that gives every item its voucher, or none."""

from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError

from commerce.models import Booking, Slot, Voucher
from commerce.services import bookings, fulfilment, vouchers
from commerce.services.bookings import SeatRequest
from tests.integration.commerce.acting import names_in, work_off_all
from tests.integration.commerce.conftest import MakeBooking
from workflows.flows.domain.flow import Flow, FlowStatus, WorkStatus
from workflows.flows.execution import engine
from workflows.flows.models import FlowSummary

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def booked_twice(make_booking: MakeBooking, slot: Slot) -> Booking:
    """A booking with two items."""
    requested = [SeatRequest(slot_id=slot.pk, quantity=1), SeatRequest(slot_id=slot.pk, quantity=2)]
    booking = make_booking(requested=requested, pax=3)
    return bookings.confirm_booking(booking_id=booking.pk)


def flow_of(booking: Booking) -> Flow:
    summary = FlowSummary.objects.get(labels__booking=str(booking.pk))
    found = engine.flow(summary.flow_id)
    assert found is not None
    return found


def valid(booking: Booking) -> list[str]:
    return list(booking.vouchers.filter(voided_at=None).values_list("code", flat=True))


class TestFulfilment:
    def test_follows_from_the_confirmation_and_gives_every_item_a_voucher(
        self, booked_twice: Booking
    ) -> None:
        work_off_all()

        flow = flow_of(booked_twice)
        assert flow.status == FlowStatus.COMPLETED
        [fulfilled] = flow.attributes["fulfilled"]
        assert fulfilled.value == {
            "booking": booked_twice.number,
            "vouchers": sorted(valid(booked_twice)),
        }
        items = set(booked_twice.vouchers.values_list("item_id", flat=True))
        assert items == set(booked_twice.items.values_list("id", flat=True))
        assert len(items) == 2

    def test_is_not_begun_by_anything_but_a_confirmation(self, booking: Booking) -> None:
        bookings.hold_booking(booking_id=booking.pk)
        work_off_all()

        assert not FlowSummary.objects.exists()

    def test_that_begins_again_is_the_same_flow(self, confirmed: Booking) -> None:
        first = fulfilment.begin(booking_id=confirmed.pk, revision=2)

        assert fulfilment.begin(booking_id=confirmed.pk, revision=2) == first
        assert FlowSummary.objects.count() == 1

    def test_of_a_booking_that_was_cancelled_before_it_began_gives_nothing(
        self, confirmed: Booking
    ) -> None:
        bookings.cancel_booking(booking_id=confirmed.pk, reason="Rain.")
        work_off_all()

        flow = flow_of(confirmed)
        assert flow.status == FlowStatus.FAILED
        assert "BookingNotConfirmed" in flow.executions["check-booking"].error
        assert not Voucher.objects.exists()

    def test_of_a_booking_that_is_cancelled_meanwhile_leaves_no_valid_voucher(
        self, confirmed: Booking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        close = fulfilment.close

        def cancel_and_close(*, booking_id: UUID) -> dict[str, Any]:
            bookings.cancel_booking(booking_id=booking_id, reason="Rain.")
            return close(booking_id=booking_id)

        monkeypatch.setattr(fulfilment, "close", cancel_and_close)
        work_off_all()

        flow = flow_of(confirmed)
        assert flow.status == FlowStatus.FAILED
        assert flow.is_over
        [item] = flow.executions["issue-voucher"].items.values()
        assert item.status == WorkStatus.COMPENSATED
        assert valid(confirmed) == []

    def test_is_undone_if_it_cannot_be_closed(
        self, confirmed: Booking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(**_booking: object) -> None:
            raise vouchers.BookingNotConfirmed(confirmed.pk, "lost")

        monkeypatch.setattr(fulfilment, "close", refuse)
        work_off_all()

        [voucher] = confirmed.vouchers.all()
        assert voucher.voided_because == "The fulfilment failed."
        assert names_in("voucher", voucher.pk) == ["voucher.issued", "voucher.voided"]
        assert Booking.objects.get(pk=confirmed.pk).status == "confirmed"


class TestVouchers:
    def test_are_void_as_soon_as_the_booking_is_cancelled(self, confirmed: Booking) -> None:
        work_off_all()
        assert len(valid(confirmed)) == 1

        bookings.cancel_booking(booking_id=confirmed.pk, reason="Rain.")

        assert valid(confirmed) == []
        [voucher] = confirmed.vouchers.all()
        assert voucher.voided_because == "The booking is cancelled."

    def test_are_issued_once_per_item(self, confirmed: Booking) -> None:
        [item] = confirmed.items.all()
        wanted = {"booking_id": confirmed.pk, "item_id": item.pk}

        first = vouchers.issue_voucher(**wanted)

        assert vouchers.issue_voucher(**wanted).pk == first.pk
        assert confirmed.vouchers.count() == 1

    def test_are_refused_for_a_draft(self, booking: Booking) -> None:
        [item] = booking.items.all()

        with pytest.raises(vouchers.BookingNotConfirmed):
            vouchers.issue_voucher(booking_id=booking.pk, item_id=item.pk)

        assert not Voucher.objects.exists()

    def test_do_not_come_about_without_an_entry(self, confirmed: Booking) -> None:
        [item] = confirmed.items.all()

        with pytest.raises(IntegrityError):
            Voucher.objects.create(booking=confirmed, item=item, code="V-1")
