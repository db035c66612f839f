"""A repeated request whose first response was lost is answered like the first."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from ledger.models import IdempotencyKey
from tests.integration.ledger.conftest import client_with, grant, issue
from tests.integration.workflows.webhooks.conftest import subscribed
from tests.peers import Receiver
from workflows.webhooks.models import Secret

pytestmark = pytest.mark.django_db(transaction=True)

SUBSCRIPTIONS = "/api/v1/webhooks/subscriptions"


@pytest.fixture
def api(db: None) -> APIClient:
    owner = grant(User.objects.create_user("owner"), "webhook.read", "webhook.manage")
    return client_with(issue(owner, ["*"])[0])


def twice(api: APIClient, method: str, url: str, body: Any = None) -> tuple[Any, Any]:
    """Send it, lose what was answered, and send it again under its key."""
    responses = []
    for _ in range(2):
        send = getattr(api, method)
        responses.append(send(url, body, format="json", headers={"Idempotency-Key": "once"}))
        IdempotencyKey.objects.update(response_status=None, response_headers={}, response_body=None)
    assert responses[1]["Idempotency-Replayed"] == "true"
    return responses[0], responses[1]


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("patch", "", {"description": "Ours"}),
        ("post", "/disable", None),
        ("post", "/enable", None),
        ("delete", "", None),
    ],
)
def test_of_a_change(
    api: APIClient, peer: Receiver, method: str, tail: str, body: dict[str, Any] | None
) -> None:
    subscription, _ = subscribed(peer.url)

    first, again = twice(api, method, f"{SUBSCRIPTIONS}/{subscription.pk}{tail}", body)

    assert first.status_code in {200, 204}, first.content
    assert (again.status_code, again.content) == (first.status_code, first.content)


def test_of_a_new_secret_without_the_secret(api: APIClient, peer: Receiver) -> None:
    subscription, _ = subscribed(peer.url)

    first, again = twice(api, "post", f"{SUBSCRIPTIONS}/{subscription.pk}/rotate-secret")

    assert again.status_code == first.status_code == 201
    assert again.json() == {**first.json(), "secret": None}
    assert Secret.objects.filter(subscription=subscription).count() == 2
