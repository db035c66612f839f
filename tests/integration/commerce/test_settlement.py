from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from commerce.domain.invoices import InvoiceNotPayable
from commerce.models import Capture, ExternalRef, Invoice, Payment
from commerce.services import invoices, settlement
from commerce.services.invoices import InvoiceNotFound
from commerce.services.settlement import NO_POLLER, PaymentRequestEnded, ProviderUnknown
from events import bus, recorder, selectors
from events.ids import new_id
from ledger import drift
from ledger.models import Entry
from tests.integration.commerce.acting import race, status_of, work_off, work_off_all
from tests.integration.commerce.peers import Peers
from tests.peers import receiver
from workflows.work import services as jobs


@pytest.fixture
def asked(invoice: Invoice, peers: Peers) -> ExternalRef:
    """The reference of an invoice whose payment the provider was asked to collect."""
    settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
    work_off()
    return ExternalRef.objects.get(invoice=invoice)


def names_of(invoice: Invoice) -> list[str]:
    return [event.name for event in selectors.stream_events(("invoice", str(invoice.pk)))]


def writes(queries: CaptureQueriesContext) -> list[str]:
    """Return the tables of money that were written, in order."""
    tables = ("commerce_payment", "commerce_invoice")
    return [
        table
        for query in queries.captured_queries
        for table in tables
        if f'INSERT INTO "{table}"' in query["sql"] or f'UPDATE "{table}"' in query["sql"]
    ]


class TestAskForPayment:
    def test_has_the_provider_collect_what_is_due(self, asked: ExternalRef, peers: Peers) -> None:
        [payment] = peers.seen(peers.payment)["payments"]

        assert asked.external_id == payment["id"]
        assert payment["amount_cents"] == 24_000
        assert payment["reference"] == asked.invoice.number

    def test_asks_the_provider_once_however_often_it_is_asked(
        self, invoice: Invoice, peers: Peers
    ) -> None:
        first = settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
        second = settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
        work_off_all()

        assert first.id == second.id
        assert len(peers.seen(peers.payment)["payments"]) == 1

    def test_asks_once_although_the_answer_was_lost(self, invoice: Invoice, peers: Peers) -> None:
        peers.tell(peers.payment, lose_answer=2)

        work = settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
        work_off_all()

        assert status_of(work.id) == "done"
        assert len(peers.seen(peers.payment)["payments"]) == 1
        assert ExternalRef.objects.filter(invoice=invoice).count() == 1

    def test_asks_anew_after_a_job_that_was_cancelled_before_it_asked(
        self, invoice: Invoice, peers: Peers
    ) -> None:
        for _ in range(2):
            ended = settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
            jobs.cancel(ended.id, reason="too early")

        again = settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
        work_off_all()

        assert status_of(again.id) == "done"
        assert settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo").id == again.id
        assert len(peers.seen(peers.payment)["payments"]) == 1

    def test_does_not_ask_anew_where_the_provider_may_have_been_asked(
        self, invoice: Invoice, peers: Peers
    ) -> None:
        peers.tell(peers.payment, lose_answer=1)
        tried = settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
        work_off()
        jobs.cancel(tried.id, reason="too late")

        with pytest.raises(PaymentRequestEnded):
            settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")

        work_off_all()
        assert len(peers.seen(peers.payment)["payments"]) == 1

    def test_refuses_a_provider_that_nobody_knows(self, invoice: Invoice) -> None:
        with pytest.raises(ProviderUnknown):
            settlement.ask_for_payment(invoice_id=invoice.pk, provider="nobody")

    def test_refuses_an_invoice_on_which_nothing_is_due(self, draft: Invoice) -> None:
        with pytest.raises(InvoiceNotPayable):
            settlement.ask_for_payment(invoice_id=draft.pk, provider="demo")


class TestPollInvoiceSettlement:
    def test_books_what_the_provider_reports(self, asked: ExternalRef, peers: Peers) -> None:
        peers.tell(peers.payment, settle=asked.external_id)

        answer = settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)

        payment = Payment.objects.get(invoice=asked.invoice_id)
        capture = Capture.objects.get(payment=payment)
        assert (payment.amount_cents, payment.status) == (24_000, "completed")
        assert payment.reference == asked.invoice.number
        assert capture.provider_ref == asked.external_id
        assert (capture.window_closes_at - capture.captured_at).days == 3
        assert answer["invoiceStatus"] == "paid"
        assert (answer["paidCents"], answer["balanceDueCents"]) == (24_000, 0)
        [result] = answer["results"]
        assert result["createdPaymentId"] == str(payment.pk)
        assert result["newlyAppliedAmountCents"] == 24_000
        assert result["syncError"] is None

    def test_writes_payment_and_invoice_before_it_says_so(
        self, asked: ExternalRef, peers: Peers
    ) -> None:
        peers.tell(peers.payment, settle=asked.external_id)
        order: list[str] = []

        with _noting_events(order), CaptureQueriesContext(connection) as queries:
            settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)
        assert writes(queries) == ["commerce_payment", "commerce_invoice"]
        assert order == [
            "invoice.payment.recorded after payment and invoice",
            "invoice.settled after payment and invoice",
        ]
        assert names_of(asked.invoice)[-2:] == ["invoice.payment.recorded", "invoice.settled"]

    def test_books_the_same_money_once(self, asked: ExternalRef, peers: Peers) -> None:
        peers.tell(peers.payment, settle=asked.external_id)

        first = settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)
        second = settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)

        assert first["results"][0]["newlyAppliedAmountCents"] == 24_000
        assert second["results"][0]["newlyAppliedAmountCents"] == 0
        assert Payment.objects.count() == 1
        assert names_of(asked.invoice).count("invoice.settled") == 1

    def test_books_a_part_and_then_the_rest(self, asked: ExternalRef, peers: Peers) -> None:
        peers.tell(peers.payment, settle=asked.external_id, amount_cents=5_000)
        part = settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)
        peers.tell(peers.payment, settle=asked.external_id)
        rest = settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)

        assert part["invoiceStatus"] == "partially_paid"
        assert rest["invoiceStatus"] == "paid"
        amounts = Payment.objects.order_by("created_at").values_list("amount_cents", flat=True)
        assert list(amounts) == [5_000, 19_000]

    def test_books_once_when_polled_by_two_at_the_same_time(
        self, asked: ExternalRef, peers: Peers
    ) -> None:
        peers.tell(peers.payment, settle=asked.external_id)

        def poll() -> None:
            settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)

        assert race(poll, poll, poll, poll) == ["done"] * 4
        assert Payment.objects.count() == 1
        assert names_of(asked.invoice).count("invoice.settled") == 1
        assert Invoice.objects.get(pk=asked.invoice_id).paid_cents == 24_000

    def test_notes_what_went_wrong_with_one_reference_and_goes_on(
        self, asked: ExternalRef, peers: Peers
    ) -> None:
        ExternalRef.objects.create(
            invoice=asked.invoice, provider="gone", external_id="x", created_at=asked.created_at
        )
        peers.tell(peers.payment, settle=asked.external_id)

        answer = settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)

        by_provider = {result["provider"]: result for result in answer["results"]}
        assert by_provider["gone"]["syncError"] == NO_POLLER
        assert by_provider["gone"]["createdPaymentId"] is None
        assert by_provider["demo"]["newlyAppliedAmountCents"] == 24_000

    def test_notes_that_the_provider_does_not_answer(
        self, asked: ExternalRef, peers: Peers
    ) -> None:
        peers.tell(peers.payment, fail=1)

        answer = settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)

        assert "status 503" in answer["results"][0]["syncError"]
        assert not Payment.objects.exists()

        settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)
        assert ExternalRef.objects.get(pk=asked.pk).sync_error == ""

    @pytest.mark.parametrize(
        ("lie", "why"),
        [
            ({"id": "pay_of_somebody_else"}, "reports another payment"),
            ({"id": None}, "its id is no text"),
            ({"paid_cents": 99.5}, "its paid_cents is no amount"),
            ({"paid_cents": True}, "its paid_cents is no amount"),
            ({"paid_cents": "24000"}, "its paid_cents is no amount"),
            ({"paid_cents": -1}, "its paid_cents is no amount"),
            ({"paid_cents": 10**40}, "its paid_cents is no amount"),
            ({"amount_cents": None}, "its amount_cents is no amount"),
            ({"settled_at": "yesterday"}, "its settled_at is no time"),
            ({"settled_at": 1_700_000_000}, "its settled_at is no time"),
            ({"settled_at": "2026-01-01T00:00:00"}, "its settled_at has no offset"),
            ({"settled_at": "9999-12-31T23:59:59Z"}, "its settled_at is still to come"),
            ({"currency": "USD"}, "EUR and USD cannot be mixed"),
            ({"currency": None}, "its currency is no text"),
            ({"status": "x" * 41}, "its status is no text of 1 to 40"),
            ({"reference": "a\0b"}, "its reference is no text"),
        ],
    )
    def test_books_nothing_by_a_report_that_cannot_be_true(
        self,
        asked: ExternalRef,
        peers: Peers,
        caplog: pytest.LogCaptureFixture,
        lie: dict[str, Any],
        why: str,
    ) -> None:
        peers.tell(peers.payment, settle=asked.external_id, lie=lie)

        answer = settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)

        assert why in answer["results"][0]["syncError"]
        assert not Payment.objects.exists()
        assert ExternalRef.objects.get(pk=asked.pk).external_id == asked.external_id
        assert not [each for each in caplog.records if each.levelname == "ERROR"]

        peers.tell(peers.payment, lie={})
        settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)
        assert Invoice.objects.get(pk=asked.invoice_id).status == "paid"

    def test_notes_the_same_trouble_once(self, asked: ExternalRef, peers: Peers) -> None:
        peers.tell(peers.payment, fail=3)
        notes = Entry.objects.filter(action_name="settlement.note")
        before = notes.count()

        for _ in range(3):
            settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)

        assert notes.count() == before + 1

    def test_books_nothing_on_an_invoice_that_was_voided_meanwhile(
        self, asked: ExternalRef, peers: Peers
    ) -> None:
        invoices.void_invoice(invoice_id=asked.invoice_id, reason="Wrong customer")
        peers.tell(peers.payment, settle=asked.external_id)

        answer = settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)

        assert "is void" in answer["results"][0]["syncError"]
        assert not Payment.objects.exists()

    def test_leaves_no_trace_when_the_fact_cannot_be_recorded(
        self, asked: ExternalRef, peers: Peers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        peers.tell(peers.payment, settle=asked.external_id)
        emit = recorder.emit

        def failing(name: str, *args: Any, **kwargs: Any) -> Any:
            if name == "invoice.settled":
                raise RuntimeError("the log is away")
            return emit(name, *args, **kwargs)

        monkeypatch.setattr(recorder, "emit", failing)
        answer = settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)

        assert "the log is away" in answer["results"][0]["syncError"]
        assert not Payment.objects.exists()
        assert Invoice.objects.get(pk=asked.invoice_id).paid_cents == 0
        assert "invoice.payment.recorded" not in names_of(asked.invoice)

    def test_asks_for_nothing_but_that_payment_whatever_its_id(
        self, asked: ExternalRef, settings: Settings
    ) -> None:
        ExternalRef.objects.update(external_id="../control?reset=1#")
        with receiver((404, {}, b"")) as peer:
            settings.COMMERCE_PAYMENT_URL = f"http://127.0.0.1:{peer.port}/api"
            settlement.poll_invoice_settlement(invoice_id=asked.invoice_id)

        assert [each.path for each in peer.received] == [
            "/api/payments/..%2Fcontrol%3Freset%3D1%23"
        ]

    def test_refuses_an_invoice_that_is_not_there(self, db: None) -> None:
        with pytest.raises(InvoiceNotFound):
            settlement.poll_invoice_settlement(invoice_id=new_id())


class TestPollJob:
    def test_polls_in_the_background(self, asked: ExternalRef, peers: Peers) -> None:
        peers.tell(peers.payment, settle=asked.external_id)

        work = settlement.ask_for_poll(invoice_id=asked.invoice_id)
        work_off()

        assert status_of(work.id) == "done"
        assert Invoice.objects.get(pk=asked.invoice_id).status == "paid"


@contextmanager
def _noting_events(order: list[str]) -> Iterator[None]:
    """Note at the moment of each event what the transaction has written before it."""

    def note(envelope: Any) -> None:
        invoice = Invoice.objects.get(pk=envelope.data["invoiceId"])
        has_payment = Payment.objects.filter(pk=envelope.data["paymentId"]).exists()
        if has_payment and invoice.paid_cents == 24_000:
            order.append(f"{envelope.name} after payment and invoice")
        else:
            order.append(f"{envelope.name} too early")

    hook = bus.before_commit("invoice.*", note)
    yield
    hook.unsubscribe()


def test_what_a_provider_captured_is_no_drift(captured: Payment) -> None:
    assert [each.check.name for each in drift.find_drift() if not each.is_none] == []
