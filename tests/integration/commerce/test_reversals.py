from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from commerce.domain.refunds import RefundExceedsPayment, RefundMethod
from commerce.invariants import money_back_is_covered
from commerce.models import (
    Booking,
    Capture,
    CreditNote,
    Invoice,
    Payment,
    PaymentMethod,
    Product,
    Refund,
    Slot,
)
from commerce.services import (
    bookings,
    deliveries,
    payments,
    products,
    refunds,
    renditions,
)
from ledger.access.authority import Caller
from ledger.domain.capability import CapabilityMissing
from ledger.domain.reversals import ReversalAlreadyReversed
from ledger.invariants.reversals import reversals_are_sound, standings_follow_from_entries
from ledger.models import Entry, Mutation, ReversalStanding
from ledger.reversing.previews import ReversalBlocked
from ledger.services import reversals
from tests.integration.commerce.acting import race, work_off
from tests.integration.commerce.conftest import MakeBooking, bill
from tests.integration.commerce.peers import Peers
from tests.integration.commerce.undoing import (
    entry_of,
    kinds_of,
    look,
    refusal_of,
    standing_of,
    undo,
)

pytestmark = pytest.mark.django_db(transaction=True)


class TestBookings:
    def test_a_confirmed_one_is_cancelled_on_the_terms_that_were_agreed(
        self, confirmed: Booking, slot: Slot
    ) -> None:
        invoice = bill(confirmed)
        payment = payments.record_payment(
            invoice_id=invoice.pk, amount_cents=24_000, currency="EUR", method=PaymentMethod.CASH
        )
        entry = entry_of("booking.confirm", confirmed.pk)

        preview = look(entry)
        assert preview.plan is not None
        [seats, money] = preview.plan.effects
        # Twenty days before departure: half of it.
        assert (seats.kind, money.kind, money.amount_cents) == ("reverted", "compensated", 12_000)
        assert money.parts[0].entry_id == entry_of("payment.record", payment.pk).pk
        done = undo(entry)

        confirmed.refresh_from_db()
        slot.refresh_from_db()
        assert (confirmed.status, slot.remaining) == ("cancelled", 10)
        assert (done.state, done.outcome) == ("completed", "partial")
        cancelled = Entry.objects.select_related("mutation").get(pk=done.reversal_id)
        assert (cancelled.action_name, cancelled.status) == ("booking.cancel", "compensated")
        assert cancelled.mutation.reversal_why == "The seats are for sale again."
        # And then the payment gives back what the terms say, not all of it.
        assert look(entry_of("payment.record", payment.pk)).plan.amount_cents == 12_000  # type: ignore[union-attr]

    def test_one_that_was_changed_since_the_preview_is_refused(self, confirmed: Booking) -> None:
        entry = entry_of("booking.confirm", confirmed.pk)
        token = look(entry).token
        bookings.amend_booking(booking_id=confirmed.pk, expected_version=None, external_ref="x")

        assert look(entry).token != token

    def test_a_start_is_taken_back_and_then_goes_the_ordinary_way(self, confirmed: Booking) -> None:
        bookings.start_booking(booking_id=confirmed.pk)
        started = entry_of("booking.start", confirmed.pk)

        back = undo(started)
        confirmed.refresh_from_db()
        assert confirmed.status == "confirmed"

        again = look(Entry.objects.get(pk=back.reversal_id))
        assert refusal_of(again) == "reversal_not_reversible"

    def test_a_start_is_not_taken_back_before_what_followed_it(self, confirmed: Booking) -> None:
        bookings.start_booking(booking_id=confirmed.pk)
        bookings.complete_booking(booking_id=confirmed.pk)

        preview = look(entry_of("booking.start", confirmed.pk))

        assert refusal_of(preview) == "reversal_blocked"
        assert preview.plan is not None
        assert preview.plan.blockers[0].entry_id == entry_of("booking.complete", confirmed.pk).pk

    def test_a_cancelled_one_stays_cancelled_and_says_what_to_do(self, confirmed: Booking) -> None:
        bookings.cancel_booking(booking_id=confirmed.pk, reason="Rain")

        preview = look(entry_of("booking.cancel", confirmed.pk))

        assert refusal_of(preview) == "reversal_not_reversible"
        assert [each.name for each in preview.follow_ups] == ["booking.create"]
        assert preview.follow_ups[0].meaning.startswith("Make a new booking")


class TestInvoices:
    def test_an_unpaid_one_is_voided(self, invoice: Invoice) -> None:
        entry = entry_of("invoice.issue", invoice.pk)
        assert kinds_of(look(entry)) == ["compensated", "irreversible"]

        done = undo(entry)

        invoice.refresh_from_db()
        assert (invoice.status, done.outcome) == ("void", "full")
        assert invoice.void_reason == "Asked for by the customer"

    def test_a_paid_one_is_refused_and_credited_instead(
        self, invoice: Invoice, paid: Payment
    ) -> None:
        entry = entry_of("invoice.issue", invoice.pk)

        preview = look(entry)
        with pytest.raises(ReversalBlocked) as refusal:
            undo(entry)
        assert "has_payments" in str(refusal.value)
        assert refusal.value.facts["follow_ups"] == ["invoice.credit"]
        assert preview.follow_ups[0].command is not None

        first = undo(entry, command="invoice.credit", amount_cents=10_000)
        rest = undo(entry, command="invoice.credit")

        assert (first.outcome, rest.outcome) == ("partial", "full")
        assert sorted(CreditNote.objects.values_list("amount_cents", flat=True)) == [10_000, 14_000]
        chained = Entry.objects.get(pk=rest.reversal_id)
        assert chained.causation_id == str(first.reversal_id)
        with pytest.raises(ReversalAlreadyReversed):
            undo(entry, command="invoice.credit")

    def test_more_than_is_left_is_not_credited(self, invoice: Invoice, paid: Payment) -> None:
        with pytest.raises(ReversalBlocked, match="Only 24000 minor units"):
            undo(
                entry_of("invoice.issue", invoice.pk),
                command="invoice.credit",
                amount_cents=24_001,
            )

        assert not CreditNote.objects.exists()


class TestPayments:
    def test_a_capture_is_taken_back_by_the_provider_within_the_window(
        self, captured: Payment, peers: Peers
    ) -> None:
        entry = entry_of("payment.capture", captured.pk)
        assert kinds_of(look(entry)) == ["reverted", "outside_call"]

        begun = undo(entry)
        assert (begun.state, begun.outcome) == ("running", None)
        work_off()

        standing = standing_of(entry)
        assert (standing.state, standing.outcome, standing.done_cents) == (
            "completed",
            "full",
            24_000,
        )
        assert standing.reversed_by_id is not None
        settled = Entry.objects.get(pk=standing.reversed_by_id)
        assert (settled.action_name, settled.action_kind, settled.status) == (
            "refund.settle",
            "reverse",
            "reversed",
        )
        [payment] = peers.seen(peers.payment)["payments"]
        assert len(payment["refunds"]) == 1
        assert not CreditNote.objects.exists()

    def test_a_part_of_a_capture_goes_back_with_a_credit_note(
        self, captured: Payment, peers: Peers
    ) -> None:
        entry = entry_of("payment.capture", captured.pk)

        undo(entry, amount_cents=9_000)
        work_off()

        assert standing_of(entry).outcome == "partial"
        refund = Refund.objects.select_related("credit_note").get()
        assert refund.credit_note is not None
        assert (refund.status, refund.credit_note.amount_cents) == ("settled", 9_000)
        steps = Mutation.objects.filter(reverses=entry.pk).order_by("reversal_number")
        assert [step.reversal_step for step in steps] == ["begun", "settled"]

    def test_after_the_window_only_a_new_act_gives_it_back(
        self, captured: Payment, peers: Peers
    ) -> None:
        entry = entry_of("payment.capture", captured.pk)
        past = timezone.now() - timedelta(seconds=1)
        Capture.objects.update(window_closes_at=past, captured_at=past)
        ReversalStanding.objects.filter(entry=entry.pk).update(until=past)
        assert reversals.expire_reversals() >= 1

        preview = look(entry)
        assert refusal_of(preview) == "reversal_expired"
        assert [each.name for each in preview.follow_ups] == ["payment.refund"]

        undo(entry, command="payment.refund")
        refund = Refund.objects.get()
        assert (refund.method, refund.status) == ("bank_transfer", "pending")
        refunds.settle_refund(refund_id=refund.pk)

        assert (standing_of(entry).state, standing_of(entry).outcome) == ("completed", "full")
        assert CreditNote.objects.get().amount_cents == 24_000

    def test_what_the_provider_refuses_failed_and_can_be_tried_again(
        self, captured: Payment, peers: Peers
    ) -> None:
        entry = entry_of("payment.capture", captured.pk)
        reference = Capture.objects.get().provider_ref
        Capture.objects.update(provider_ref="pay_unknown")
        undo(entry)
        work_off()
        assert (standing_of(entry).state, standing_of(entry).outcome) == ("failed", "failed")

        Capture.objects.update(provider_ref=reference)
        undo(entry)
        work_off()

        assert standing_of(entry).outcome == "full"

    def test_a_part_that_did_not_go_back_is_tried_again_under_its_credit_note(
        self, captured: Payment, peers: Peers
    ) -> None:
        entry = entry_of("payment.capture", captured.pk)
        reference = Capture.objects.get().provider_ref
        Capture.objects.update(provider_ref="pay_unknown")
        undo(entry, amount_cents=15_000)
        work_off()
        Capture.objects.update(provider_ref=reference)

        preview = look(entry, asked_cents=15_000)
        assert preview.plan is not None
        [note, _] = preview.plan.effects[0].parts
        assert "before, and did not go back" in note.summary
        undo(entry, amount_cents=15_000)
        work_off()

        assert (standing_of(entry).outcome, standing_of(entry).done_cents) == ("partial", 15_000)
        assert CreditNote.objects.get().amount_cents == 15_000
        # It stands for money that has gone: what goes back now is credited anew.
        undo(entry, amount_cents=9_000)
        assert sorted(CreditNote.objects.values_list("amount_cents", flat=True)) == [9_000, 15_000]
        assert money_back_is_covered() == []

    def test_the_whole_that_did_not_go_back_is_tried_again_in_parts(self, paid: Payment) -> None:
        entry = entry_of("payment.record", paid.pk)
        undo(entry)
        refunds.fail_refund(refund_id=Refund.objects.get().pk, reason="The account is closed.")

        for cents in (20_000, 4_000):
            undo(entry, amount_cents=cents)
            refunds.settle_refund(refund_id=Refund.objects.get(status="pending").pk)

        assert standing_of(entry).outcome == "full"
        assert CreditNote.objects.get().amount_cents == 24_000

    def test_what_was_credited_for_another_reason_is_not_used_up(self, paid: Payment) -> None:
        refunds.issue_credit_note(
            invoice_id=paid.invoice_id, amount_cents=10_000, currency="EUR", reason="Too dear"
        )

        undo(entry_of("payment.record", paid.pk), amount_cents=5_000)

        assert sorted(CreditNote.objects.values_list("amount_cents", flat=True)) == [5_000, 10_000]

    def test_every_refund_is_a_step_in_the_undoing_of_its_payment(self, paid: Payment) -> None:
        entry = entry_of("payment.record", paid.pk)
        refund = refunds.request_refund(
            payment_id=paid.pk, amount_cents=4_000, method=RefundMethod.CASH, reason="Rain"
        )
        assert standing_of(entry).state == "running"
        refunds.fail_refund(refund_id=refund.pk, reason="Nobody at home")
        assert (standing_of(entry).state, standing_of(entry).running_cents) == ("failed", 0)

        undo(entry, amount_cents=4_000)
        refunds.settle_refund(refund_id=Refund.objects.get(status="pending").pk)

        assert (standing_of(entry).outcome, standing_of(entry).done_cents) == ("partial", 4_000)
        assert reversals_are_sound() == []
        assert standings_follow_from_entries() == []

    def test_rivals_never_give_back_more_than_came_in(self, paid: Payment) -> None:
        def ask() -> None:
            refunds.request_refund(
                payment_id=paid.pk, amount_cents=10_000, method=RefundMethod.CASH, reason="Rain"
            )

        ends = race(ask, ask, ask, ask)

        assert sorted(ends) == ["done", "done", *[RefundExceedsPayment.code] * 2]
        assert standing_of(entry_of("payment.record", paid.pk)).running_cents == 20_000


class TestProducts:
    def test_a_change_is_taken_back_and_done_again(self, product: Product) -> None:
        products.update_product(product_id=product.pk, sell_amount_cents=15_000, tags=["sea"])
        change = entry_of("product.update", product.pk)

        back = undo(change)
        product.refresh_from_db()
        assert (product.sell_amount_cents, product.tags) == (12_000, [])
        restored = Entry.objects.get(pk=back.reversal_id)
        assert (restored.action_kind, restored.reason) == ("reverse", "Asked for by the customer")

        undo(restored)
        product.refresh_from_db()
        assert (product.sell_amount_cents, product.tags) == (15_000, ["sea"])

    def test_what_was_changed_again_stands_in_the_way(self, product: Product) -> None:
        products.update_product(product_id=product.pk, status="archived")
        first = entry_of("product.update", product.pk)
        products.update_product(product_id=product.pk, status="active")
        second = entry_of("product.update", product.pk)
        products.update_product(product_id=product.pk, name="Night cruise")

        preview = look(first)
        assert refusal_of(preview) == "reversal_blocked"
        assert preview.plan is not None
        assert preview.plan.blockers[0].entry_id == second.pk
        undo(second)
        undo(first)

        product.refresh_from_db()
        assert (product.status, product.name) == ("active", "Night cruise")

    def test_a_new_one_is_deleted_while_nothing_is_offered_of_it(self, product: Product) -> None:
        undo(entry_of("product.create", product.pk))

        assert not Product.objects.filter(pk=product.pk).exists()

    def test_one_with_departures_stays(self, slot: Slot) -> None:
        preview = look(entry_of("product.create", slot.product_id))

        assert refusal_of(preview) == "reversal_blocked"
        assert [each.name for each in preview.follow_ups] == ["product.update"]


class TestMail:
    def test_that_was_sent_stays_sent_and_offers_a_correction(
        self, booking: Booking, invoice: Invoice, peers: Peers, make_booking: MakeBooking
    ) -> None:
        renditions.generate_invoice_document(invoice_id=invoice.pk)
        deliveries.send_booking_documents(booking_id=booking.pk)
        work_off()

        preview = look(entry_of("booking.send_documents", booking.pk))

        assert refusal_of(preview) == "reversal_not_reversible"
        assert [each.name for each in preview.follow_ups] == ["booking.send_documents"]
        # And whatever else is undone says that it stays.
        assert kinds_of(look(entry_of("invoice.issue", invoice.pk))) == [
            "compensated",
            "irreversible",
            "irreversible",
        ]


def test_who_may_not_is_refused_on_record_once_and_about_what(paid: Payment) -> None:
    entry = entry_of("payment.record", paid.pk)
    nobody = Caller(User.objects.create_user("nobody"))

    with pytest.raises(CapabilityMissing):
        reversals.execute_reversal(
            entry_id=entry.pk, token=look(entry).token, reason="x", caller=nobody
        )

    [denied] = Entry.objects.filter(status="denied")
    assert (denied.action_name, denied.target_id) == ("refund.request", str(paid.pk))
