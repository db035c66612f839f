"""A paid booking is cancelled twenty days ahead: by a person, and by an agent.

Told over HTTP from the booking to the chargeback, each sentence asserted where it happens.
"""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from commerce.models import Slot
from events import context
from events.domain.principal import SYSTEM
from ledger.approval_policies import POLICIES as OF_THE_LEDGER
from ledger.invariants import approvals, reversals
from ledger.services.approval_policies import install_policies
from tests.integration.commerce.acting import work_off_all
from tests.integration.commerce.api.calling import JSON, Caller, entries, somebody, the_entry
from tests.integration.commerce.api.notifying import tell
from tests.integration.commerce.conftest import CONTACT
from tests.integration.commerce.peers import Peers
from tests.integration.ledger.conftest import client_with

pytestmark = pytest.mark.django_db(transaction=True)

HALF_CENTS = 12_000
POLICY = "finance-credit-note-refund-approval"
YES = {"decision": "approve", "comment": "Fine."}
WHY = {"reason": "The customer fell ill."}

SELLING = ("booking.read", "booking.create", "booking.update", "booking.confirm", "booking.cancel")
MONEY = (
    "invoice.read",
    "invoice.create",
    "invoice.issue",
    "invoice.request_payment",
    "invoice.poll_settlement",
    "payment.read",
    "credit_note.read",
    "refund.read",
    "refund.request",
)
LEDGER = ("ledger.read", "ledger.reverse", "approval.read", "approval.decide", "event.read")
RULING = ("approval_policy.read", "approval_policy.draft", "approval_policy.activate")


@pytest.fixture(autouse=True)
def _policies_as_migrate_lays_them_down(transactional_db: None) -> None:
    from commerce.approval_policies import POLICIES  # noqa: PLC0415

    with context.acting(SYSTEM):
        install_policies(every=[*OF_THE_LEDGER, *POLICIES])


@pytest.fixture
def clerk(transactional_db: None) -> Caller:
    return somebody("clerk", *SELLING, *MONEY, *LEDGER)


@pytest.fixture
def manager(transactional_db: None) -> Caller:
    return somebody("manager", "booking.read", *LEDGER, *RULING)


@pytest.fixture
def sold(clerk: Caller, slot: Slot, peers: Peers) -> JSON:
    """A confirmed booking for a departure in twenty days, paid through the provider."""
    assert timedelta(days=19) < slot.starts_at - timezone.now() <= timedelta(days=20)
    wanted = {"items": [{"slot_id": str(slot.pk), "quantity": 2}], "pax": 2, "contact": CONTACT}
    booking = clerk.post("bookings", wanted, gets=201)
    draft = clerk.post("invoices", {"booking_id": booking["id"]}, gets=201)
    invoice = clerk.post(f"invoices/{draft['id']}/issue")
    clerk.post(f"invoices/{invoice['id']}/request-payment", {"provider": "demo"}, gets=202)
    work_off_all()
    [asked] = peers.seen(peers.payment)["payments"]
    peers.tell(peers.payment, settle=asked["id"])
    clerk.post(f"invoices/{invoice['id']}/poll-settlement", gets=202)
    work_off_all()
    confirmed = clerk.post(f"bookings/{booking['id']}/confirm")
    assert confirmed["status"] == "confirmed"
    assert clerk.get(f"invoices/{invoice['id']}")["status"] == "paid"
    return confirmed


def let_every_refund_be_agreed_to(manager: Caller) -> None:
    """Put the next version of the policy into force, as an operator does."""
    draft = manager.post(
        "ledger/policies",
        {
            "name": POLICY,
            "meaning": "Whatever goes back, somebody else agrees.",
            "capabilities": ["credit_note.issue", "refund.request"],
            "condition": "true",
            "ttl_seconds": 48 * 3600,
            "on_expiry": "denied",
        },
        gets=201,
    )
    manager.post(f"ledger/policies/{draft['id']}/activate")


def owner_and_agent() -> tuple[Caller, Caller]:
    owner = somebody(
        "owner",
        *SELLING,
        "approval.read",
        "approval.decide",
        "agent.read",
        "agent.create",
        "delegation.create",
    )
    named = {"name": "mail-clerk", "subtype": "tool_runner"}
    agent = owner.post("ledger/agents", named, gets=201)
    delegation = owner.post(
        "ledger/delegations",
        {
            "agent_id": agent["id"],
            "reason": "It answers the customers' mail.",
            "scopes": ["booking.read", "booking.cancel"],
            "expires_at": (timezone.now() + timedelta(hours=1)).isoformat(),
        },
        gets=201,
    )
    issued = owner.post(f"ledger/delegations/{delegation['id']}/keys/issue", gets=201)
    return owner, Caller(client_with(issued["secret"]))


def inbox_of(name: str, client: Client) -> str:
    client.force_login(User.objects.get(username=name))
    return client.get("/approvals").content.decode()


def is_sound() -> None:
    assert reversals.reversals_are_sound() == []
    assert reversals.standings_follow_from_entries() == []
    assert reversals.requests_to_undo_are_open() == []
    assert approvals.approvals_are_of_others_and_used_once() == []


class TestAPersonCancels:
    """Scenario 1, a chapter per sentence."""

    def test_and_half_goes_back_when_somebody_else_agrees(
        self, clerk: Caller, manager: Caller, sold: JSON, peers: Peers
    ) -> None:
        capture, proposed = self._it_is_agreed_that_money_goes_back(clerk, manager, sold)

        refund = self._credit_note_and_refund_come_together(clerk, proposed, capture)
        self._the_refund_is_settled(clerk, refund, capture)
        self._a_later_chargeback_is_chained(clerk, capture, peers)
        is_sound()

    def test_and_what_the_provider_refused_goes_back_at_the_second_try(
        self, clerk: Caller, manager: Caller, sold: JSON, peers: Peers
    ) -> None:
        capture, proposed = self._it_is_agreed_that_money_goes_back(clerk, manager, sold)
        first = self._credit_note_and_refund_come_together(clerk, proposed, capture)

        self._the_provider_refuses(clerk, first, proposed, capture, peers)
        again = self._it_is_asked_for_anew(clerk, manager, proposed, capture)
        self._it_goes_back_under_the_same_note(clerk, first, again, capture)
        self._what_failed_and_what_went_back_is_on_record(clerk, capture)
        is_sound()

    def _it_is_agreed_that_money_goes_back(
        self, clerk: Caller, manager: Caller, sold: JSON
    ) -> tuple[str, JSON]:
        let_every_refund_be_agreed_to(manager)
        [payment] = clerk.get("payments")["results"]
        capture = the_entry(clerk, target_type="payment", target_id=payment["id"])["id"]
        self._staff_cancels(clerk, sold)
        proposed = self._finance_proposes_the_refund(clerk, manager, capture)
        self._another_user_agrees(clerk, manager, proposed, capture)
        return capture, proposed

    def _the_provider_refuses(
        self, clerk: Caller, refund: JSON, proposed: JSON, capture: str, peers: Peers
    ) -> None:
        peers.tell(peers.payment, refuse_refunds="The card is closed.")
        work_off_all()
        shown = clerk.get(f"refunds/{refund['id']}")
        assert shown["status"] == "failed"
        assert "The card is closed." in shown["failure_reason"]
        standing = clerk.get(f"ledger/entries/{capture}/reversal")
        assert (standing["state"], standing["outcome"]) == ("failed", "failed")
        assert (standing["done_cents"], standing["left_cents"]) == (0, 2 * HALF_CENTS)
        # The approval was for the first try: repeated, it tells how that ended.
        repeated = clerk.post(
            f"ledger/entries/{capture}/reversals",
            {"token": standing["token"], "reason": proposed["reason"]},
            under=proposed["id"],
        )
        assert (repeated["state"], repeated["outcome"]) == ("failed", "failed")
        assert len(clerk.get("refunds")["results"]) == 1
        peers.tell(peers.payment, refuse_refunds="")

    def _it_is_asked_for_anew(
        self, clerk: Caller, manager: Caller, proposed: JSON, capture: str
    ) -> JSON:
        seen = clerk.get(f"ledger/entries/{capture}/reversal")
        effect = seen["effects"][0]
        assert seen["gives_back_cents"] == effect["amount_cents"] == HALF_CENTS
        assert "It was credited" in effect["parts"][0]["summary"]
        asked = clerk.post(
            f"ledger/entries/{capture}/reversals",
            {"token": seen["token"], "reason": proposed["reason"]},
            gets=202,
            key="again",
        )["approval"]
        assert asked["id"] != proposed["id"]
        self._another_user_agrees(clerk, manager, asked, capture)
        return asked

    def _it_goes_back_under_the_same_note(
        self, clerk: Caller, first: JSON, asked: JSON, capture: str
    ) -> None:
        token = clerk.get(f"ledger/entries/{capture}/reversal")["token"]
        clerk.post(
            f"ledger/entries/{capture}/reversals",
            {"token": token, "reason": asked["reason"]},
            gets=201,
            key="again",
            under=asked["id"],
        )
        work_off_all()
        [note] = clerk.get("credit-notes")["results"]
        [second] = clerk.get("refunds", status="settled")["results"]
        assert note["id"] == first["credit_note_id"] == second["credit_note_id"]
        assert (second["amount_cents"], note["amount_cents"]) == (HALF_CENTS, HALF_CENTS)

    def _what_failed_and_what_went_back_is_on_record(self, clerk: Caller, capture: str) -> None:
        standing = clerk.get(f"ledger/entries/{capture}/reversal")
        assert (standing["state"], standing["outcome"]) == ("completed", "partial")
        assert (standing["done_cents"], standing["left_cents"]) == (HALF_CENTS, HALF_CENTS)
        one_try = ["requested", "begun"]
        steps = [step["step"] for step in standing["steps"]]
        assert steps == [*one_try, "returned", *one_try, "settled"]

    def _staff_cancels(self, clerk: Caller, sold: JSON) -> None:
        cancelled = clerk.post(f"bookings/{sold['id']}/cancel", WHY)
        assert cancelled["status"] == "cancelled"
        entitled = cancelled["entitlement"]
        assert (entitled["refund_bp"], entitled["amount_cents"]) == (5_000, HALF_CENTS)
        # The ledger calls it critical; the fact is told once, with the terms as they were.
        entry = the_entry(clerk, action_name="booking.cancel", target_id=sold["id"])
        assert (entry["evaluated_risk"], entry["status"]) == ("critical", "succeeded")
        assert (entry["principal_type"], entry["reason"]) == ("api_key", WHY["reason"])
        stream = clerk.get(f"streams/booking/{sold['id']}/events")["results"]
        [event] = [each for each in stream if each["name"] == "booking.cancelled"]
        assert event["data"]["cancellationPolicyEntitlement"]["amountCents"] == HALF_CENTS

    def _finance_proposes_the_refund(self, clerk: Caller, manager: Caller, capture: str) -> JSON:
        assert manager.get("ledger/approvals", status="pending")["results"] == []
        work_off_all()
        [proposed] = manager.get("ledger/approvals", status="pending")["results"]
        assert proposed["action_name"] == "refund.request"
        by = the_entry(clerk, action_name="booking.cancel")["principal_id"]
        assert proposed["requested_by"] == f"api_key:{by}"
        assert (proposed["policy_name"], proposed["policy_version"]) == (POLICY, 2)
        seen = clerk.get(f"ledger/entries/{capture}/reversal")
        assert (seen["state"], seen["gives_back_cents"]) == ("requested", HALF_CENTS)
        assert [each["approval_id"] for each in seen["requests"]] == [proposed["id"]]
        assert clerk.get("refunds")["results"] == clerk.get("credit-notes")["results"] == []
        return proposed

    def _another_user_agrees(
        self, clerk: Caller, manager: Caller, proposed: JSON, capture: str
    ) -> None:
        decide = f"ledger/approvals/{proposed['id']}/decide"
        own = clerk.post(decide, {"decision": "approve"}, gets=403)
        assert own["code"] == "approval_self_decision_forbidden"
        agreed = manager.post(decide, {"decision": "approve", "comment": "She is ill."})
        assert agreed["status"] == "approved"
        assert clerk.get(f"ledger/entries/{capture}/reversal")["state"] == "requested"

    def _credit_note_and_refund_come_together(
        self, clerk: Caller, proposed: JSON, capture: str
    ) -> JSON:
        token = clerk.get(f"ledger/entries/{capture}/reversal")["token"]
        begun = clerk.post(
            f"ledger/entries/{capture}/reversals",
            {"token": token, "reason": proposed["reason"]},
            gets=201,
            under=proposed["id"],
        )
        assert (begun["state"], begun["outcome"]) == ("running", None)
        [note] = clerk.get("credit-notes")["results"]
        [refund] = clerk.get("refunds")["results"]
        assert note["amount_cents"] == refund["amount_cents"] == HALF_CENTS
        assert (refund["credit_note_id"], refund["status"]) == (note["id"], "pending")
        assert refund["method"] == "processor_reversal"
        requested = the_entry(clerk, action_name="refund.request", status="succeeded")
        assert requested["approval_id"] == proposed["id"]
        return refund

    def _the_refund_is_settled(self, clerk: Caller, refund: JSON, capture: str) -> None:
        work_off_all()
        assert clerk.get(f"refunds/{refund['id']}")["status"] == "settled"
        # How it stands with the payment: undone, in part.
        standing = clerk.get(f"ledger/entries/{capture}/reversal")
        assert (standing["state"], standing["outcome"]) == ("completed", "partial")
        assert (standing["done_cents"], standing["left_cents"]) == (HALF_CENTS, HALF_CENTS)
        assert [step["step"] for step in standing["steps"]] == ["requested", "begun", "settled"]
        assert standing["requests"] == []

    def _a_later_chargeback_is_chained(self, clerk: Caller, capture: str, peers: Peers) -> None:
        before = {each["id"]: each["digest"] for each in entries(clerk)}
        [known] = peers.seen(peers.payment)["payments"]
        peers.tell(peers.payment, charge_back=known["id"], amount_cents=HALF_CENTS)
        assert tell(peers.seen(peers.payment)["told"][-1]).status_code == 202
        work_off_all()
        # A new entry that follows from what gave back before it, and amends nothing.
        noted = the_entry(clerk, action_name="chargeback.note")
        refunded = the_entry(clerk, action_name="refund.request", status="succeeded")
        assert (noted["causation_id"], noted["amends"]) == (refunded["id"], None)
        assert (noted["action_kind"], noted["status"]) == ("compensate", "compensated")
        assert noted["mutation"]["reverses"] == capture
        assert before.items() <= {each["id"]: each["digest"] for each in entries(clerk)}.items()
        standing = clerk.get(f"ledger/entries/{capture}/reversal")
        assert (standing["outcome"], standing["left_cents"]) == ("full", 0)
        assert [step["amount_cents"] for step in standing["steps"]] == [HALF_CENTS] * 4


class TestAnAgentAsks:
    """Scenario 2, a chapter per sentence."""

    def test_is_not_answered_by_its_own_and_not_for_what_has_changed(
        self, clerk: Caller, manager: Caller, sold: JSON, client: Client
    ) -> None:
        owner, agent = owner_and_agent()

        first = self._it_has_to_wait(agent, clerk, sold)
        self._it_is_in_the_inbox(first, client)
        self._four_eyes_are_not_its_owners(agent, owner, manager, first)
        self._what_was_edited_is_not_what_was_approved(agent, clerk, manager, sold, first)
        third = self._a_newer_request_takes_the_place(agent, clerk, manager, sold)
        self._what_is_approved_as_it_is_is_done_once(agent, clerk, manager, sold, third)
        is_sound()

    def _it_has_to_wait(self, agent: Caller, clerk: Caller, sold: JSON) -> JSON:
        answer = agent.post(f"bookings/{sold['id']}/cancel", WHY, gets=202, key="k1")
        approval = answer["approval"]
        assert (approval["status"], approval["risk"]) == ("pending", "critical")
        assert clerk.get(f"bookings/{sold['id']}")["status"] == "confirmed"
        return approval

    def _it_is_in_the_inbox(self, approval: JSON, client: Client) -> None:
        assert f"/approvals/{approval['id']}" in inbox_of("manager", client)
        assert "No approval is waiting for you." in inbox_of("owner", client)

    def _four_eyes_are_not_its_owners(
        self, agent: Caller, owner: Caller, manager: Caller, approval: JSON
    ) -> None:
        decide = f"ledger/approvals/{approval['id']}/decide"
        agent.post(decide, YES, gets=403)
        by_owner = owner.post(decide, YES, gets=403)
        assert by_owner["code"] == "approval_self_decision_forbidden"
        assert manager.post(decide, YES)["status"] == "approved"

    def _what_was_edited_is_not_what_was_approved(
        self, agent: Caller, clerk: Caller, manager: Caller, sold: JSON, approval: JSON
    ) -> None:
        clerk.patch(f"bookings/{sold['id']}", {"external_ref": "REF-1"})
        assert manager.get(f"ledger/approvals/{approval['id']}")["is_stale"] is True
        stale = agent.post(
            f"bookings/{sold['id']}/cancel", WHY, gets=409, key="k1", under=approval["id"]
        )
        assert stale["code"] == "approval_fingerprint_mismatch"
        assert clerk.get(f"bookings/{sold['id']}")["status"] == "confirmed"
        assert entries(clerk, action_name="booking.cancel", status="succeeded") == []

    def _a_newer_request_takes_the_place(
        self, agent: Caller, clerk: Caller, manager: Caller, sold: JSON
    ) -> JSON:
        cancel = f"bookings/{sold['id']}/cancel"
        second = agent.post(cancel, WHY, gets=202, key="k2")["approval"]
        # Edited again before anybody decides.
        clerk.patch(f"bookings/{sold['id']}", {"external_ref": "REF-2"})
        third = agent.post(cancel, WHY, gets=202, key="k3")["approval"]
        assert manager.get(f"ledger/approvals/{second['id']}")["status"] == "superseded"
        ended = the_entry(clerk, approval_id=second["id"], status="superseded")
        assert ended["mutation"]["summary"] == "A newer request takes its place."
        gone = agent.post(cancel, WHY, gets=409, key="k2", under=second["id"])
        assert gone["code"] == "approval_not_approved"
        return third

    def _what_is_approved_as_it_is_is_done_once(
        self, agent: Caller, clerk: Caller, manager: Caller, sold: JSON, approval: JSON
    ) -> None:
        cancel = f"bookings/{sold['id']}/cancel"
        manager.post(f"ledger/approvals/{approval['id']}/decide", YES)
        done = agent.post(cancel, WHY, key="k3", under=approval["id"])
        again = agent.post(cancel, WHY, key="k3", under=approval["id"])
        assert (done["status"], again["revision"]) == ("cancelled", done["revision"])
        entry = the_entry(clerk, action_name="booking.cancel", status="succeeded")
        assert (entry["approval_id"], entry["principal_type"]) == (approval["id"], "agent")
