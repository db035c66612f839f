"""What entries refer to, from the outside: shown on record only, taken away, forgotten."""

from typing import Any
from unittest.mock import Mock, patch

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from rest_framework.test import APIClient

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger.domain.action import Action, Kind, Target
from ledger.domain.payload import PayloadKind
from ledger.models import Entry
from ledger.recording import recorded
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/ledger"
WHY = {"Access-Reason": "a complaint"}
CLERK = Principal(kind=PrincipalKind.USER, id="7")


@pytest.fixture
def reader(alice: User) -> APIClient:
    grant(alice, "ledger.read", "ledger.read_payload")
    return client_with(issue(alice, ["ledger.*"])[0])


class TestAPayload:
    def test_is_shown_only_once_that_is_on_record(self, reader: APIClient) -> None:
        payload = self.kept(reader)

        answer = reader.get(
            f"{URL}/payloads/{payload['id']}", headers={"Access-Reason": "a complaint"}
        )

        assert answer.json()["content"] == {"was": "crimson"}
        assert answer["Cache-Control"] == "no-store"
        look = Entry.objects.select_related("disclosure").get(action_name="ledger.read_payload")
        assert (look.target_id, look.disclosure.reason_code) == (payload["id"], "a complaint")

    def test_is_not_shown_to_who_does_not_say_why(self, reader: APIClient) -> None:
        payload = self.kept(reader)

        answer = reader.get(f"{URL}/payloads/{payload['id']}")

        assert (answer.status_code, answer.json()["code"]) == (428, "access_reason_required")
        assert "Access-Reason" in answer.json()["hint"]
        assert "crimson" not in answer.content.decode()
        assert not Entry.objects.filter(action_name="ledger.read_payload").exists()

    def test_is_not_shown_when_it_cannot_be_put_on_record(self, reader: APIClient) -> None:
        payload = self.kept(reader)

        with patch("ledger.entries.wire", new=Mock(run=Mock(side_effect=DatabaseError))):
            answer = reader.get(f"{URL}/payloads/{payload['id']}", headers=WHY)

        assert answer.status_code == 503
        assert "crimson" not in answer.content.decode()

    def test_can_be_taken_away_by_who_may(self, alice: User, reader: APIClient) -> None:
        payload = self.kept(reader)
        url, body = f"{URL}/payloads/{payload['id']}/redact", {"mode": "tombstoned", "reason": "x"}
        assert reader.post(url, body).status_code == 403
        grant(alice, "ledger.redact_payload")

        assert reader.post(url, {"mode": "crypto_shredded", "reason": "x"}).status_code == 400
        assert reader.post(url, body).json()["redaction"] == "tombstoned"
        gone = reader.get(f"{URL}/payloads/{payload['id']}", headers=WHY)
        assert gone.json()["code"] == "payload_gone"

    def kept(self, reader: APIClient) -> dict[str, Any]:
        action = Action(
            name="thing.paint",
            kind=Kind.EXECUTE,
            target=Target(type="thing", id="t1"),
            capability="api_key.read",
        )
        with context.acting(CLERK), recorded(action) as proof:
            proof.keeps(
                PayloadKind.BEFORE, {"was": "crimson"}, schema_tag="thing/1", retention="ops-400d"
            )
        entry = reader.get(f"{URL}/entries/{proof.entry_id}")
        assert "crimson" not in entry.content.decode()
        [payload] = entry.json()["payloads"]
        return dict(payload)
