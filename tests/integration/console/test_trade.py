"""Bookings and invoices: every object is checked, and shows what happened to it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from guardian.shortcuts import assign_perm

from commerce import example_data
from commerce.domain.refunds import RefundMethod
from commerce.models import Booking, Chargeback, Invoice
from commerce.services import bookings, invoices, products, slots, surpluses
from commerce.services.bookings import SeatRequest
from events import context, sequencer
from events.domain.principal import SYSTEM
from tests.integration.console.conftest import Visitor
from tests.integration.console.reading import page_of, rows_of

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = "Harbour </script><script>alert(1)</script> \u202ecruise"


@pytest.fixture
def booking() -> Booking:
    product = products.create_product(
        name=HOSTILE, currency="EUR", sell_amount_cents=12_000, status="active"
    )
    slot = slots.create_slot(
        product_id=product.pk, starts_at=timezone.now() + timedelta(days=20), capacity=10
    )
    made = bookings.create_booking(
        requested=[SeatRequest(slot_id=slot.pk, quantity=2)],
        pax=2,
        contact={"name": "Ada Lovelace", "email": "ada@example.com"},
    )
    bookings.hold_booking(booking_id=made.pk)
    return made


@pytest.fixture
def invoice(booking: Booking) -> Invoice:
    made = invoices.create_invoice(booking_id=booking.pk)
    invoices.issue_invoice(invoice_id=made.pk)
    while sequencer.sequence_once():
        pass
    made.refresh_from_db()
    return made


class TestLists:
    @pytest.mark.parametrize("address", ["/bookings", "/invoices"])
    def test_are_for_those_who_may_see_one(self, visitor: Visitor, address: str) -> None:
        assert "asks for the permission" in page_of(visitor("event.read"), address, status=403)

    def test_show_what_the_visitor_may_see(self, visitor: Visitor, invoice: Invoice) -> None:
        client = visitor("booking.read", "invoice.read")

        assert invoice.booking.number in page_of(client, "/bookings")
        assert str(invoice.number) in page_of(client, "/invoices?status=issued")
        assert str(invoice.number) not in page_of(client, "/invoices?status=paid")
        assert str(invoice.number) in page_of(client, f"/invoices?number={invoice.number[-3:]}")  # type: ignore[index]
        page_of(client, "/bookings?status=flown", status=400)

    def test_keep_the_number_that_is_sought_from_status_to_status(self, visitor: Visitor) -> None:
        page = page_of(visitor("booking.read"), "/bookings?number=7&status=on_hold")

        assert 'href="/bookings?number=7"' in page
        assert 'href="/bookings?number=7&amp;status=confirmed"' in page
        assert 'href="/bookings?number=7&amp;status=on_hold" aria-current="true"' in page

    def test_show_a_single_thing_to_who_may_see_only_that(
        self, visitor: Visitor, booking: Booking
    ) -> None:
        client = visitor(name="eve")
        page_of(client, f"/bookings/{booking.pk}", status=404)

        assign_perm("commerce.view_booking", User.objects.get(username="eve"), booking)

        assert booking.number in page_of(client, "/bookings")
        page_of(client, f"/bookings/{booking.pk}")
        page_of(client, "/invoices", status=403)


class TestBooking:
    def test_shows_its_facts_and_the_events_of_its_invoices(
        self, visitor: Visitor, invoice: Invoice
    ) -> None:
        page = page_of(visitor("booking.read", "invoice.read"), f"/bookings/{invoice.booking_id}")

        assert rows_of(page) == ["invoice.issued", "booking.held", "booking.created"]
        assert "240.00 EUR" in page
        made_by = '<dt>Created by</dt><dd><span title="system:daybook">Daybook itself</span>'
        assert made_by in page
        assert "&quot;invoice&quot;" in page.split("data-streams=")[1].split("data-names")[0]

    def test_hides_invoices_and_deliveries_from_who_may_not_see_them(
        self, visitor: Visitor, invoice: Invoice
    ) -> None:
        page = page_of(visitor("booking.read"), f"/bookings/{invoice.booking_id}")

        assert rows_of(page) == ["booking.held", "booking.created"]
        assert str(invoice.number) not in page
        assert "Sent to the customer" not in page

    def test_never_lets_a_title_become_markup(self, visitor: Visitor, booking: Booking) -> None:
        page = page_of(visitor("booking.read"), f"/bookings/{booking.pk}")

        assert "<script>alert" not in page
        assert "\u202e" not in page

    def test_does_not_know_what_is_not_there(self, visitor: Visitor) -> None:
        page_of(visitor("booking.read"), f"/bookings/{uuid4()}", status=404)


class TestInvoice:
    def test_shows_what_is_owed_and_what_happened(self, visitor: Visitor, invoice: Invoice) -> None:
        page = page_of(visitor("invoice.read"), f"/invoices/{invoice.pk}")

        assert f"Invoice {invoice.number}" in page
        assert "invoice.issued" in rows_of(page)
        assert "240.00 EUR" in page
        assert f"/bookings/{invoice.booking_id}" not in page

    def test_shows_what_a_provider_took_back(self, visitor: Visitor) -> None:
        example_data.create_example()
        taken = Chargeback.objects.select_related("payment", "resolution").get()
        address = f"/invoices/{taken.payment.invoice_id}"

        too_much = f"{taken.resolution.surplus_cents / 100:,.2f}"

        page = page_of(visitor("invoice.read", "payment.read", "chargeback.read"), address)
        without = page_of(visitor("invoice.read", name="eve"), address)
        with context.acting(SYSTEM):
            surpluses.refund_surplus(
                chargeback_id=taken.pk, amount_cents=100, method=RefundMethod.CASH, reason="Twice"
            )
        again = page_of(visitor("invoice.read", "chargeback.read", name="mia"), address)

        assert "too much, 1.00 EUR of it given back" in again
        assert taken.provider_ref in page
        assert "charged back</span>" in page
        assert f'<span>won<span class="sub">{too_much} EUR too much, 0.00 EUR of it' in page
        assert taken.provider_ref not in without
