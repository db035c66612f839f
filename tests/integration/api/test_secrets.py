"""Canaries: no secret that is shown to the API is found anywhere afterwards."""

import io
import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from config import logs
from ledger.access.authority import Caller
from ledger.models import ApiKey
from ledger.services import api_keys
from tests.integration.ledger.conftest import client_with, grant, issue
from tests.support.everywhere import found_in_database

URL = "/api/v1/api-keys"
CANARY = "c4n4ryDoNotKeep"


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    """Everything that any logger says, as the handler of the settings writes it."""
    handler = logging.StreamHandler(io.StringIO())
    handler.addFilter(logs.WithIds())
    handler.addFilter(logs.WithoutSecrets())
    handler.setFormatter(logs.LineFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.stream
    root.setLevel(level)
    root.removeHandler(handler)


class TestSecretsOfKeys:
    def test_are_nowhere_after_they_were_shown_and_used(
        self, alice: User, printed: io.StringIO
    ) -> None:
        grant(alice, "api_key.read", "api_key.issue", "api_key.revoke")
        first, first_id = issue(alice, ["*"])
        client = client_with(first)
        headers = {"Idempotency-Key": "k"}
        second = client.post(URL, {"name": "b", "scopes": ["*"]}, headers=headers).json()["secret"]
        _, third = api_keys.rotate_api_key(
            key_id=ApiKey.objects.get(pk=first_id).pk,
            overlap=timedelta(hours=1),
            issuer=Caller(alice),
        )
        client.get(URL, headers={"X-Secret": second, "Cookie": f"sessionid={second}"})
        client.post(URL, {"name": second})
        client.post(f"{URL}?key={third.text}", b"{" + third.text.encode(), content_type="x")

        for text in (first, second, third.text):
            secret = text.split("_")[2]
            assert found_in_database([secret]) == set()
            assert secret not in printed.getvalue()
        assert found_in_database(["daybook_0"]) == set()

    def test_that_are_wrong_are_nowhere_either(self, alice: User, printed: io.StringIO) -> None:
        wrong = f"daybook_0a1b2c3d4e5f_{CANARY}"

        APIClient().get(URL, headers={"Authorization": f"Bearer {wrong}"})
        APIClient().get(URL, headers={"Authorization": f"Basic {CANARY}"})
        Client().post("/login/", {"username": "alice", "password": CANARY})

        assert found_in_database([CANARY]) == set()
        assert CANARY not in printed.getvalue()

    def test_would_be_found_if_they_were_anywhere(self, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(first_name=CANARY)

        assert found_in_database([CANARY]) == {"public.auth_user.first_name"}
