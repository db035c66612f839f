"""Other services hear of approvals by webhook; what the record says does not hang on it."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from standardwebhooks import Webhook

from ledger.models import Approval
from tests.integration.ledger.approvals import STATE, acting, asked, put_into_force, say
from tests.integration.ledger.conftest import grant
from tests.integration.workflows.webhooks.conftest import (
    let_time_pass,
    subscribed,
    the_delivery,
    work_off,
)
from tests.peers import Received, Receiver
from workflows.webhooks.models import Attempt, DeliveryStatus

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asker(transactional_db: None) -> User:
    STATE.clear()
    return grant(User.objects.create_user("asker"), "api_key.revoke")


@pytest.fixture
def manager(transactional_db: None) -> User:
    return grant(User.objects.create_user("manager"), "approval.decide")


def request(asker: User) -> Approval:
    with acting(asker):
        put_into_force()
        return asked()


def verified(secret: str, received: Received) -> Any:
    """Return what a receiver that checks the signature has been told."""
    Webhook(secret).verify(received.body, received.headers)
    return json.loads(received.body)


def test_a_request_and_its_decision_are_told_signed(
    peer: Receiver, asker: User, manager: User
) -> None:
    _, secret = subscribed(peer.url, "ledger.approval.requested", "ledger.approval.decided")

    approval = request(asker)
    work_off()
    say(approval, manager, "approve")
    work_off()

    requested, decided = (verified(secret, received) for received in peer.received)
    assert requested["name"] == "ledger.approval.requested"
    assert requested["data"]["approvalId"] == str(approval.pk)
    assert requested["data"]["status"] == "pending"
    assert decided["name"] == "ledger.approval.decided"
    assert decided["data"]["status"] == "approved"


def test_a_notification_that_failed_is_tried_again_with_the_same_id(
    peer: Receiver, asker: User
) -> None:
    _, secret = subscribed(peer.url, "ledger.approval.requested")
    peer.replies = [(500, {}, b"oops"), (204, {}, b"")]

    approval = request(asker)
    work_off()
    assert the_delivery().status == DeliveryStatus.PENDING
    let_time_pass()
    work_off()

    first, second = peer.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert verified(secret, second)["data"]["approvalId"] == str(approval.pk)
    assert the_delivery().status == DeliveryStatus.DELIVERED
    assert Attempt.objects.count() == 2


def test_what_is_decided_stands_while_nobody_can_be_told(
    peer: Receiver, asker: User, manager: User
) -> None:
    _, secret = subscribed(peer.url, "ledger.approval.requested")
    peer.replies = [(500, {}, b"oops"), (204, {}, b"")]

    approval = request(asker)
    work_off()
    approval.refresh_from_db()
    assert approval.status == "pending"
    say(approval, manager, "deny")
    let_time_pass()
    work_off()

    # What arrives late says how it was then; it does not make the approval pending again.
    assert verified(secret, peer.received[1])["data"]["status"] == "pending"
    approval.refresh_from_db()
    assert approval.status == "denied"
