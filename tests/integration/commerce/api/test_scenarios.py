"""Six stories of the trade, as an integrator lives them (Voyant §5.11, scenarios 3 to 8).

Each is told over HTTP with credentials of its own; what is to be done later, the worker's code
does. Scenarios 1 and 2 are in `test_cancellation_story`.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from commerce.models import Slot
from events.domain.envelope import Envelope
from ledger import doctor
from tests.integration.commerce.acting import make_due, race, work_off, work_off_all
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
from tests.integration.ledger.conftest import grant
from workflows.work import registry
from workflows.work.domain.claim import Claim
from workflows.work.promotion import durable_subscriber

pytestmark = pytest.mark.django_db(transaction=True)

PRICE_CENTS = 24_000
ATTEMPTS_MAX = 8
WHY = "The customer is on the telephone."

CLERK = (
    "booking.read",
    "booking.create",
    "booking.confirm",
    "booking.send_documents",
    "invoice.read",
    "invoice.create",
    "invoice.issue",
    "invoice.void",
    "invoice.generate_document",
    "invoice.request_payment",
    "invoice.poll_settlement",
    "payment.read",
    "payment.record",
    "credit_note.read",
    "credit_note.issue",
    "delivery.read",
    "product.read",
    "product.create",
    "product.update",
    "content.read",
    "job.read",
    "job.retry",
    "ledger.read",
    "ledger.reverse",
    "event.read",
)


@pytest.fixture
def clerk(transactional_db: None) -> Caller:
    return somebody("clerk", *CLERK)


@pytest.fixture
def booking(clerk: Caller, slot: Slot) -> JSON:
    wanted = {"items": [{"slot_id": str(slot.pk), "quantity": 2}], "pax": 2, "contact": CONTACT}
    return clerk.post("bookings", wanted, gets=201)


@pytest.fixture
def invoice(clerk: Caller, booking: JSON) -> JSON:
    draft = clerk.post("invoices", {"booking_id": booking["id"]}, gets=201)
    return clerk.post(f"invoices/{draft['id']}/issue")


def names_of(told: list[JSON]) -> list[str]:
    return [event["name"] for event in told]


def is_sound() -> None:
    assert doctor.reversals_are_sound() == []
    assert doctor.standings_follow_from_entries() == []


class TestSettlementIsPolledTwice:
    """Scenario 3: one payment, one `invoice.settled`."""

    def test_by_two_requests_at_the_same_time(
        self, clerk: Caller, invoice: JSON, peers: Peers
    ) -> None:
        of_invoice = f"invoices/{invoice['id']}"
        clerk.post(f"{of_invoice}/request-payment", {"provider": "demo"}, gets=202)
        work_off_all()
        peers.tell(peers.payment, settle=invoice["number"])

        polls = [clerk.post(f"{of_invoice}/poll-settlement", gets=202) for _ in range(2)]
        assert race(work_off, work_off) == ["done"] * 2
        work_off_all()

        results = self._both_have_ended(clerk, polls)
        payment = self._the_money_is_booked_once(clerk, invoice, results)
        self._and_told_once(clerk, invoice, payment)
        self._it_is_on_record_once_and_can_be_taken_back(clerk, payment)

    def test_by_one_request_that_was_repeated(
        self, clerk: Caller, invoice: JSON, peers: Peers
    ) -> None:
        poll = f"invoices/{invoice['id']}/poll-settlement"

        answers = [clerk.post(poll, gets=202, key="once") for _ in range(2)]

        assert answers[0] == answers[1]
        assert len(clerk.get("jobs", name="commerce.poll_settlement")["results"]) == 1

    def _both_have_ended(self, clerk: Caller, polls: list[JSON]) -> list[JSON]:
        jobs = [clerk.get(f"jobs/{poll['job_id']}") for poll in polls]
        assert [job["status"] for job in jobs] == ["done"] * 2
        assert jobs[0]["id"] != jobs[1]["id"]
        assert {job["result"]["invoiceStatus"] for job in jobs} == {"paid"}
        return [result for job in jobs for result in job["result"]["results"]]

    def _the_money_is_booked_once(self, clerk: Caller, invoice: JSON, results: list[JSON]) -> JSON:
        [payment] = clerk.get("payments", invoice_id=invoice["id"])["results"]
        assert (payment["status"], payment["amount_cents"]) == ("completed", PRICE_CENTS)
        assert payment["capture"]["provider"] == "demo"
        made = sorted(str(result["createdPaymentId"]) for result in results)
        assert made == sorted([payment["id"], "None"])
        assert sorted(each["newlyAppliedAmountCents"] for each in results) == [0, PRICE_CENTS]
        shown = clerk.get(f"invoices/{invoice['id']}")
        assert (shown["status"], shown["paid_cents"], shown["balance_due_cents"]) == (
            "paid",
            PRICE_CENTS,
            0,
        )
        [known] = shown["external_refs"]
        assert (known["status"], known["sync_error"]) == ("settled", "")
        return payment

    def _and_told_once(self, clerk: Caller, invoice: JSON, payment: JSON) -> None:
        told = events_of(clerk, f"invoice/{invoice['id']}")
        assert names_of(told) == ["invoice.issued", "invoice.payment.recorded", "invoice.settled"]
        assert told[-1]["data"]["paymentId"] == payment["id"]
        assert told[-1]["data"]["newlyAppliedAmountCents"] == PRICE_CENTS

    def _it_is_on_record_once_and_can_be_taken_back(self, clerk: Caller, payment: JSON) -> None:
        entry = the_entry(clerk, action_name="payment.capture")
        assert (entry["target_id"], entry["status"]) == (payment["id"], "succeeded")
        seen = clerk.get(f"ledger/entries/{entry['id']}/reversal")
        assert (seen["state"], seen["command"]["kind"]) == ("available", "revert")
        assert seen["gives_back_cents"] == PRICE_CENTS
        is_sound()


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
        told = events_of(clerk, f"booking/{booking['id']}")
        [fact] = [event for event in told if event["name"] == "booking.documents.sent"]
        assert fact["data"]["deliveryId"] == delivery["id"]
        assert CONTACT["email"] not in str(told)

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


class TestASubscriberAlwaysFails:
    """Scenario 6: eight attempts, a dead letter that staff are shown, and another try."""

    @pytest.fixture
    def moods(self) -> Iterator[dict[str, Any]]:
        moods: dict[str, Any] = {"is_well": False, "heard": []}

        @durable_subscriber("booking.confirmed", name="lab.always_fails")
        def listens(envelope: Envelope, _claim: Claim) -> None:
            if not moods["is_well"]:
                raise RuntimeError("The partner's system is closed.")
            moods["heard"].append(envelope.event_id)

        yield moods
        registry.forget("subscriber.lab.always_fails")

    def test_until_somebody_has_it_tried_again(
        self, clerk: Caller, booking: JSON, moods: dict[str, Any], client: Client
    ) -> None:
        confirmed = clerk.post(f"bookings/{booking['id']}/confirm")
        assert confirmed["status"] == "confirmed"
        for _ in range(ATTEMPTS_MAX):
            work_off_all(tries=1)

        job = self._it_gave_up_after_eight_attempts(clerk)
        self._nobody_else_was_kept_from_it(clerk, booking)
        self._staff_are_shown_that_a_letter_is_dead(client)
        self._it_is_tried_again_and_hears_it(clerk, job, moods)

    def _it_gave_up_after_eight_attempts(self, clerk: Caller) -> JSON:
        [listed] = clerk.get("jobs", name="subscriber.lab.always_fails")["results"]
        job = clerk.get(f"jobs/{listed['id']}")
        assert job["status"] == "dead"
        assert [each["outcome"] for each in job["attempts"]] == ["failed"] * ATTEMPTS_MAX
        [told] = events_of(clerk, f"job/{job['id']}")
        assert told["name"] == "job.dead_lettered"
        assert (told["data"]["kind"], told["data"]["attempts"]) == (job["name"], ATTEMPTS_MAX)
        make_due()
        assert work_off() == 0
        return job

    def _nobody_else_was_kept_from_it(self, clerk: Caller, booking: JSON) -> None:
        [other] = clerk.get("jobs", name="subscriber.commerce.fulfilment")["results"]
        assert other["status"] == "done"
        assert len(clerk.get(f"bookings/{booking['id']}")["vouchers"]) == 1

    def _staff_are_shown_that_a_letter_is_dead(self, client: Client) -> None:
        client.force_login(grant(User.objects.create_user("operator"), "job.read"))
        letters = client.get("/figures").json()["figures"]["letters"]
        assert letters == {"value": "1", "note": "wait for a person", "tone": "dead"}

    def _it_is_tried_again_and_hears_it(
        self, clerk: Caller, job: JSON, moods: dict[str, Any]
    ) -> None:
        moods["is_well"] = True
        clerk.post(f"jobs/{job['id']}/retry", {"reason": "The partner is back."})
        work_off_all()
        done = clerk.get(f"jobs/{job['id']}")
        assert done["status"] == "done"
        assert len(done["attempts"]) == ATTEMPTS_MAX + 1
        assert moods["heard"] == [job["causation_id"]]
        told = events_of(clerk, f"job/{job['id']}")
        assert names_of(told) == ["job.dead_lettered", "job.retried"]
        assert told[-1]["data"]["reason"] == "The partner is back."


class TestTheContentSystemIsDown:
    """Scenario 7: products are written all the same; their copies lag, and that can be seen."""

    def test_and_products_are_written_all_the_same(self, clerk: Caller, peers: Peers) -> None:
        wanted = {"name": "Night walk", "currency": "EUR", "sell_amount_cents": 4_500}
        product = clerk.post("products", wanted, gets=201)
        copies = self._copies_of(clerk, product)
        assert [copy["failed_at"] for copy in copies] == [None, None]

        peers.tell(peers.cms, fail=2)
        changed = clerk.patch(f"products/{product['id']}", {"name": "Dawn walk"})

        assert changed["name"] == "Dawn walk"
        told = events_of(clerk, f"product/{product['id']}")
        assert "product.updated" in names_of(told)
        self._both_copies_lag_and_it_can_be_seen(clerk, changed, copies, peers)
        self._the_next_change_heals_them(clerk, changed, peers)

    def _copies_of(self, clerk: Caller, product: JSON, **of: Any) -> list[JSON]:
        found: list[JSON] = clerk.get("external-content", product_id=product["id"], **of)["results"]
        return sorted(found, key=lambda copy: str(copy["system"]))

    def _both_copies_lag_and_it_can_be_seen(
        self, clerk: Caller, product: JSON, before: list[JSON], peers: Peers
    ) -> None:
        lagging = self._copies_of(clerk, product, is_failing="true")
        assert [copy["system"] for copy in lagging] == ["payload-cms", "sanity-cms"]
        for copy, was in zip(lagging, before, strict=True):
            assert "status 503" in copy["last_error"]
            # What is there is what was copied before.
            assert (copy["checksum"], copy["synced_at"]) == (was["checksum"], was["synced_at"])
            assert copy["synced_at"] < copy["failed_at"]
        shown = peers.seen(peers.cms)["payload"][product["id"]]
        assert shown["name"] == "Night walk"

    def _the_next_change_heals_them(self, clerk: Caller, product: JSON, peers: Peers) -> None:
        clerk.patch(f"products/{product['id']}", {"description": "Bring a lamp."})
        assert self._copies_of(clerk, product, is_failing="true") == []
        assert {copy["last_error"] for copy in self._copies_of(clerk, product)} == {""}
        assert peers.seen(peers.cms)["payload"][product["id"]]["name"] == "Dawn walk"


class TestAnInvoiceIsTakenBack:
    """Scenario 8: an unpaid one is voided; a paid one is not, and a credit note is offered."""

    def test_and_voided_as_long_as_nothing_was_paid(self, clerk: Caller, invoice: JSON) -> None:
        issued = the_entry(clerk, action_name="invoice.issue")

        voided = clerk.post(f"invoices/{invoice['id']}/void", {"reason": "Wrong customer"})

        assert (voided["status"], voided["balance_due_cents"]) == ("void", 0)
        assert voided["void_reason"] == "Wrong customer"
        told = events_of(clerk, f"invoice/{invoice['id']}")
        assert names_of(told) == ["invoice.issued", "invoice.voided"]
        entry = the_entry(clerk, action_name="invoice.void")
        assert (entry["evaluated_risk"], entry["reason"]) == ("critical", "Wrong customer")
        seen = clerk.get(f"ledger/entries/{entry['id']}/reversal")
        assert seen["state"] == "not_reversible"
        assert [each["name"] for each in seen["follow_ups"]] == ["invoice.create"]
        # It undid the issue: nothing is left to void or to credit.
        again = clerk.post(f"invoices/{invoice['id']}/void", {"reason": "x"}, gets=422)
        assert again["facts"]["reason"] == "already_void"
        assert clerk.get(f"ledger/entries/{issued['id']}/reversal")["refusal"] is not None
        is_sound()

    def test_and_linked_with_its_issue_where_that_is_undone(
        self, clerk: Caller, invoice: JSON
    ) -> None:
        issued = the_entry(clerk, action_name="invoice.issue")["id"]
        token = clerk.get(f"ledger/entries/{issued}/reversal")["token"]

        done = clerk.post(
            f"ledger/entries/{issued}/reversals", {"token": token, "reason": "Rain"}, gets=201
        )

        assert clerk.get(f"invoices/{invoice['id']}")["status"] == "void"
        voided = the_entry(clerk, action_name="invoice.void")
        assert (voided["id"], voided["mutation"]["reverses"]) == (done["reversal_id"], issued)
        assert (voided["action_kind"], voided["status"]) == ("compensate", "compensated")
        seen = clerk.get(f"ledger/entries/{issued}/reversal")
        assert (seen["state"], seen["outcome"]) == ("completed", "full")
        assert seen["reversed_by"] == voided["id"]
        is_sound()

    def test_and_credited_once_it_was_paid(self, clerk: Caller, invoice: JSON) -> None:
        money = {"amount_cents": PRICE_CENTS, "currency": "EUR", "method": "bank_transfer"}
        clerk.post(f"invoices/{invoice['id']}/payments", money, gets=201)

        self._it_cannot_be_voided(clerk, invoice)
        issued = self._its_undoing_is_a_credit_note(clerk, invoice)
        self._which_is_issued_and_chained(clerk, invoice, issued)
        is_sound()

    def _it_cannot_be_voided(self, clerk: Caller, invoice: JSON) -> None:
        refused = clerk.post(f"invoices/{invoice['id']}/void", {"reason": "Rain"}, gets=422)
        assert (refused["code"], refused["facts"]["reason"]) == (
            "invoice_not_voidable",
            "has_payments",
        )
        assert refused["facts"]["follow_up"] == "Issue a credit note instead."
        assert clerk.get(f"invoices/{invoice['id']}")["status"] == "paid"
        assert entries(clerk, action_name="invoice.void", status="succeeded") == []

    def _its_undoing_is_a_credit_note(self, clerk: Caller, invoice: JSON) -> str:
        issued = the_entry(clerk, action_name="invoice.issue")["id"]
        seen = clerk.get(f"ledger/entries/{issued}/reversal")
        assert seen["refusal"]["code"] == "reversal_blocked"
        assert [each["name"] for each in seen["follow_ups"]] == ["invoice.credit"]
        return str(issued)

    def _which_is_issued_and_chained(self, clerk: Caller, invoice: JSON, issued: str) -> None:
        seen = clerk.get(f"ledger/entries/{issued}/reversal", command="invoice.credit")
        done = clerk.post(
            f"ledger/entries/{issued}/reversals",
            {"command": "invoice.credit", "token": seen["token"], "reason": "Rain"},
            gets=201,
        )
        assert (done["state"], done["outcome"]) == ("completed", "full")
        [note] = clerk.get("credit-notes", invoice_id=invoice["id"])["results"]
        assert (note["amount_cents"], note["reason"]) == (PRICE_CENTS, "Rain")
        entry = the_entry(clerk, action_name="credit_note.issue")
        assert (entry["target_id"], entry["status"]) == (note["id"], "compensated")
        assert entry["mutation"]["reverses"] == issued
        # The invoice stays what it was: paid.
        assert clerk.get(f"invoices/{invoice['id']}")["status"] == "paid"
