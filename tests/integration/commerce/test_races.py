"""What happens when several want the same thing at the same moment. Real threads, real locks."""

from functools import partial
from uuid import UUID

from commerce.domain.refunds import RefundMethod
from commerce.models import (
    Allocation,
    Booking,
    CreditNote,
    Invoice,
    NumberSeries,
    Payment,
    PaymentMethod,
    Refund,
    Slot,
)
from commerce.services import bookings, invoices, payments, refunds, slots
from commerce.services.bookings import SeatRequest
from ledger.access.authority import Caller
from ledger.services import reversals
from tests.integration.commerce.acting import names_in, race
from tests.integration.commerce.conftest import CONTACT, MakeBooking
from tests.integration.commerce.undoing import chief, entry_of, look, standing_of


def pay(invoice_id: UUID, amount_cents: int = 24_000) -> Payment:
    return payments.record_payment(
        invoice_id=invoice_id,
        amount_cents=amount_cents,
        currency="EUR",
        method=PaymentMethod.CASH,
    )


class TestSeats:
    def test_the_last_one_goes_to_one_of_ten(self, slot: Slot, make_booking: MakeBooking) -> None:
        slots.change_capacity(slot_id=slot.pk, capacity=1)
        wanting = [make_booking(quantity=1) for _ in range(10)]

        ends = race(*(partial(bookings.confirm_booking, booking_id=b.pk) for b in wanting))

        assert sorted(ends) == ["done"] + ["slot_sold_out"] * 9
        assert Slot.objects.get(pk=slot.pk).remaining == 0
        assert Allocation.objects.count() == 1
        assert sorted(Booking.objects.values_list("status", flat=True)) == (
            ["confirmed"] + ["draft"] * 9
        )

    def test_seven_go_to_seven_of_twenty(self, slot: Slot, make_booking: MakeBooking) -> None:
        slots.change_capacity(slot_id=slot.pk, capacity=7)
        wanting = [make_booking(quantity=1) for _ in range(20)]

        ends = race(*(partial(bookings.hold_booking, booking_id=b.pk) for b in wanting))

        assert sorted(ends) == ["done"] * 7 + ["slot_sold_out"] * 13

    def test_of_two_departures_are_taken_without_waiting_in_a_circle(
        self, slot: Slot, make_booking: MakeBooking
    ) -> None:
        other = slots.create_slot(
            product_id=slot.product_id, starts_at=slot.starts_at.replace(microsecond=1), capacity=10
        )
        there, back = (
            SeatRequest(slot_id=slot.pk, quantity=1),
            SeatRequest(slot_id=other.pk, quantity=1),
        )
        wanting = [
            make_booking(requested=[there, back] if number % 2 else [back, there], pax=1)
            for number in range(6)
        ]

        ends = race(*(partial(bookings.hold_booking, booking_id=b.pk) for b in wanting))

        assert ends == ["done"] * 6
        assert (
            Slot.objects.get(pk=slot.pk).remaining == Slot.objects.get(pk=other.pk).remaining == 4
        )


class TestBookings:
    def test_are_cancelled_by_one_of_two(self, confirmed: Booking) -> None:
        cancel = partial(bookings.cancel_booking, booking_id=confirmed.pk, reason="Rain")

        assert sorted(race(cancel, cancel)) == ["done", "invalid_booking_transition"]
        assert names_in("booking", confirmed.pk).count("booking.cancelled") == 1

    def test_are_confirmed_by_one_of_two(self, booking: Booking, slot: Slot) -> None:
        confirm = partial(bookings.confirm_booking, booking_id=booking.pk)

        assert sorted(race(confirm, confirm)) == ["done", "invalid_booking_transition"]
        assert Slot.objects.get(pk=slot.pk).remaining == 8

    def test_get_a_number_each(self, slot: Slot) -> None:
        NumberSeries.objects.all().delete()

        def make() -> None:
            bookings.create_booking(
                requested=[SeatRequest(slot_id=slot.pk, quantity=1)], pax=1, contact=CONTACT
            )

        assert race(*[make] * 8) == ["done"] * 8
        numbers = sorted(Booking.objects.values_list("number", flat=True))
        assert [number[-6:] for number in numbers] == [f"{n:06d}" for n in range(1, 9)]

    def test_cancel_and_payment_do_not_wait_in_a_circle(
        self, confirmed: Booking, invoice: Invoice
    ) -> None:
        ends = race(
            partial(bookings.cancel_booking, booking_id=confirmed.pk, reason="Rain"),
            partial(pay, invoice.pk),
        )

        assert ends == ["done", "done"]


class TestInvoices:
    def test_are_paid_once_when_paid_by_five(self, invoice: Invoice) -> None:
        assert sorted(race(*[partial(pay, invoice.pk)] * 5)) == (
            ["done"] + ["invoice_overpaid"] * 4
        )
        assert Invoice.objects.get(pk=invoice.pk).paid_cents == 24_000

    def test_take_parts_until_they_are_full(self, invoice: Invoice) -> None:
        ends = race(*[partial(pay, invoice.pk, 7_000)] * 5)

        assert sorted(ends) == ["done"] * 3 + ["invoice_overpaid"] * 2
        row = Invoice.objects.get(pk=invoice.pk)
        assert (row.paid_cents, row.balance_due_cents) == (21_000, 3_000)

    def test_are_paid_or_voided_but_not_both(self, invoice: Invoice) -> None:
        ends = race(
            partial(pay, invoice.pk),
            partial(invoices.void_invoice, invoice_id=invoice.pk, reason="Wrong"),
        )

        assert sorted(ends) in (["done", "invoice_not_payable"], ["done", "invoice_not_voidable"])
        status = Invoice.objects.get(pk=invoice.pk).status
        assert (status, Payment.objects.count()) in {("paid", 1), ("void", 0)}

    def test_get_their_numbers_without_a_gap(self, make_booking: MakeBooking) -> None:
        drafts = [invoices.create_invoice(booking_id=make_booking().pk) for _ in range(6)]

        ends = race(*(partial(invoices.issue_invoice, invoice_id=d.pk) for d in drafts))

        assert ends == ["done"] * 6
        numbers = sorted(str(number) for number in Invoice.objects.values_list("number", flat=True))
        assert [number[-6:] for number in numbers] == [f"{n:06d}" for n in range(1, 7)]


class TestMoneyBack:
    def test_is_credited_only_as_far_as_it_was_invoiced(self, invoice: Invoice) -> None:
        credit = partial(
            refunds.issue_credit_note,
            invoice_id=invoice.pk,
            amount_cents=10_000,
            currency="EUR",
            reason="Rain",
        )

        assert sorted(race(credit, credit, credit)) == ["done", "done", "invoice_overcredited"]
        assert CreditNote.objects.count() == 2

    def test_is_refunded_only_as_far_as_it_was_paid(self, invoice: Invoice) -> None:
        payment = pay(invoice.pk)
        refund = partial(
            refunds.request_refund,
            payment_id=payment.pk,
            amount_cents=10_000,
            method=RefundMethod.CASH,
            reason="Rain",
        )

        ends = race(*[refund] * 4)

        assert sorted(ends) == ["done"] * 2 + ["refund_exceeds_refundable"] * 2
        assert Refund.objects.count() == 2

    def test_is_given_back_once_by_those_who_saw_one_preview(self, invoice: Invoice) -> None:
        entry = entry_of("payment.record", pay(invoice.pk).pk)
        undo_it = partial(
            reversals.execute_reversal,
            entry_id=entry.pk,
            token=look(entry).token,
            reason="Rain",
            caller=Caller(chief()),
        )

        ends = race(*[undo_it] * 4)

        # Who comes second has failed at nothing: it is no longer what the preview said.
        assert ends.count("done") == Refund.objects.count() == 1
        assert set(ends) <= {"done", "reversal_preview_stale", "reversal_blocked"}
        standing = standing_of(entry)
        assert (standing.state, standing.outcome, standing.steps) == ("running", "", 1)

    def test_ends_once(self, invoice: Invoice) -> None:
        refund = refunds.request_refund(
            payment_id=pay(invoice.pk).pk,
            amount_cents=10_000,
            method=RefundMethod.CASH,
            reason="Rain",
        )

        ends = race(
            partial(refunds.settle_refund, refund_id=refund.pk),
            partial(refunds.fail_refund, refund_id=refund.pk, reason="No"),
        )

        assert sorted(ends) == ["done", "refund_already_ended"]
        settled = Refund.objects.get(pk=refund.pk).status == "settled"
        refunded = Booking.objects.get(pk=invoice.booking_id).refunded_cents
        assert refunded == (10_000 if settled else 0)
