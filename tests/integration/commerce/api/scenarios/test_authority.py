"""Whose word counts when several speak at once, and when the rules change while somebody waits."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from commerce.models import Slot
from ledger.invariants.approvals import approvals_are_of_others_and_used_once
from tests.integration.commerce.acting import race, work_off_all
from tests.integration.commerce.api.calling import JSON, Caller, entries, somebody
from tests.integration.commerce.conftest import CONTACT
from tests.integration.ledger.approvals import put_into_force
from tests.integration.ledger.conftest import client_with

pytestmark = pytest.mark.django_db(transaction=True)

YES = {"decision": "approve", "comment": "Fine."}
NO = {"decision": "deny", "comment": "No."}
WHY = {"reason": "The customer fell ill."}
RULE = "cancelling"


@pytest.fixture
def asker(clerk: Caller) -> Caller:
    return somebody("asker", "booking.read", "booking.cancel")


@pytest.fixture
def deciders(transactional_db: None) -> list[Caller]:
    return [somebody(name, "approval.read", "approval.decide") for name in ("mara", "otto")]


def let_cancelling_be_agreed_to(**terms: Any) -> None:
    """Put the next version of a rule into force."""
    put_into_force(name=RULE, **{"capabilities": ("booking.cancel",), "condition": "", **terms})


def cancel(who: Caller, booking: JSON, *, gets: int, under: str = "", key: str = "k1") -> JSON:
    return who.post(f"bookings/{booking['id']}/cancel", WHY, gets=gets, key=key, under=under)


def wait_for(who: Caller, booking: JSON, **more: Any) -> JSON:
    return cancel(who, booking, gets=202, **more)["approval"]


def status_of(clerk: Caller, booking: JSON) -> str:
    return str(clerk.get(f"bookings/{booking['id']}")["status"])


class TestTwoDecideAtOnce:
    def test_and_the_first_is_heard(
        self, clerk: Caller, asker: Caller, booking: JSON, deciders: list[Caller]
    ) -> None:
        let_cancelling_be_agreed_to()
        asked = wait_for(asker, booking)
        answers: list[int] = []

        def say(who: Caller, what: JSON) -> None:
            path = f"/api/v1/ledger/approvals/{asked['id']}/decide"
            answers.append(who.client.post(path, what, format="json").status_code)

        mara, otto = deciders
        assert race(partial(say, mara, YES), partial(say, otto, NO)) == ["done"] * 2

        assert sorted(answers) == [200, 409]
        found = mara.get(f"ledger/approvals/{asked['id']}")
        [vote] = found["votes"]
        assert found["status"] == ("approved" if vote["decision"] == "approve" else "denied")
        ended = entries(clerk, approval_id=asked["id"], action_name="approval.decide")
        assert [entry["status"] for entry in ended] == [found["status"]]
        assert approvals_are_of_others_and_used_once() == []


class TestARuleChangesWhileSomebodyWaits:
    def test_and_what_was_agreed_to_by_too_few_is_asked_anew(
        self, clerk: Caller, asker: Caller, booking: JSON, deciders: list[Caller]
    ) -> None:
        let_cancelling_be_agreed_to()
        first = wait_for(asker, booking)
        deciders[0].post(f"ledger/approvals/{first['id']}/decide", YES)
        let_cancelling_be_agreed_to(quorum=2)

        refused = cancel(asker, booking, gets=409, under=first["id"])
        assert refused["code"] == "approval_policy_mismatch"
        assert status_of(clerk, booking) == "draft"

        second = wait_for(asker, booking, key="k2")
        assert (second["policy_version"], second["quorum"]) == (2, 2)
        for decider in deciders:
            decider.post(f"ledger/approvals/{second['id']}/decide", YES)
        done = cancel(asker, booking, gets=200, under=second["id"], key="k2")
        assert done["status"] == "cancelled"

    def test_and_what_nobody_has_to_agree_to_any_more_is_done_under_what_was_given(
        self, clerk: Caller, asker: Caller, booking: JSON, deciders: list[Caller]
    ) -> None:
        let_cancelling_be_agreed_to()
        asked = wait_for(asker, booking)
        let_cancelling_be_agreed_to(condition="false")
        deciders[0].post(f"ledger/approvals/{asked['id']}/decide", YES)

        done = cancel(asker, booking, gets=200, under=asked["id"])

        assert done["status"] == "cancelled"
        [entry] = entries(clerk, action_name="booking.cancel", status="succeeded")
        assert entry["approval_id"] == asked["id"]


class TestWhoAskedLosesTheRight:
    def test_before_daybook_carries_it_out(
        self, clerk: Caller, asker: Caller, booking: JSON, deciders: list[Caller]
    ) -> None:
        let_cancelling_be_agreed_to(execute="on_approval")
        asked = wait_for(asker, booking)
        User.objects.get(username="asker").user_permissions.clear()

        deciders[0].post(f"ledger/approvals/{asked['id']}/decide", YES)
        work_off_all()

        assert status_of(clerk, booking) == "draft"
        [denied] = entries(clerk, action_name="booking.cancel", status="denied")
        assert denied["target_id"] == booking["id"]
        assert denied["mutation"]["summary"] == "Refused: capability_missing"
        [job] = clerk.get("jobs", name="ledger.execute_approved")["results"]
        assert job["status"] == "dead"


class TestTheMoneyOfAnAgent:
    CENTS = 24_000

    @pytest.fixture
    def invoices(self, clerk: Caller, slot: Slot) -> list[JSON]:
        made = []
        for _ in range(3):
            wanted = {"items": [{"slot_id": str(slot.pk), "quantity": 2}], "pax": 2}
            booking = clerk.post("bookings", {**wanted, "contact": CONTACT}, gets=201)
            draft = clerk.post("invoices", {"booking_id": booking["id"]}, gets=201)
            made.append(clerk.post(f"invoices/{draft['id']}/issue"))
        return made

    @pytest.fixture
    def agent(self, transactional_db: None) -> Caller:
        owner = somebody(
            "owner",
            "invoice.read",
            "payment.record",
            "agent.read",
            "agent.create",
            "delegation.create",
        )
        named = {"name": "cashier", "subtype": "tool_runner"}
        terms = {
            "agent_id": owner.post("ledger/agents", named, gets=201)["id"],
            "reason": "It books what comes in.",
            "scopes": ["payment.record"],
            # Enough for two of three.
            "cents_max": 2 * self.CENTS + 1,
            "currency": "EUR",
            "expires_at": (timezone.now() + timedelta(hours=1)).isoformat(),
        }
        delegation = owner.post("ledger/delegations", terms, gets=201)
        issued = owner.post(f"ledger/delegations/{delegation['id']}/keys/issue", gets=201)
        return Caller(client_with(issued["secret"]))

    def test_is_not_overspent_by_what_is_done_at_once(
        self, clerk: Caller, agent: Caller, invoices: list[JSON], deciders: list[Caller]
    ) -> None:
        put_into_force(name=RULE, capabilities=("payment.record",), condition="")
        money = {"amount_cents": self.CENTS, "currency": "EUR", "method": "cash"}
        given = []
        for invoice in invoices:
            path = f"invoices/{invoice['id']}/payments"
            asked = agent.post(path, money, gets=202, key=invoice["id"])["approval"]
            deciders[0].post(f"ledger/approvals/{asked['id']}/decide", YES)
            given.append((path, invoice["id"], asked["id"]))
        answers: list[tuple[int, str]] = []

        def book(path: str, key: str, under: str) -> None:
            headers = {"Idempotency-Key": key, "Action-Approval-Id": under}
            answer = agent.client.post(f"/api/v1/{path}", money, format="json", headers=headers)
            answers.append((answer.status_code, answer.json().get("code", "")))

        assert race(*(partial(book, *each) for each in given)) == ["done"] * 3

        assert sorted(answers) == [(201, ""), (201, ""), (403, "budget_exceeded")]
        booked = entries(clerk, action_name="payment.record", principal_type="agent")
        assert sorted(entry["status"] for entry in booked) == (
            ["awaiting_approval"] * 3 + ["denied"] + ["succeeded"] * 2
        )
        assert len(clerk.get("payments")["results"]) == 2
