from base64 import b64decode
from typing import Any

import pytest

from commerce import invariants
from commerce.models import Booking, Delivery, Invoice, RenditionFormat
from commerce.services import bookings, deliveries, invoices, renditions
from commerce.services.deliveries import (
    NoAttachments,
    NoDocuments,
    NoRecipient,
    NotificationsSuppressed,
)
from events import bus, selectors
from events.domain.envelope import Envelope
from events.sourcing import executor
from tests.integration.commerce.acting import (
    names_in,
    status_of,
    work_off,
    work_off_all,
)
from tests.integration.commerce.conftest import CONTACT, MakeBooking
from tests.integration.commerce.peers import Peers
from workflows.work import services as work_services
from workflows.work.models import Work


@pytest.fixture
def ready(invoice: Invoice) -> Booking:
    """A booking with a document that can be sent."""
    renditions.generate_invoice_document(invoice_id=invoice.pk)
    return invoice.booking


def row(delivery: Delivery) -> Delivery:
    return Delivery.objects.get(pk=delivery.pk)


class TestSendBookingDocuments:
    def test_writes_the_delivery_and_its_work_and_calls_nobody(
        self, ready: Booking, peers: Peers
    ) -> None:
        delivery = deliveries.send_booking_documents(booking_id=ready.pk)

        assert delivery.status == "pending"
        assert status_of(delivery.work_id) == "ready"
        assert len(delivery.document_keys) == 1
        assert peers.seen(peers.mail)["calls"] == []
        assert "booking.documents.sent" not in names_in("booking", ready.pk)

    def test_sends_the_best_format_of_each_invoice(self, ready: Booking) -> None:
        [invoice] = Invoice.objects.filter(booking=ready)
        for format_ in (RenditionFormat.PDF, RenditionFormat.JSON):
            renditions.generate_invoice_document(invoice_id=invoice.pk, format_=format_)

        delivery = deliveries.send_booking_documents(booking_id=ready.pk)

        [key] = delivery.document_keys
        assert key.endswith(".pdf")

    def test_keeps_the_address_sealed(self, ready: Booking) -> None:
        delivery = deliveries.send_booking_documents(booking_id=ready.pk)

        assert delivery.recipient_masked == "a•••@example.com"
        assert b"ada@" not in bytes(row(delivery).recipient_sealed)

    def test_refuses_when_there_is_nothing_to_send(self, booking: Booking) -> None:
        with pytest.raises(NoDocuments):
            deliveries.send_booking_documents(booking_id=booking.pk)

    def test_refuses_when_no_document_is_ready(self, invoice: Invoice) -> None:
        with pytest.raises(NoAttachments):
            deliveries.send_booking_documents(booking_id=invoice.booking_id)

    def test_refuses_when_nobody_is_known(self, make_booking: MakeBooking) -> None:
        booking = make_booking(contact={**CONTACT, "email": ""})
        draft = invoices.create_invoice(booking_id=booking.pk)
        invoice = invoices.issue_invoice(invoice_id=draft.pk)
        renditions.generate_invoice_document(invoice_id=invoice.pk)

        with pytest.raises(NoRecipient):
            deliveries.send_booking_documents(booking_id=booking.pk)
        assert deliveries.send_booking_documents(booking_id=booking.pk, recipient="x@example.com")

    def test_leaves_alone_who_wants_that(self, ready: Booking) -> None:
        bookings.amend_booking(
            booking_id=ready.pk, expected_version=None, notifications_suppressed=True
        )

        with pytest.raises(NotificationsSuppressed):
            deliveries.send_booking_documents(booking_id=ready.pk)
        assert not Delivery.objects.exists()
        assert not Work.objects.exists()


class TestDeliver:
    def test_marks_the_delivery_first_and_then_says_so(self, ready: Booking, peers: Peers) -> None:
        delivery = deliveries.send_booking_documents(booking_id=ready.pk)
        seen: list[str] = []

        def note(envelope: Envelope) -> None:
            seen.append(Delivery.objects.get(pk=envelope.data["deliveryId"]).status)

        bus.before_commit("booking.documents.sent", note)
        work_off()

        assert seen == ["sent"]
        assert row(delivery).status == "sent"
        assert row(delivery).provider_message_id == "msg_1"
        assert status_of(delivery.work_id) == "done"

    def test_says_what_was_sent_and_hides_to_whom(self, ready: Booking, peers: Peers) -> None:
        delivery = deliveries.send_booking_documents(booking_id=ready.pk)
        work_off()

        fact = selectors.stream_events(("booking", str(ready.pk)))[-1]
        assert fact.event_id == f"evt_delivery_sent_{delivery.pk}"
        assert fact.data["recipient"] == "a•••@•••"
        assert fact.data["documentKeys"] == delivery.document_keys
        assert Booking.objects.get(pk=ready.pk).documents_sent_at is not None
        [message] = peers.messages
        assert message["to"] == "ada@example.com"
        assert b64decode(message["attachments"][0]["content_base64"]).startswith(b"<!doctype html>")

    def test_tries_again_until_the_mail_service_takes_it(
        self, ready: Booking, peers: Peers
    ) -> None:
        peers.tell(peers.mail, fail=2)
        delivery = deliveries.send_booking_documents(booking_id=ready.pk)

        work_off_all()

        assert row(delivery).status == "sent"
        assert Work.objects.get(subject=f"booking/{ready.pk}").failures == 2
        assert names_in("booking", ready.pk).count("booking.documents.sent") == 1

    def test_sends_once_although_answers_were_lost(self, ready: Booking, peers: Peers) -> None:
        peers.tell(peers.mail, lose_answer=3)
        deliveries.send_booking_documents(booking_id=ready.pk)

        work_off_all()

        keys = {call["key"] for call in peers.seen(peers.mail)["calls"]}
        assert len(peers.seen(peers.mail)["calls"]) == 4
        assert len(keys) == 1
        assert len(peers.messages) == 1

    def test_undoes_everything_when_it_cannot_say_so(
        self, ready: Booking, peers: Peers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        delivery = deliveries.send_booking_documents(booking_id=ready.pk)

        def away(*_args: Any, **_kwargs: Any) -> None:
            raise RuntimeError("the log is away")

        with monkeypatch.context() as patch:
            patch.setattr(executor, "execute_in_transaction", away)
            work_off()
        assert row(delivery).status == "pending"
        assert status_of(delivery.work_id) == "retry"

        work_off_all()

        assert row(delivery).status == "sent"
        assert len(peers.messages) == 1
        assert names_in("booking", ready.pk).count("booking.documents.sent") == 1

    def test_gives_up_when_the_service_says_never(self, ready: Booking, peers: Peers) -> None:
        delivery = deliveries.send_booking_documents(booking_id=ready.pk, recipient="nobody")

        work_off()

        assert row(delivery).status == "failed"
        assert "refused with 422" in row(delivery).error
        assert status_of(delivery.work_id) == "dead"
        assert invariants.waiting_deliveries_have_work() == []

    def test_gives_up_after_its_last_try_and_goes_on_when_told(
        self, ready: Booking, peers: Peers
    ) -> None:
        peers.tell(peers.mail, fail=8)
        delivery = deliveries.send_booking_documents(booking_id=ready.pk)
        work_off_all()
        assert row(delivery).status == "failed"
        assert delivery.work_id is not None

        work_services.retry(delivery.work_id, reason="The service is back.")
        work_off()

        assert row(delivery).status == "sent"
        assert row(delivery).failed_at is None
        assert len(peers.messages) == 1

    def test_is_not_sent_when_its_work_was_cancelled(self, ready: Booking, peers: Peers) -> None:
        delivery = deliveries.send_booking_documents(booking_id=ready.pk)
        assert delivery.work_id is not None

        work_services.cancel(delivery.work_id, reason="Not yet.")
        work_off_all()

        assert row(delivery).status == "cancelled"
        assert peers.messages == []
        assert invariants.waiting_deliveries_have_work() == []
