"""What the server says of a handshake that the application refuses."""

import asyncio
import logging

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from config import websockets
from events.fanout import refusal
from events.fanout.conversation import Message, Receive, Send
from ledger.domain.capability import CapabilityMissing


async def _refuses(scope: Message, receive: Receive, send: Send) -> None:
    await receive()
    await refusal.refuse(scope, send, CapabilityMissing("event.read"))


async def _knock() -> InvalidStatus:
    server = uvicorn.Server(
        uvicorn.Config(_refuses, port=0, lifespan="off", log_config=None, **websockets.OPTIONS)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{port}/ws/events")
        while server.server_state.tasks:
            await asyncio.sleep(0)
    finally:
        server.should_exit = True
        await serving
    return refused.value


def test_a_refused_handshake_is_no_error_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        answer = asyncio.run(_knock()).response

    assert answer.status_code == 403
    assert b"capability_missing" in (answer.body or b"")
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []
    assert '"WebSocket /ws/events" 403' in caplog.text
