"""Scenarios 4 and 5: documents that are sent once, and personal data that is looked at."""

import pytest

from tests.integration.commerce.acting import work_off_all
from tests.integration.commerce.api.calling import (
    JSON,
    Caller,
    entries,
    events_of,
    somebody,
    the_entry,
)
from tests.integration.commerce.conftest import CONTACT
from tests.integration.commerce.peers import Peers

pytestmark = pytest.mark.django_db(transaction=True)

WHY = "The customer is on the telephone."


class TestDocumentsAreSent:
    """Scenario 4: the provider fails twice, then takes them; they are sent once."""

    def test_at_the_third_attempt(
        self, clerk: Caller, booking: JSON, invoice: JSON, peers: Peers
    ) -> None:
        clerk.post(f"invoices/{invoice['id']}/documents", {"format": "html"}, gets=201)
        peers.tell(peers.mail, fail=2)

        delivery = self._a_delivery_and_its_job_are_there_before_anybody_is_called(
            clerk, booking, peers
        )
        work_off_all()

        self._the_job_tried_three_times(clerk)
        self._one_message_went_out(clerk, delivery, peers)
        self._which_is_told_once(clerk, booking, delivery)
        self._and_cannot_be_undone(clerk, booking)

    def _a_delivery_and_its_job_are_there_before_anybody_is_called(
        self, clerk: Caller, booking: JSON, peers: Peers
    ) -> JSON:
        send = f"bookings/{booking['id']}/documents/send"
        delivery = clerk.post(send, gets=202, key="k1")
        assert clerk.post(send, gets=202, key="k1") == delivery
        assert delivery["status"] == "pending"
        assert CONTACT["email"] not in str(delivery)
        assert peers.seen(peers.mail)["calls"] == []
        return delivery

    def _the_job_tried_three_times(self, clerk: Caller) -> None:
        [listed] = clerk.get("jobs", name="commerce.send_documents")["results"]
        job = clerk.get(f"jobs/{listed['id']}")
        assert job["status"] == "done"
        assert [each["outcome"] for each in job["attempts"]] == ["failed", "failed", "done"]

    def _one_message_went_out(self, clerk: Caller, delivery: JSON, peers: Peers) -> None:
        [message] = peers.messages
        assert message["to"] == CONTACT["email"]
        assert len(message["attachments"]) == 1
        # Whoever asks again says that it is the same.
        assert {call["key"] for call in peers.seen(peers.mail)["calls"]} == {message["key"]}
        sent = clerk.get(f"deliveries/{delivery['id']}")
        assert (sent["status"], sent["error"]) == ("sent", "")

    def _which_is_told_once(self, clerk: Caller, booking: JSON, delivery: JSON) -> None:
        events = events_of(clerk, f"booking/{booking['id']}")
        [fact] = [event for event in events if event["name"] == "booking.documents.sent"]
        assert fact["data"]["deliveryId"] == delivery["id"]
        assert CONTACT["email"] not in str(events)

    def _and_cannot_be_undone(self, clerk: Caller, booking: JSON) -> None:
        entry = the_entry(clerk, action_name="booking.send_documents")
        assert (entry["target_id"], entry["evaluated_risk"]) == (booking["id"], "high")
        seen = clerk.get(f"ledger/entries/{entry['id']}/reversal")
        assert seen["state"] == "not_reversible"
        assert [each["name"] for each in seen["follow_ups"]] == ["booking.send_documents"]
        refused = clerk.post(
            f"ledger/entries/{entry['id']}/reversals",
            {"token": "of no preview", "reason": "Wrong address."},
            gets=409,
        )
        assert refused["code"] == "reversal_not_reversible"
        assert refused["facts"]["follow_ups"] == ["booking.send_documents"]


class TestPersonalDataIsRevealed:
    """Scenario 5: with a reason, without one, and to somebody who may not."""

    def test_with_and_without_a_reason(self, clerk: Caller, booking: JSON) -> None:
        desk = somebody("desk", "booking.read", "traveller.read_personal")
        address = f"bookings/{booking['id']}"

        masked = desk.get(address)["contact"]
        assert masked["email"] == "a•••@example.com"
        assert entries(clerk, action_name="traveller.read_personal") == []

        assert desk.get(address, why=WHY)["contact"] == CONTACT
        look = the_entry(clerk, action_name="traveller.read_personal")
        assert (look["status"], look["action_kind"], look["target_id"]) == (
            "succeeded",
            "read",
            booking["id"],
        )
        assert look["disclosure"]["reason_code"] == WHY
        assert look["disclosure"]["disclosed_fields"] == ["email", "name", "phone"]
        assert not any(value in str(look) for value in CONTACT.values())

    def test_to_nobody_else_and_that_is_on_record(self, clerk: Caller, booking: JSON) -> None:
        curious = somebody("curious", "booking.read")

        shown = curious.get(f"bookings/{booking['id']}", why=WHY)

        assert not any(value in str(shown) for value in CONTACT.values())
        denied = the_entry(clerk, status="denied")
        assert (denied["capability_id"], denied["target_type"], denied["target_id"]) == (
            "traveller.read_personal",
            "booking",
            booking["id"],
        )
        assert denied["disclosure"] is None
        assert entries(clerk, action_name="traveller.read_personal", status="succeeded") == []
