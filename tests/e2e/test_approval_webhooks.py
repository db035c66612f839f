"""Another service hears of an approval: a real worker calls a real receiver, after the commit."""

import json
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from standardwebhooks import Webhook

from config.processes.stack import Stack
from tests.chaos.load import eventually
from tests.peers import Receiver, receiver
from tests.support.managing import manage

pytestmark = pytest.mark.e2e

EVENTS = ["ledger.approval.requested", "ledger.approval.decided"]
STEP: dict[str, Any] = {
    "id": "sign-and-tell",
    "name": "Sign the contract",
    "type": "approval",
    "approval": {"title": "Sign the contract", "risk": "medium"},
    "attributes": {"signed": {"role": "output"}},
}


@pytest.fixture(scope="module")
def second_person(stack: Stack) -> str:
    """The key of somebody else than who asks, who may decide."""
    code = (
        "from datetime import timedelta;"
        "from django.contrib.auth.models import Permission, User;"
        "from django.utils import timezone;"
        "from ledger.services import api_keys;"
        f"user = User.objects.create_user('second-person-{uuid4()}');"
        "user.user_permissions.set(Permission.objects.filter("
        "content_type__app_label='ledger', codename__in=['approval.read', 'approval.decide']));"
        "print(api_keys.issue_api_key(name='k', owner=user, scopes=['*'],"
        " expires_at=timezone.now() + timedelta(days=1))[1].text)"
    )
    done = manage(stack, "shell", "-v0", "-c", code)
    assert done.returncode == 0, done.text
    return done.text.split()[-1]


def posted(client: httpx2.Client, path: str, body: Any) -> Any:
    answer = client.post(f"/api/v1/{path}", json=body)
    assert answer.is_success, answer.text
    return answer.json()


def message_received(peer: Receiver, secret: str, name: str) -> dict[str, Any]:
    """Return what the receiver was told under a name, by a signature that it checks."""
    found = eventually(lambda: [one for one in peer.received if name.encode() in one.body])
    Webhook(secret).verify(found[0].body, found[0].headers)
    message: dict[str, Any] = json.loads(found[0].body)
    return message


def test_a_request_and_its_decision_are_told_by_the_worker(
    stack: Stack, second_person: str
) -> None:
    with receiver() as peer, stack.client() as client:
        subscribed = posted(client, "webhooks/subscriptions", {"url": peer.url, "events": EVENTS})
        posted(client, "steps", STEP)
        flow = posted(client, "flows", {"id": f"sign-{uuid4()}", "goals": [STEP["id"]]})

        requested = message_received(peer, subscribed["secret"], EVENTS[0])
        approval = f"ledger/approvals/{requested['data']['approvalId']}"
        assert requested["data"]["status"] == "pending"
        assert flow["id"] in json.dumps(requested["data"])
        client.headers["Authorization"] = f"Bearer {second_person}"
        decision = {"decision": "approve", "comment": "Read it."}
        assert posted(client, f"{approval}/decide", decision)["status"] == "approved"
        decided = message_received(peer, subscribed["secret"], EVENTS[1])

        assert decided["data"]["approvalId"] == requested["data"]["approvalId"]
        assert decided["data"]["status"] == "approved"

    with stack.client() as client:
        sent = eventually(lambda: delivered(client, subscribed["id"]))
        assert [each["event_name"] for each in sent] == EVENTS
        jobs = [client.get(f"/api/v1/jobs/{each['job_id']}").json() for each in sent]
        workers = {attempt["worker"] for job in jobs for attempt in job["attempts"]}
        assert all("@" in worker for worker in workers), workers  # As Celery names its own.
        client.delete(f"/api/v1/webhooks/subscriptions/{subscribed['id']}")
        client.delete(f"/api/v1/steps/{STEP['id']}")


def delivered(client: httpx2.Client, subscription_id: str) -> list[dict[str, Any]] | None:
    """Return what was delivered, the oldest first, once it is both of them."""
    query = {"subscription": subscription_id, "status": "delivered"}
    found = client.get("/api/v1/webhooks/deliveries", params=query).json()["results"]
    return sorted(found, key=lambda each: each["created_at"]) if len(found) == len(EVENTS) else None
