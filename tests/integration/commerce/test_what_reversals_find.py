"""What a preview of a reversal finds: of this booking and invoice, and of no other."""

import pytest

from commerce.domain.refunds import RefundMethod
from commerce.models import Booking, Invoice, Payment, PaymentMethod
from commerce.services import deliveries, payments, refunds, renditions
from ledger.reversing.previews import Preview
from tests.integration.commerce.acting import work_off
from tests.integration.commerce.charging_back import note
from tests.integration.commerce.conftest import MakeBooking, bill, pay
from tests.integration.commerce.peers import Peers
from tests.integration.commerce.undoing import entry_of, kinds_of, look

pytestmark = pytest.mark.django_db(transaction=True)


def asked_of(preview: Preview) -> object:
    assert preview.plan is not None
    return preview.plan.input.get("method")


class TestAnInvoice:
    def test_counts_no_documents_of_another_booking(
        self, invoice: Invoice, peers: Peers, make_booking: MakeBooking
    ) -> None:
        alone = kinds_of(look(entry_of("invoice.issue", invoice.pk)))
        other = bill(make_booking(quantity=1))
        renditions.generate_invoice_document(invoice_id=other.pk)
        deliveries.send_booking_documents(booking_id=other.booking_id)
        work_off()

        assert kinds_of(look(entry_of("invoice.issue", invoice.pk))) == alone

    def test_counts_no_documents_that_are_yet_to_be_sent(
        self, invoice: Invoice, peers: Peers
    ) -> None:
        alone = kinds_of(look(entry_of("invoice.issue", invoice.pk)))
        renditions.generate_invoice_document(invoice_id=invoice.pk)
        deliveries.send_booking_documents(booking_id=invoice.booking_id)

        assert kinds_of(look(entry_of("invoice.issue", invoice.pk))) == alone

    def test_whose_only_payment_failed_can_be_voided(self, invoice: Invoice) -> None:
        payment = payments.record_payment(
            invoice_id=invoice.pk,
            amount_cents=100,
            currency="EUR",
            method=PaymentMethod.CASH,
            is_pending=True,
        )
        entry = entry_of("invoice.issue", invoice.pk)
        assert look(entry).refusal is not None

        payments.fail_payment(payment_id=payment.pk, reason="It bounced")

        assert look(entry).refusal is None


class TestAPayment:
    def test_that_came_in_cash_goes_back_in_cash(self, invoice: Invoice) -> None:
        payment = payments.record_payment(
            invoice_id=invoice.pk, amount_cents=100, currency="EUR", method=PaymentMethod.CASH
        )

        assert asked_of(look(entry_of("payment.record", payment.pk))) == "cash"

    def test_names_what_its_provider_took_in_the_order_in_which_it_did(
        self, captured: Payment
    ) -> None:
        capture = entry_of("payment.capture", captured.pk)
        taken = [note(captured, cents, f"cb_{cents}") for cents in (9_000, 2_000)]

        preview = look(capture)

        assert preview.plan is not None
        found = [
            (effect.amount_cents, effect.entry_id)
            for effect in preview.plan.effects
            if effect.kind == "irreversible"
        ]
        assert found == [
            (each.charged_back_cents, entry_of("chargeback.note", each.pk).pk) for each in taken
        ]

    def test_names_no_claim_that_took_nothing(self, captured: Payment) -> None:
        capture = entry_of("payment.capture", captured.pk)
        taken = note(captured, captured.amount_cents - 1_000, "cb_1")
        refunds.request_refund(
            payment_id=captured.pk, amount_cents=1_000, method=RefundMethod.CASH, reason="Rain"
        )
        assert note(captured, 1_000, "cb_2").charged_back_cents == 0

        preview = look(capture)

        assert preview.plan is not None
        [stop] = preview.plan.blockers
        assert stop.entry_id == entry_of("chargeback.note", taken.pk).pk


class TestABooking:
    def test_gives_back_what_was_paid_for_it_alone(
        self, confirmed: Booking, make_booking: MakeBooking
    ) -> None:
        invoice = bill(confirmed)
        mine = payments.record_payment(
            invoice_id=invoice.pk, amount_cents=1_000, currency="EUR", method=PaymentMethod.CASH
        )
        payments.record_payment(
            invoice_id=invoice.pk,
            amount_cents=500,
            currency="EUR",
            method=PaymentMethod.CASH,
            is_pending=True,
        )
        pay(bill(make_booking(quantity=2)))

        preview = look(entry_of("booking.confirm", confirmed.pk))

        assert preview.plan is not None
        found = [
            part.entry_id
            for effect in preview.plan.effects
            for part in effect.parts
            if part.kind == "compensated"
        ]
        assert found == [entry_of("payment.record", mine.pk).pk]
