"""A provider takes money back by itself: once, no more than is left, chained and not amending."""

import psycopg
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from commerce.domain.invoices import InvoiceNotVoidable
from commerce.domain.refunds import RefundExceedsPayment, RefundMethod
from commerce.models import (
    Chargeback,
    ExternalRef,
    Invoice,
    Payment,
    PaymentMethod,
    Refund,
)
from commerce.services import chargebacks, invoices, payments, refunds, settlement
from commerce.services.chargebacks import ReportedClaim
from commerce.services.refund_limits import PaymentNotRefundable
from events import context
from events.domain.principal import Principal
from ledger.models import Entry
from tests.integration.commerce.acting import (
    names_in,
    race,
    status_of,
    work_off,
    work_off_all,
)
from tests.integration.commerce.charging_back import (
    PROVIDER,
    claim_back,
    give_back,
    note,
    nothing_is_wrong,
)
from tests.integration.commerce.peers import Peers
from tests.integration.commerce.undoing import (
    entry_of,
    look,
    refusal_of,
    standing_of,
    undo,
)
from workflows.work.queue import JobKeyConflict

pytestmark = pytest.mark.django_db(transaction=True)


class TestWhole:
    def test_takes_the_payment_off_the_invoice_which_is_owed_again(self, captured: Payment) -> None:
        chargeback = note(captured)

        captured.refresh_from_db()
        invoice = Invoice.objects.get(pk=captured.invoice_id)
        assert (chargeback.charged_back_cents, chargeback.disputed_cents) == (24_000, 0)
        assert (captured.status, captured.charged_back_cents) == ("charged_back", 24_000)
        assert (invoice.status, invoice.paid_cents, invoice.balance_due_cents) == (
            "issued",
            0,
            24_000,
        )
        assert names_in("chargeback", chargeback.pk) == ["chargeback.noted"]
        assert names_in("invoice", invoice.pk)[-1] == "invoice.payment.charged_back"
        assert nothing_is_wrong()

    def test_is_on_record_as_a_compensation_by_the_provider(self, captured: Payment) -> None:
        chargeback = note(captured)

        entry = entry_of("chargeback.note", chargeback.pk)
        assert (entry.action_kind, entry.status) == ("compensate", "compensated")
        assert (entry.evaluated_risk, entry.reason) == ("critical", "fraudulent")
        assert f"{entry.principal_type}:{entry.principal_id}" == PROVIDER
        assert entry.mutation.summary == (
            "demo claims 240.00 EUR: 240.00 EUR charged back, 0.00 EUR disputed."
        )
        preview = look(entry)
        assert refusal_of(preview) == "reversal_not_reversible"
        assert [each.name for each in preview.follow_ups] == ["payment.record"]

    def test_leaves_nothing_to_undo_of_the_payment(self, captured: Payment) -> None:
        chargeback = note(captured)

        capture = entry_of("payment.capture", captured.pk)
        standing = standing_of(capture)
        assert (standing.state, standing.outcome, standing.done_cents) == (
            "completed",
            "full",
            24_000,
        )
        assert standing.reversed_by_id == entry_of("chargeback.note", chargeback.pk).pk
        assert refusal_of(look(capture)) == "reversal_already_reversed"
        with pytest.raises(PaymentNotRefundable):
            give_back(captured, 1)

    def test_can_be_paid_anew_and_is_not_booked_from_old_reports(
        self, captured: Payment, peers: Peers
    ) -> None:
        note(captured)

        answer = settlement.poll_invoice_settlement(invoice_id=captured.invoice_id)
        assert (answer["paidCents"], answer["results"][0]["createdPaymentId"]) == (0, None)
        payments.record_payment(
            invoice_id=captured.invoice_id,
            amount_cents=24_000,
            currency="EUR",
            method=PaymentMethod.BANK_TRANSFER,
        )

        assert Invoice.objects.get(pk=captured.invoice_id).status == "paid"
        assert nothing_is_wrong()

    def test_does_not_make_the_invoice_voidable(self, captured: Payment) -> None:
        note(captured)

        with pytest.raises(InvoiceNotVoidable, match="has payments"):
            invoices.void_invoice(invoice_id=captured.invoice_id, reason="x")


class TestBesideRefunds:
    def test_takes_what_they_left_and_disputes_the_rest(self, captured: Payment) -> None:
        refund = give_back(captured, 12_000)
        refunds.settle_refund(refund_id=refund.pk)

        chargeback = note(captured)

        captured.refresh_from_db()
        assert (
            chargeback.claimed_cents,
            chargeback.charged_back_cents,
            chargeback.disputed_cents,
        ) == (24_000, 12_000, 12_000)
        assert (captured.status, captured.charged_back_cents) == ("completed", 12_000)
        invoice = Invoice.objects.get(pk=captured.invoice_id)
        assert (invoice.status, invoice.paid_cents) == ("partially_paid", 12_000)
        assert standing_of(entry_of("payment.capture", captured.pk)).outcome == "full"
        assert nothing_is_wrong()

    def test_takes_nothing_where_all_has_gone_and_is_a_dispute_alone(
        self, captured: Payment
    ) -> None:
        refunds.settle_refund(refund_id=give_back(captured, 24_000).pk)
        before = standing_of(entry_of("payment.capture", captured.pk))

        chargeback = note(captured, 5_000)

        assert (chargeback.charged_back_cents, chargeback.disputed_cents) == (0, 5_000)
        entry = entry_of("chargeback.note", chargeback.pk)
        assert (entry.action_kind, entry.status) == ("create", "succeeded")
        assert standing_of(entry_of("payment.capture", captured.pk)).steps == before.steps
        assert "invoice.payment.charged_back" not in names_in("invoice", captured.invoice_id)
        assert nothing_is_wrong()

    def test_shows_in_the_preview_of_the_payment_what_is_left(self, captured: Payment) -> None:
        chargeback = note(captured, 9_000)
        entry = entry_of("chargeback.note", chargeback.pk)
        capture = entry_of("payment.capture", captured.pk)

        preview = look(capture)
        assert preview.plan is not None
        assert preview.plan.amount_cents == 15_000
        taken = preview.plan.effects[1]
        assert (taken.kind, taken.amount_cents, taken.entry_id) == (
            "irreversible",
            9_000,
            entry.pk,
        )
        too_much = look(capture, asked_cents=15_001)
        assert refusal_of(too_much) == "reversal_blocked"
        assert too_much.plan is not None
        assert too_much.plan.blockers[0].entry_id == entry.pk
        with pytest.raises(RefundExceedsPayment):
            give_back(captured, 15_001)

        undo(capture)
        work_off()
        assert standing_of(capture).outcome == "full"
        assert nothing_is_wrong()

    def test_a_preview_made_before_it_is_stale(self, captured: Payment) -> None:
        capture = entry_of("payment.capture", captured.pk)
        token = look(capture).token

        note(captured, 1)

        assert look(capture).token != token

    def test_races_with_refunds_never_give_back_more_than_came_in(self, captured: Payment) -> None:
        claim_back(captured, 10_000)

        def ask() -> None:
            give_back(captured, 10_000)

        race(ask, ask, ask, work_off)
        work_off_all()

        captured.refresh_from_db()
        held = sum(refund.amount_cents for refund in captured.refunds.all())
        noted = Chargeback.objects.get()
        assert held + noted.charged_back_cents <= 24_000
        assert noted.charged_back_cents + noted.disputed_cents == 10_000
        assert nothing_is_wrong()


class TestToldAgain:
    def test_is_one_row_one_job_and_one_entry(self, captured: Payment) -> None:
        first = claim_back(captured)
        work_off()
        second = claim_back(captured)
        work_off_all()

        assert (second.id, second.is_new) == (first.id, False)
        assert Chargeback.objects.count() == 1
        assert Entry.objects.filter(action_name="chargeback.note").count() == 1
        assert Entry.objects.filter(action_name="chargeback.report").count() == 1

    def test_at_the_same_moment_is_one_row(self, captured: Payment) -> None:
        ends = race(*[lambda: claim_back(captured)] * 4)
        race(work_off, work_off)
        work_off_all()

        assert ends == ["done"] * 4
        assert Chargeback.objects.count() == 1
        assert nothing_is_wrong()

    def test_as_something_else_is_refused(self, captured: Payment) -> None:
        claim_back(captured)

        with pytest.raises(JobKeyConflict):
            claim_back(captured, 1)

    def test_waits_for_a_capture_that_is_not_booked_yet(
        self, invoice: Invoice, peers: Peers
    ) -> None:
        settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
        work_off()
        ref = ExternalRef.objects.get(invoice=invoice)
        with context.acting(Principal.parse(PROVIDER)):
            work = chargebacks.report_chargeback(report=early(ref.external_id))
        work_off()
        assert (status_of(work.id), Chargeback.objects.count()) == ("retry", 0)

        peers.tell(peers.payment, settle=ref.external_id)
        settlement.poll_invoice_settlement(invoice_id=invoice.pk)
        work_off_all()

        assert status_of(work.id) == "done"
        assert Chargeback.objects.get().charged_back_cents == 24_000


class TestTheDatabase:
    def test_refuses_refunds_and_chargebacks_beyond_the_payment(self, captured: Payment) -> None:
        note(captured, 20_000)

        with pytest.raises(IntegrityError) as refusal:
            insert_refund(captured, 4_001)
        assert broken_by(refusal.value) == "commerce_money_back_is_covered"
        with pytest.raises(IntegrityError, match="is not on record"):
            insert_refund(captured, 4_000)

    def test_refuses_what_the_payment_does_not_count(self, captured: Payment) -> None:
        note(captured, 20_000)

        with pytest.raises(IntegrityError) as refusal, transaction.atomic():
            Payment.objects.update(charged_back_cents=19_999)
        assert broken_by(refusal.value) == "commerce_payment_counts_its_chargebacks"

    def test_keeps_a_chargeback_as_it_was_noted(self, captured: Payment) -> None:
        note(captured)

        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            Chargeback.objects.update(disputed_cents=1)


def early(capture_ref: str) -> ReportedClaim:
    return ReportedClaim(
        provider="demo",
        provider_ref="cb_early",
        capture_ref=capture_ref,
        amount_cents=24_000,
        currency="EUR",
        reason="fraudulent",
        occurred_at=timezone.now(),
    )


def broken_by(error: IntegrityError) -> str | None:
    cause = error.__cause__
    assert isinstance(cause, psycopg.Error)
    return cause.diag.constraint_name


def insert_refund(payment: Payment, cents: int) -> None:
    with transaction.atomic():
        Refund.objects.create(
            payment=payment,
            method=RefundMethod.CASH,
            status="pending",
            amount_cents=cents,
            currency="EUR",
            reason="Past the services",
            requested_by="user:7",
        )
