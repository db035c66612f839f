from datetime import timedelta

import pytest
from django.utils import timezone

from commerce import invariants
from commerce.domain.money import CurrenciesMixed
from commerce.domain.refunds import (
    NothingToReverse,
    RefundExceedsCreditNote,
    RefundExceedsPayment,
    RefundMethod,
    SettlementWindowClosed,
)
from commerce.models import Booking, Capture, Invoice, Payment, PaymentMethod, Refund
from commerce.services import payments, refunds
from commerce.services.refund_limits import CreditNoteOfAnotherInvoice, PaymentNotRefundable
from commerce.services.refunds import ProviderEndsIt
from events import selectors
from ledger.models import Entry
from tests.integration.commerce.acting import names_in, status_of, work_off, work_off_all
from tests.integration.commerce.conftest import bill
from tests.integration.commerce.peers import Peers
from workflows.work.models import Work

REVERSAL = RefundMethod.PROCESSOR_REVERSAL


def ask(payment: Payment, method: RefundMethod = RefundMethod.CASH, cents: int = 24_000) -> Refund:
    return refunds.request_refund(
        payment_id=payment.pk, amount_cents=cents, method=method, reason="Rain"
    )


def work_of(refund: Refund) -> Work:
    return Work.objects.get(subject=f"refund/{refund.pk}")


class TestReversal:
    def test_gives_the_money_back_at_the_provider(self, captured: Payment, peers: Peers) -> None:
        refund = ask(captured, REVERSAL)
        work_off()

        refund.refresh_from_db()
        assert refund.status == "settled"
        [payment] = peers.seen(peers.payment)["payments"]
        assert payment["refunds"] == [{"id": refund.provider_ref, "amount_cents": 24_000}]
        assert names_in("refund", refund.pk) == ["refund.requested", "refund.settled"]
        fact = selectors.stream_events(("booking", str(captured.invoice.booking_id)))[-1]
        assert fact.name == "booking.refunded"
        assert fact.event_id == f"evt_booking_refunded_{refund.pk}"

    def test_happens_once_although_the_answer_was_lost(
        self, captured: Payment, peers: Peers
    ) -> None:
        peers.tell(peers.payment, lose_answer=2)
        refund = ask(captured, REVERSAL)

        work_off_all()

        [payment] = peers.seen(peers.payment)["payments"]
        assert len(payment["refunds"]) == 1
        refund.refresh_from_db()
        assert refund.status == "settled"

    def test_fails_when_the_provider_says_no_and_frees_the_amount(
        self, captured: Payment, peers: Peers
    ) -> None:
        Capture.objects.update(provider_ref="pay_unknown")
        refund = ask(captured, REVERSAL)
        work_off()

        refund.refresh_from_db()
        assert refund.status == "failed"
        assert "refused with 404" in refund.failure_reason
        assert status_of(work_of(refund).pk) == "done"
        assert ask(captured, cents=24_000).status == "pending"

    def test_says_of_a_refusal_that_names_somebody_only_that_it_does(
        self, captured: Payment, peers: Peers
    ) -> None:
        peers.tell(peers.payment, refuse_refunds="no account of Ada Lovelace")
        refund = ask(captured, REVERSAL)
        work_off()

        refund.refresh_from_db()
        assert (refund.status, refund.failure_reason) == ("failed", "[names somebody]")
        events = selectors.stream_events(("refund", str(refund.pk)))
        assert events[-1].data["failureReason"] == "[names somebody]"
        # All of it stands beside the entry, where it can be taken away.
        entry = Entry.objects.get(action_name="refund.fail")
        assert "no account of Ada Lovelace" in entry.reason

    def test_holds_the_amount_as_long_as_the_provider_is_silent(
        self, captured: Payment, peers: Peers
    ) -> None:
        peers.tell(peers.payment, fail=50)
        refund = ask(captured, REVERSAL)
        work_off_all()

        refund.refresh_from_db()
        assert (refund.status, work_of(refund).status) == ("pending", "dead")
        with pytest.raises(RefundExceedsPayment):
            ask(captured, cents=1)
        assert invariants.waiting_reversals_have_work() == []

    def test_is_possible_until_the_window_closes(self, captured: Payment) -> None:
        Capture.objects.update(
            captured_at=timezone.now() - timedelta(days=3), window_closes_at=timezone.now()
        )

        with pytest.raises(SettlementWindowClosed):
            ask(captured, REVERSAL)
        assert not Refund.objects.exists()
        assert ask(captured, RefundMethod.BANK_TRANSFER).status == "pending"

    def test_needs_a_capture(self, paid: Payment) -> None:
        with pytest.raises(NothingToReverse):
            ask(paid, REVERSAL)

    def test_is_ended_by_the_provider_only(self, captured: Payment) -> None:
        refund = ask(captured, REVERSAL)

        with pytest.raises(ProviderEndsIt):
            refunds.settle_refund(refund_id=refund.pk)
        with pytest.raises(ProviderEndsIt):
            refunds.fail_refund(refund_id=refund.pk, reason="No")


class TestByHand:
    def test_frees_the_amount_when_it_failed(self, paid: Payment) -> None:
        first = ask(paid)
        with pytest.raises(RefundExceedsPayment):
            ask(paid)

        refunds.fail_refund(refund_id=first.pk, reason="Account closed")

        assert ask(paid).status == "pending"
        assert Booking.objects.get(pk=paid.invoice.booking_id).refunded_cents == 0
        assert names_in("refund", first.pk) == ["refund.requested", "refund.failed"]

    def test_goes_no_further_than_its_credit_note(self, paid: Payment) -> None:
        note = refunds.issue_credit_note(
            invoice_id=paid.invoice_id, amount_cents=5_000, currency="EUR", reason="Rain"
        )

        with pytest.raises(RefundExceedsCreditNote):
            refunds.request_refund(
                payment_id=paid.pk,
                amount_cents=5_001,
                method=RefundMethod.CASH,
                reason="Rain",
                credit_note_id=note.pk,
            )

    def test_refuses_a_credit_note_of_another_invoice(self, paid: Payment) -> None:
        other = bill(paid.invoice.booking)
        note = refunds.issue_credit_note(
            invoice_id=other.pk, amount_cents=5_000, currency="EUR", reason="Rain"
        )

        with pytest.raises(CreditNoteOfAnotherInvoice):
            refunds.request_refund(
                payment_id=paid.pk,
                amount_cents=5_000,
                method=RefundMethod.CASH,
                reason="Rain",
                credit_note_id=note.pk,
            )

    def test_refuses_money_that_never_came(self, invoice: Invoice) -> None:
        announced = payments.record_payment(
            invoice_id=invoice.pk,
            amount_cents=24_000,
            currency="EUR",
            method=PaymentMethod.BANK_TRANSFER,
            is_pending=True,
        )

        with pytest.raises(PaymentNotRefundable):
            ask(announced)


class TestCreditNote:
    def test_leaves_what_was_paid_as_it_is(self, paid: Payment) -> None:
        refunds.issue_credit_note(
            invoice_id=paid.invoice_id, amount_cents=5_000, currency="EUR", reason="Rain"
        )

        invoice = Invoice.objects.get(pk=paid.invoice_id)
        assert (invoice.status, invoice.paid_cents, invoice.balance_due_cents) == (
            "paid",
            24_000,
            0,
        )

    def test_is_in_the_currency_of_its_invoice(self, paid: Payment) -> None:
        with pytest.raises(CurrenciesMixed):
            refunds.issue_credit_note(
                invoice_id=paid.invoice_id, amount_cents=1, currency="USD", reason="Rain"
            )
