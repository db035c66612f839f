"""An agent's own program cancels a call, or dies with it under way: nothing is lost or doubled."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

from commerce.models import Booking
from ledger.models import Entry
from tests.chaos.load import eventually
from tests.integration.commerce.api.test_mcp import ACTS, over_stdio
from tests.integration.ledger.access.test_stops_at_once import waiting
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import grant
from tests.live import environment_of_the_tests

pytestmark = pytest.mark.django_db(transaction=True)


PROGRAM = """
import asyncio, json, sys
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

server, asked = json.loads(sys.argv[1])

async def talk():
    async with Client(stdio_client(StdioServerParameters(**server))) as client:
        await client.call_tool("execute", asked)

asyncio.run(talk())
"""


@pytest.fixture
def secret(transactional_db: None) -> str:
    ada = grant(User.objects.create_user("ada"), *ACTS)
    return key_of(delegated(an_agent(ada), *ACTS))


def served(secret: str) -> StdioServerParameters:
    """Return how a client starts a server of its own."""
    return StdioServerParameters(
        command=sys.executable,
        args=["manage.py", "mcp"],
        env={**environment_of_the_tests(), "DAYBOOK_AGENT_KEY": secret},
    )


def confirm(booking: Booking) -> dict[str, Any]:
    return {"command": "booking.confirm", "target_id": str(booking.pk), "idempotency_key": "k"}


def until_one_waits() -> None:
    try:
        eventually(waiting)
    finally:
        connection.close()


@contextmanager
def locked(booking: Booking) -> Iterator[Callable[[], None]]:
    """Hold the booking, so that whoever wants to change it waits, until it is let go."""
    is_held, may_go = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            Booking.objects.select_for_update().get(pk=booking.pk)
            is_held.set()
            assert may_go.wait(60)
        connection.close()

    holder = Thread(target=hold)
    holder.start()
    assert is_held.wait(60)

    def let_go() -> None:
        may_go.set()
        holder.join(60)

    try:
        yield let_go
    finally:
        let_go()


async def confirmed(client: Client, booking: Booking) -> dict[str, Any]:
    """Have the same confirmed as before, and return what is answered."""
    result = await client.call_tool("execute", confirm(booking))
    answer: dict[str, Any] = result.structured_content
    return answer


def actions() -> list[str]:
    return list(
        Entry.objects.filter(action_name="booking.confirm").values_list("status", flat=True)
    )


def test_a_call_that_is_cancelled_is_done_once_and_can_be_made_again(
    secret: str, booking: Booking
) -> None:
    async def say() -> dict[str, Any]:
        with locked(booking) as let_go:
            async with over_stdio(secret) as client:
                call = asyncio.create_task(client.call_tool("execute", confirm(booking)))
                await asyncio.to_thread(until_one_waits)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                let_go()
                return await confirmed(client, booking)

    answer = asyncio.run(say())

    assert (answer["outcome"], answer["replayed"]) == ("done", True)
    assert actions() == ["succeeded"]


def test_a_call_whose_client_dies_is_done_once_and_its_server_ends(
    secret: str, booking: Booking
) -> None:
    asked = json.dumps([served(secret).model_dump(mode="json"), confirm(booking)])
    with locked(booking) as let_go:
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, asked], stderr=subprocess.PIPE, text=True
        )
        until_one_waits()
        program.kill()
        program.wait(60)
        let_go()
        # The server has the same one, so that this ends with the server.
        _, complaints = program.communicate(timeout=60)

    async def say() -> dict[str, Any]:
        async with over_stdio(secret) as client:
            return await confirmed(client, booking)

    answer = asyncio.run(say())

    assert (answer["outcome"], answer["replayed"]) == ("done", True)
    assert actions() == ["succeeded"]
    # Python 3.13 adds a remark of its own, with a traceback, on the stream that the library leaves.
    ours, _, _ = complaints.partition("Exception ignored")
    assert ours.splitlines()[0].endswith("The client has gone.")
    assert "Traceback" not in ours
