"""How chargebacks end, and how one is parted over the payments of its capture (ADR 0041)."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from commerce.domain.chargebacks import ChargebackResolved, ChargebackStatus
from commerce.domain.refunds import RefundMethod, SettlementWindowClosed
from commerce.models import (
    Chargeback,
    ChargebackResolution,
    ExternalRef,
    Invoice,
    Payment,
    PaymentMethod,
)
from commerce.services import chargeback_resolutions, payments, refunds, settlement
from ledger.models import Entry
from tests.integration.commerce.acting import names_in, race, status_of, work_off, work_off_all
from tests.integration.commerce.charging_back import (
    PROVIDER,
    claim_back,
    end,
    give_back,
    note,
    nothing_is_wrong,
)
from tests.integration.commerce.peers import Peers
from tests.integration.commerce.undoing import entry_of, look, standing_of, undo
from workflows.work.queue import JobKeyConflict

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def in_two(invoice: Invoice, peers: Peers) -> tuple[Payment, Payment]:
    """One capture of a provider that was booked as two payments, of 9,000 and of 15,000."""
    settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
    work_off()
    ref = ExternalRef.objects.get(invoice=invoice)
    for cents in (9_000, 15_000):
        peers.tell(peers.payment, settle=ref.external_id, amount_cents=cents)
        settlement.poll_invoice_settlement(invoice_id=invoice.pk)
    small, large = Payment.objects.filter(invoice=invoice).order_by("pk")
    assert (small.amount_cents, large.amount_cents) == (9_000, 15_000)
    assert small.capture.provider_ref == large.capture.provider_ref
    return small, large


def invoice_of(payment: Payment) -> Invoice:
    return Invoice.objects.get(pk=payment.invoice_id)


def pay_otherwise(payment: Payment, cents: int) -> None:
    payments.record_payment(
        invoice_id=payment.invoice_id,
        amount_cents=cents,
        currency="EUR",
        method=PaymentMethod.BANK_TRANSFER,
    )


def resolve_by_hand(chargeback: Chargeback, status: str) -> None:
    chargeback_resolutions.resolve_chargeback(
        chargeback_id=chargeback.pk,
        status=ChargebackStatus(status),
        reason="As the bank wrote.",
    )


class TestOverSeveralPayments:
    def test_comes_off_each_with_an_entry_of_its_own(self, in_two: tuple[Payment, Payment]) -> None:
        small, large = in_two

        claim_back(small, 20_000)
        work_off()

        of_large, of_small = (Chargeback.objects.get(payment=each) for each in (large, small))
        assert (of_large.claimed_cents, of_large.charged_back_cents) == (15_000, 15_000)
        assert (of_small.claimed_cents, of_small.charged_back_cents) == (5_000, 5_000)
        for payment, chargeback in ((large, of_large), (small, of_small)):
            entry = entry_of("chargeback.note", chargeback.pk)
            capture = entry_of("payment.capture", payment.pk)
            assert (entry.mutation.reverses_id, entry.causation_id) == (capture.pk, str(capture.pk))
            assert standing_of(capture).done_cents == chargeback.charged_back_cents
            assert names_in("chargeback", chargeback.pk) == ["chargeback.noted"]
        large.refresh_from_db()
        assert large.status == "charged_back"
        invoice = invoice_of(small)
        assert (invoice.status, invoice.paid_cents) == ("partially_paid", 4_000)
        assert nothing_is_wrong()

    def test_disputes_only_what_none_of_them_has_left(
        self, in_two: tuple[Payment, Payment]
    ) -> None:
        small, large = in_two
        refunds.settle_refund(refund_id=give_back(large, 10_000).pk)

        claim_back(small, 24_000)
        work_off()

        noted = Chargeback.objects.order_by("-charged_back_cents")
        assert [(each.charged_back_cents, each.disputed_cents) for each in noted] == [
            (9_000, 10_000),
            (5_000, 0),
        ]
        assert invoice_of(small).paid_cents == 10_000
        assert nothing_is_wrong()

    def test_told_again_is_noted_once(self, in_two: tuple[Payment, Payment]) -> None:
        small, _ = in_two
        race(*[lambda: claim_back(small, 20_000)] * 3)
        race(work_off, work_off)
        work_off_all()

        assert Chargeback.objects.count() == 2
        assert Entry.objects.filter(action_name="chargeback.note").count() == 2

    def test_is_won_for_all_of_them_at_once(self, in_two: tuple[Payment, Payment]) -> None:
        small, _ = in_two
        claim_back(small, 20_000)
        work_off()

        end("won")

        assert sorted(ChargebackResolution.objects.values_list("status", "returned_cents")) == [
            ("won", 5_000),
            ("won", 15_000),
        ]
        assert Entry.objects.filter(action_name="chargeback.resolve").count() == 2
        assert invoice_of(small).status == "paid"
        assert nothing_is_wrong()


class TestWon:
    @pytest.mark.parametrize("status", ["won", "withdrawn"])
    def test_brings_the_money_back_as_a_payment_of_its_own(
        self, captured: Payment, status: str
    ) -> None:
        chargeback = note(captured)

        end(status)

        resolution = ChargebackResolution.objects.get(chargeback=chargeback)
        assert (resolution.status, resolution.returned_cents, resolution.surplus_cents) == (
            status,
            24_000,
            0,
        )
        back = resolution.payment
        assert back is not None
        assert (back.amount_cents, back.reference, back.status) == (24_000, "cb_1", "completed")
        # What was taken stays taken: the book is not rewritten.
        captured.refresh_from_db()
        assert (captured.status, captured.charged_back_cents) == ("charged_back", 24_000)
        invoice = invoice_of(captured)
        assert (invoice.status, invoice.paid_cents, invoice.balance_due_cents) == (
            "paid",
            24_000,
            0,
        )
        assert names_in("chargeback", chargeback.pk) == ["chargeback.noted", "chargeback.resolved"]
        assert names_in("invoice", invoice.pk)[-1] == "invoice.payment.recorded"
        assert nothing_is_wrong()

    def test_is_on_record_and_follows_from_the_chargeback(self, captured: Payment) -> None:
        chargeback = note(captured)

        end("won")

        entry = entry_of("chargeback.resolve", chargeback.pk)
        noted = entry_of("chargeback.note", chargeback.pk)
        assert (entry.status, entry.evaluated_risk, entry.amends_id) == (
            "succeeded",
            "critical",
            None,
        )
        assert entry.causation_id == str(noted.pk)
        assert f"{entry.principal_type}:{entry.principal_id}" == PROVIDER
        assert entry.mutation.summary == (
            "cb_1 is won: 240.00 EUR are back, 0.00 EUR beyond what is due."
        )
        back = ChargebackResolution.objects.get().payment
        assert back is not None
        recorded = entry_of("payment.record", back.pk)
        assert recorded.mutation.summary == "demo gave back 240.00 EUR."
        assert look(entry).standing.state == "not_reversible"

    def test_can_be_given_back_but_not_by_the_provider(self, captured: Payment) -> None:
        note(captured)
        end("won")
        back = ChargebackResolution.objects.get().payment
        assert back is not None

        with pytest.raises(SettlementWindowClosed):
            refunds.request_refund(
                payment_id=back.pk,
                amount_cents=1,
                method=RefundMethod.PROCESSOR_REVERSAL,
                reason="Rain",
            )
        undo(entry_of("payment.record", back.pk))

        assert back.refunds.get().method == "bank_transfer"
        assert nothing_is_wrong()

    def test_makes_a_surplus_of_what_was_paid_otherwise(self, captured: Payment) -> None:
        chargeback = note(captured)
        pay_otherwise(captured, 14_000)

        end("won")

        resolution = ChargebackResolution.objects.get(chargeback=chargeback)
        assert (resolution.returned_cents, resolution.surplus_cents) == (10_000, 14_000)
        assert invoice_of(captured).paid_cents == 24_000
        assert nothing_is_wrong()

    def test_books_nothing_where_all_was_paid_otherwise(self, captured: Payment) -> None:
        note(captured)
        pay_otherwise(captured, 24_000)

        end("won")

        resolution = ChargebackResolution.objects.get()
        assert (resolution.surplus_cents, resolution.payment) == (24_000, None)
        assert Payment.objects.count() == 2
        assert nothing_is_wrong()

    def test_leaves_later_polls_to_book_what_is_new(self, invoice: Invoice, peers: Peers) -> None:
        settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
        work_off()
        ref = ExternalRef.objects.get(invoice=invoice)
        peers.tell(peers.payment, settle=ref.external_id, amount_cents=10_000)
        settlement.poll_invoice_settlement(invoice_id=invoice.pk)
        note(Payment.objects.get(invoice=invoice), 10_000)
        end("won")

        again = settlement.poll_invoice_settlement(invoice_id=invoice.pk)
        peers.tell(peers.payment, settle=ref.external_id, amount_cents=14_000)
        later = settlement.poll_invoice_settlement(invoice_id=invoice.pk)

        assert again["results"][0]["newlyAppliedAmountCents"] == 0
        assert later["results"][0]["newlyAppliedAmountCents"] == 14_000
        assert later["invoiceStatus"] == "paid"
        assert nothing_is_wrong()

    def test_can_be_charged_back_once_more(self, captured: Payment) -> None:
        note(captured)
        end("won")

        claim_back(captured, ref="cb_2")
        work_off_all()

        again = Chargeback.objects.get(provider_ref="cb_2")
        assert (again.charged_back_cents, again.disputed_cents) == (24_000, 0)
        assert again.payment != captured
        assert invoice_of(captured).paid_cents == 0
        assert nothing_is_wrong()


class TestLost:
    def test_changes_nothing_but_that_it_is_over(self, captured: Payment) -> None:
        chargeback = note(captured)
        before = invoice_of(captured)

        end("lost")

        resolution = ChargebackResolution.objects.get(chargeback=chargeback)
        assert (resolution.returned_cents, resolution.surplus_cents, resolution.payment) == (
            0,
            0,
            None,
        )
        after = invoice_of(captured)
        assert (
            (after.status, after.paid_cents) == (before.status, before.paid_cents) == ("issued", 0)
        )
        assert nothing_is_wrong()


class TestOnce:
    def test_told_again_is_the_same(self, captured: Payment) -> None:
        note(captured)

        race(*[lambda: end("won")] * 3)
        work_off_all()

        assert ChargebackResolution.objects.count() == 1
        assert Payment.objects.count() == 2
        assert Entry.objects.filter(action_name="chargeback.resolve").count() == 1

    def test_told_otherwise_is_refused(self, captured: Payment) -> None:
        note(captured)
        end("lost")

        with pytest.raises(JobKeyConflict):
            end("won")

    def test_is_not_walked_back_by_who_comes_later(self, captured: Payment) -> None:
        chargeback = note(captured)
        resolve_by_hand(chargeback, "lost")

        job = end("won")
        with pytest.raises(ChargebackResolved):
            resolve_by_hand(chargeback, "won")
        resolve_by_hand(chargeback, "lost")

        assert status_of(job.id) in {"dead", "retry"}
        assert ChargebackResolution.objects.get().status == "lost"
        assert Payment.objects.count() == 1

    def test_waits_for_a_chargeback_that_is_not_noted_yet(self, captured: Payment) -> None:
        job = end("won")
        assert status_of(job.id) == "retry"

        claim_back(captured)
        work_off_all()

        assert status_of(job.id) == "done"
        assert invoice_of(captured).status == "paid"


class TestTheDatabase:
    def test_refuses_an_end_that_returns_less_than_was_taken(self, captured: Payment) -> None:
        chargeback = note(captured)

        with pytest.raises(IntegrityError, match=r"24000.*beyond"), transaction.atomic():
            ChargebackResolution.objects.create(
                chargeback=chargeback,
                status="won",
                returned_cents=0,
                surplus_cents=23_999,
                reason="x",
                occurred_at=timezone.now(),
            )

    def test_keeps_an_end_as_it_was_noted(self, captured: Payment) -> None:
        note(captured)
        end("lost")

        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            ChargebackResolution.objects.update(reason="y")
