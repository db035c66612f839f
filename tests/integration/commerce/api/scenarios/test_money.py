"""Scenarios 3 and 8: money that is reported twice, and an invoice that is taken back."""

import pytest

from ledger.invariants.reversals import reversals_are_sound, standings_follow_from_entries
from tests.integration.commerce.acting import race, work_off, work_off_all
from tests.integration.commerce.api.calling import (
    JSON,
    Caller,
    entries,
    events_of,
    names_of,
    the_entry,
)
from tests.integration.commerce.peers import Peers

pytestmark = pytest.mark.django_db(transaction=True)

PRICE_CENTS = 24_000


def is_sound() -> None:
    assert reversals_are_sound() == []
    assert standings_follow_from_entries() == []


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
        events = events_of(clerk, f"invoice/{invoice['id']}")
        assert names_of(events) == ["invoice.issued", "invoice.payment.recorded", "invoice.settled"]
        assert events[-1]["data"]["paymentId"] == payment["id"]
        assert events[-1]["data"]["newlyAppliedAmountCents"] == PRICE_CENTS

    def _it_is_on_record_once_and_can_be_taken_back(self, clerk: Caller, payment: JSON) -> None:
        entry = the_entry(clerk, action_name="payment.capture")
        assert (entry["target_id"], entry["status"]) == (payment["id"], "succeeded")
        seen = clerk.get(f"ledger/entries/{entry['id']}/reversal")
        assert (seen["state"], seen["command"]["kind"]) == ("available", "revert")
        assert seen["gives_back_cents"] == PRICE_CENTS
        is_sound()


class TestAnInvoiceIsTakenBack:
    """Scenario 8: an unpaid one is voided; a paid one is not, and a credit note is offered."""

    def test_and_voided_as_long_as_nothing_was_paid(self, clerk: Caller, invoice: JSON) -> None:
        issued = the_entry(clerk, action_name="invoice.issue")

        voided = clerk.post(f"invoices/{invoice['id']}/void", {"reason": "Wrong customer"})

        assert (voided["status"], voided["balance_due_cents"]) == ("void", 0)
        assert voided["void_reason"] == "Wrong customer"
        events = events_of(clerk, f"invoice/{invoice['id']}")
        assert names_of(events) == ["invoice.issued", "invoice.voided"]
        entry = the_entry(clerk, action_name="invoice.void")
        assert (entry["evaluated_risk"], entry["reason"]) == ("critical", "Wrong customer")
        seen = clerk.get(f"ledger/entries/{entry['id']}/reversal")
        assert seen["state"] == "not_reversible"
        assert [each["name"] for each in seen["follow_ups"]] == ["invoice.create"]
        # It undid the issue: nothing is left to void or to credit.
        again = clerk.post(f"invoices/{invoice['id']}/void", {"reason": "x"}, gets=422)
        assert again["facts"]["reason"] == "already_void"
        assert (entry["status"], entry["mutation"]["reverses"]) == ("compensated", issued["id"])
        undone = clerk.get(f"ledger/entries/{issued['id']}/reversal")
        assert (undone["state"], undone["outcome"]) == ("completed", "full")
        assert undone["refusal"]["code"] == "reversal_already_reversed"
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

    def test_and_credited_by_hand_as_a_step_of_its_undoing(
        self, clerk: Caller, invoice: JSON
    ) -> None:
        issued = the_entry(clerk, action_name="invoice.issue")["id"]
        part = {"invoice_id": invoice["id"], "amount_cents": 10_000, "currency": "EUR"}

        note = clerk.post("credit-notes", {**part, "reason": "Too dear"}, gets=201)

        by_hand = the_entry(clerk, action_name="credit_note.issue")
        assert (by_hand["target_id"], by_hand["mutation"]["reverses"]) == (note["id"], issued)
        assert (by_hand["action_kind"], by_hand["status"]) == ("compensate", "compensated")
        standing = clerk.get(f"ledger/entries/{issued}/reversal")
        assert (standing["state"], standing["outcome"]) == ("completed", "partial")
        assert (standing["done_cents"], standing["left_cents"]) == (10_000, PRICE_CENTS - 10_000)
        # The rest is what a reversal proposes, and it follows from what was done by hand.
        seen = clerk.get(f"ledger/entries/{issued}/reversal", command="invoice.credit")
        assert seen["gives_back_cents"] == PRICE_CENTS - 10_000
        rest = {"command": "invoice.credit", "token": seen["token"], "reason": "Rain"}
        done = clerk.post(f"ledger/entries/{issued}/reversals", rest, gets=201)
        assert done["outcome"] == "full"
        chained = clerk.get(f"ledger/entries/{done['reversal_id']}")
        assert chained["causation_id"] == by_hand["id"]
        more = clerk.post("credit-notes", {**part, "reason": "Rain"}, gets=409)
        assert more["code"] == "invoice_overcredited"
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
