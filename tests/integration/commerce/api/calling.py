"""Call the API as an integrator does: JSON, a fresh key per intent, the answer expected."""

from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from rest_framework.test import APIClient

from ledger.approving import reference
from ledger.disclosure import reasons
from tests.integration.ledger.conftest import client_with, grant, issue

JSON = Any


class Caller:
    """Somebody with a key."""

    def __init__(self, client: APIClient) -> None:
        self.client = client

    def get(self, path: str, *, why: str = "", **query: Any) -> JSON:
        headers = {reasons.HEADER: why} if why else {}
        answer = self.client.get(f"/api/v1/{path}", query, headers=headers)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def post(
        self, path: str, body: JSON = None, *, gets: int = 200, key: str = "", under: str = ""
    ) -> JSON:
        headers = {"Idempotency-Key": key or uuid4().hex}
        if under:
            headers[reference.HEADER] = under
        answer = self.client.post(f"/api/v1/{path}", body or {}, format="json", headers=headers)
        assert answer.status_code == gets, answer.content
        return answer.json() if answer.content else None

    def patch(self, path: str, body: JSON) -> JSON:
        etag = self.client.get(f"/api/v1/{path}")["ETag"]
        answer = self.client.patch(
            f"/api/v1/{path}", body, format="json", headers={"If-Match": etag}
        )
        assert answer.status_code == 200, answer.content
        return answer.json()


def somebody(name: str, *capabilities: str) -> Caller:
    """Return a person who holds these capabilities, with a key of their own."""
    owner = grant(User.objects.create_user(name), *capabilities)
    return Caller(client_with(issue(owner, ["*"])[0]))


def entries(who: Caller, **about: Any) -> list[JSON]:
    """Return what somebody finds in the ledger, the newest first."""
    found: list[JSON] = who.get("ledger/entries", page_size=200, **about)["results"]
    return found


def the_entry(who: Caller, **about: Any) -> JSON:
    [found] = entries(who, **about)
    return found


def events_of(who: Caller, stream: str) -> list[JSON]:
    """Return what a stream tells, the oldest first."""
    found: list[JSON] = who.get(f"streams/{stream}/events")["results"]
    return found


def names_of(events: list[JSON]) -> list[str]:
    return [event["name"] for event in events]
