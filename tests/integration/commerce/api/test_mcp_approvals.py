"""What an agent is told over MCP of an approval, however it stands."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from commerce.models import Booking
from events import context
from events.domain.principal import SYSTEM
from ledger import tools
from ledger.approval_policies import POLICIES
from ledger.services import approvals
from ledger.services.approval_policies import install_policies
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.approvals import acting
from tests.integration.ledger.conftest import grant

ACTS = ["booking.read", "booking.cancel"]


@pytest.fixture
def secret(transactional_db: None) -> str:
    with context.acting(SYSTEM):
        install_policies(every=POLICIES)
    ada = grant(User.objects.create_user("ada"), *ACTS)
    return key_of(delegated(an_agent(ada), *ACTS))


@pytest.fixture
def cancelling(confirmed: Booking) -> dict[str, Any]:
    return {
        "command": "booking.cancel",
        "target_id": str(confirmed.pk),
        "input": {"reason": "the customer fell ill"},
        "idempotency_key": "k1",
    }


def status_and_execution(
    secret: str, asked: dict[str, Any], approval_id: str
) -> list[dict[str, Any]]:
    """Ask for the status, and once more for just the same."""
    status = tools.call("status", {"approval_id": approval_id}, written_key=secret)
    return [status, tools.call("execute", asked, written_key=secret)]


def decide(approval_id: str, decision: str) -> None:
    manager = grant(User.objects.create_user("manager"), "approval.decide")
    with acting(manager) as caller:
        approvals.decide_approval(
            approval_id=UUID(approval_id),
            decision=decision,
            decider=caller,
            comment="I looked at it.",
            is_fresh=True,
        )


class TestAnApproval:
    @pytest.fixture
    def approval_id(self, secret: str, cancelling: dict[str, Any]) -> str:
        return str(tools.call("request", cancelling, written_key=secret)["approval_id"])

    def test_that_is_denied_is_not_to_be_waited_for(
        self, secret: str, cancelling: dict[str, Any], approval_id: str
    ) -> None:
        decide(approval_id, "deny")

        answers = status_and_execution(secret, cancelling, approval_id)

        assert [(each["outcome"], each["because"]) for each in answers] == [
            ("denied", "approval_not_approved")
        ] * 2
        assert [each["facts"]["status"] for each in answers] == ["denied"] * 2
        assert "under a new key" in answers[1]["hint"]

    @pytest.mark.parametrize("is_approved", [False, True])
    def test_whose_time_is_over_is_not_either(
        self, secret: str, cancelling: dict[str, Any], approval_id: str, *, is_approved: bool
    ) -> None:
        if is_approved:
            decide(approval_id, "approve")

        # Before the sweep, which leaves what was approved as it is.
        with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
            answers = status_and_execution(secret, cancelling, approval_id)

        because = "approval_expired" if is_approved else "approval_not_approved"
        assert [(each["outcome"], each["because"]) for each in answers] == [("denied", because)] * 2

    def test_that_is_given_is_to_be_used(
        self, secret: str, cancelling: dict[str, Any], approval_id: str
    ) -> None:
        decide(approval_id, "approve")

        answers = status_and_execution(secret, cancelling, approval_id)

        assert [each["status"] for each in answers] == ["approved"] * 2
        assert all(each["next"].startswith("It is approved: call") for each in answers)

    def test_that_ended_does_not_stand_in_the_way_of_another(
        self, secret: str, cancelling: dict[str, Any], approval_id: str
    ) -> None:
        decide(approval_id, "deny")

        anew = {**cancelling, "idempotency_key": "k2"}
        answer = tools.call("execute", anew, written_key=secret)

        assert (answer["outcome"], answer["status"]) == ("needs_approval", "pending")
        assert answer["approval_id"] != approval_id
