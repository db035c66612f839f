"""Every operation of the API, asked by who may not: nobody is let in by a route that forgot."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from ledger.models import ApiKey
from tests.integration.ledger.conftest import client_with, issue
from tests.support import api_description

pytestmark = pytest.mark.django_db

ID = "0190a1b2-0000-7000-8000-000000000000"


def operations() -> list[tuple[str, str]]:
    return [
        (method, re.sub(r"\{number\}", "1", path).replace("{stream}", "booking%2Fx"))
        for path, methods in api_description.paths().items()
        if path.startswith("/api/v1/")
        for method in methods
        if method in {"get", "post", "put", "patch", "delete"}
    ]


def asked_everything(client: APIClient) -> dict[int, set[str]]:
    """Ask every operation, with an empty body, and return which were answered how."""
    found: dict[int, set[str]] = {}
    for method, path in operations():
        address = re.sub(r"\{[a-z_]+\}", ID, path)
        body: dict[str, str] | None = None if method == "get" else {}
        answer = getattr(client, method)(address, body, format="json")
        found.setdefault(answer.status_code, set()).add(f"{method} {path}")
    return found


def stranger() -> APIClient:
    return client_with(issue(User.objects.create_user("stranger"), ["*"])[0])


def chief_with_a_narrow_key() -> APIClient:
    return client_with(issue(User.objects.create_superuser("chief"), ["system.health"])[0])


@pytest.mark.parametrize("who", [stranger, chief_with_a_narrow_key])
def test_who_may_nothing_is_let_in_nowhere_but_to_what_is_their_own(
    who: Callable[[], APIClient],
) -> None:
    found = asked_everything(who())

    # What may not be seen is left out of these.
    assert found.pop(200) == {
        "get /api/v1/api-keys/scopes",
        "get /api/v1/event-types",
        "get /api/v1/events",
        "get /api/v1/ledger/approvals",
    }
    assert found.pop(201) == {"post /api/v1/ws-tickets"}
    # It is opened by a signature.
    assert found.pop(401) == {"post /api/v1/payment-providers/{provider}/notifications"}
    assert found.pop(404) == {
        "get /api/v1/events/{event_id}",
        "get /api/v1/ledger/approvals/{id}",
        "get /api/v1/streams/booking%2Fx/events",
        "post /api/v1/ledger/approvals/{id}/cancel",
    }
    assert found.keys() == {403}


@pytest.mark.parametrize(
    "end",
    [
        lambda key: ApiKey.objects.filter(pk=key).update(revoked_at=timezone.now()),
        lambda key: User.objects.filter(api_keys=key).update(is_active=False),
    ],
    ids=["revoked", "of somebody who left"],
)
def test_a_key_that_ended_opens_nothing(end: Callable[[str], object]) -> None:
    secret, key = issue(User.objects.create_superuser("chief"), ["*"])
    end(key)

    assert asked_everything(client_with(secret)).keys() == {401}
