"""What an agent is told over MCP when something passes, or is wrong on our side."""

import asyncio
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from commerce.models import Booking
from config import mcp_server
from ledger import readings, tools
from ledger.access import credentials
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import grant
from tests.live import PATIENCE_S

ACTS = ["booking.read"]


@pytest.fixture
def ada(transactional_db: None) -> User:
    return grant(User.objects.create_user("ada"), *ACTS)


@pytest.fixture
def secret(ada: User) -> str:
    return key_of(delegated(an_agent(ada), *ACTS))


def read(secret: str, booking: Booking) -> dict[str, Any]:
    asked = {"type": "booking", "id": str(booking.pk)}
    return tools.call("read", asked, written_key=secret)


class TestATool:
    def test_what_passes_says_when(self, ada: User, booking: Booking) -> None:
        secret = key_of(delegated(an_agent(ada), *ACTS, per_minute_max=1))

        first, second = read(secret, booking), read(secret, booking)

        assert first["outcome"] == "found"
        assert (second["outcome"], second["because"]) == ("denied", "delegation_rate_exceeded")
        assert second["retry_after_seconds"] == 60

    @pytest.mark.parametrize(
        ("trouble", "because", "wait"),
        [
            (OperationalError, "database_unavailable", 2),
            (ZeroDivisionError, "internal_error", None),
        ],
    )
    def test_trouble_of_ours_is_an_outcome_without_its_words(
        self,
        secret: str,
        booking: Booking,
        monkeypatch: pytest.MonkeyPatch,
        trouble: type[Exception],
        because: str,
        wait: int | None,
    ) -> None:
        def broken(*_args: object, **_named: object) -> None:
            raise trouble("INSERT INTO ledger_entry")

        monkeypatch.setattr(readings, "show", broken)

        answer = read(secret, booking)

        assert (answer["outcome"], answer["because"]) == ("refused", because)
        assert answer.get("retry_after_seconds") == wait
        assert "INSERT" not in f"{answer}"


class TestTheDoor:
    def test_tells_when_nobody_can_say_who_knocks(
        self, secret: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(_text: str) -> None:
            raise OperationalError("the connection is lost")

        monkeypatch.setattr(credentials, "agent_key_for", lost)

        answer = asyncio.run(_knock(secret))

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.json()["code"] == "database_unavailable"
        assert "lost" not in answer.text

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    def test_has_no_stream_to_listen_to_and_no_session_to_end(
        self, secret: str, method: str
    ) -> None:
        answer = asyncio.run(asyncio.wait_for(_knock(secret, method), PATIENCE_S))

        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


async def _knock(secret: str, method: str = "POST") -> httpx2.Response:
    async def site(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("only /mcp is asked for here")

    transport = httpx2.ASGITransport(app=mcp_server.beside(site))
    async with httpx2.AsyncClient(transport=transport) as http:
        credential = {"Authorization": f"Bearer {secret}"}
        accept = {"Accept": "application/json, text/event-stream"}
        return await http.request(
            method, "http://localhost/mcp", json={}, headers={**credential, **accept}
        )
