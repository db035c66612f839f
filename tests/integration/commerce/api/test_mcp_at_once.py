"""An agent's client in a hurry: ten calls at once, too much in one, and a key that ends."""

import asyncio
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import User
from django.db import connections
from mcp.client.client import Client

from commerce.models import Booking
from events import context
from events.domain.principal import SYSTEM
from ledger.models import Delegation, Entry
from ledger.services import delegations
from tests.integration.commerce.api.test_mcp import ACTS, ADDRESS, over_http, talk, transport
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def link(transactional_db: None) -> Delegation:
    ada = grant(User.objects.create_user("ada"), *ACTS)
    return delegated(an_agent(ada), *ACTS)


def confirm(booking: Booking, key: str = "k") -> dict[str, Any]:
    return {"command": "booking.confirm", "target_id": str(booking.pk), "idempotency_key": key}


def test_ten_at_once_do_it_once(link: Delegation, booking: Booking) -> None:
    async def say(client: Client) -> list[dict[str, Any]]:
        async with asyncio.TaskGroup() as group:
            calls = [
                group.create_task(client.call_tool("execute", confirm(booking))) for _ in range(10)
            ]
        return [call.result().structured_content for call in calls]

    answers = talk(key_of(link), say)

    # Whoever comes while the first is under way is told to come again.
    assert {each["outcome"] for each in answers} <= {"done", "refused"}
    assert {each.get("because", "") for each in answers} <= {"", "request_in_progress"}
    assert any(each["outcome"] == "done" for each in answers)
    assert Entry.objects.filter(action_name="booking.confirm", status="succeeded").count() == 1


def test_too_much_is_refused_in_words(link: Delegation, booking: Booking) -> None:
    huge = {**confirm(booking), "input": {"reason": "x" * 2_000_000}}

    written = key_of(link)

    async def knock() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=transport()) as http:
            called = {"name": "execute", "arguments": huge}
            return await http.post(
                ADDRESS,
                json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": called},
                headers={
                    "Authorization": f"Bearer {written}",
                    "Accept": "application/json, text/event-stream",
                },
            )

    answer = asyncio.run(knock())

    assert answer.status_code == 413
    assert "Traceback" not in answer.text
    assert not Entry.objects.filter(action_name="booking.confirm", status="succeeded").exists()


def test_a_conversation_does_not_outlive_its_key(link: Delegation, booking: Booking) -> None:
    def revoke() -> None:
        with context.acting(SYSTEM):
            delegations.revoke_delegation(delegation_id=link.pk, reason="enough")
        connections.close_all()

    written = key_of(link)

    async def converse() -> str:
        async with over_http(written) as client:
            await client.call_tool("list", {})
            await asyncio.to_thread(revoke)
            try:
                return f"{await client.call_tool('execute', confirm(booking))}"
            except Exception as refused:  # noqa: BLE001 - whatever the client makes of a 401.
                return f"{refused!r}"

    message = asyncio.run(converse())

    assert message.startswith("MCPError")
    assert "Traceback" not in message
    assert not Entry.objects.filter(action_name="booking.confirm", status="succeeded").exists()
    booking.refresh_from_db()
    assert booking.status != "confirmed"
