"""Serves an authenticated WebSocket on the feed, for both protocols."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from events.domain.framing import Framing
from events.domain.subscription import MessageNotText
from events.fanout import feed as feeds
from events.fanout import items
from events.fanout.audience import Audience
from events.fanout.close_reason import CloseReason
from events.fanout.items import States
from events.fanout.session import Session

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def converse(
    *,
    framing: Framing,
    audience: Audience,
    receive: Receive,
    send: Send,
    states: States = items.of,
) -> None:
    """Serve an accepted socket until one side ends the conversation."""
    feed = feeds.current()
    session = Session(
        feed=feed, framing=framing, audience=audience, send=_writing_to(send), states=states
    )
    try:
        await feed.enter(session)
        ending = await _first_to_end(session, receive)
    finally:
        session.close()
        await feed.exit(session)
    if ending is not None:
        await _say_good_bye(ending, send, timeout_s=feed.limits.send_timeout_s)


def _writing_to(send: Send) -> Callable[[str], Awaitable[None]]:
    def write(text: str) -> Awaitable[None]:
        return send({"type": "websocket.send", "text": text})

    return write


async def _first_to_end(session: Session, receive: Receive) -> CloseReason | None:
    """Talk until it is over; return what we have to say about it, None if the client left."""
    writer = asyncio.create_task(session.run())
    listener = asyncio.create_task(_listen(session, receive))
    try:
        await asyncio.wait({writer, listener}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        writer.cancel()
        listener.cancel()
        await asyncio.wait({writer, listener})
    for task in (listener, writer):
        # A client that went away is an OSError here, and no news.
        with suppress(asyncio.CancelledError, OSError):
            ending = task.result()
            if ending is not None:
                return ending
    return None


async def _listen(session: Session, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") is None:
            session.complain(MessageNotText())
        else:
            await session.hear(message["text"])
        # Of messages that came at once none waits: what they are answered gets its turn here,
        # or a client that does read is taken for one that does not, and all others wait for it.
        await asyncio.sleep(0)


async def _say_good_bye(ending: CloseReason, send: Send, *, timeout_s: float) -> None:
    # A client that reads nothing does not receive it either.
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(timeout_s):
            if ending.last_frame is not None:
                await send({"type": "websocket.send", "text": ending.last_frame})
            await send({"type": "websocket.close", "code": ending.code, "reason": ending.reason})
