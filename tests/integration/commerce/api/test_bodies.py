"""What a body says is never ignored, also where an operation takes none."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from config.web import openapi
from ledger.access import grants
from tests.integration.ledger.conftest import client_with, issue

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = "00000000-0000-0000-0000-000000000000"


def takers_of_nothing() -> list[tuple[str, str]]:
    return [
        (method, re.sub(r"\{[^}]*\}", NOBODY, path))
        for path, operations in openapi.description()["paths"].items()
        for method, operation in operations.items()
        if method in {"post", "put", "patch", "delete"} and "requestBody" not in operation
    ]


@pytest.fixture
def client(transactional_db: None) -> APIClient:
    grants.provision()
    return client_with(issue(User.objects.create_superuser("root"), ["*"])[0])


def test_operations_without_a_body_refuse_what_is_said_in_one(client: APIClient) -> None:
    found = takers_of_nothing()
    assert len(found) > 20

    for method, address in found:
        asked = getattr(client, method)
        answer = asked(address, {"notify": False}, format="json")
        problem = answer.json()
        assert (address, answer.status_code) == (address, 400), problem
        assert [each["pointer"] for each in problem["errors"]] == ["/notify"]
        assert asked(address, [1], format="json").status_code == 400


@pytest.mark.parametrize("body", [{}, None])
def test_an_empty_object_is_as_good_as_no_body(client: APIClient, body: Any) -> None:
    answer = client.post("/api/v1/ledger/health", body, format="json")

    assert answer.status_code in {200, 503}
    assert "canary_entry_id" in answer.json()
