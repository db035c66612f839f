"""Every WebSocket URL of the product, one line per app."""

from channels.routing import URLRouter
from django.urls import path, re_path

from events.consumers import EventsConsumer
from events.fanout import feed
from events.fanout.conversation import Message, Receive, Send
from workflows.flows.consumers import EngineConsumer


async def nothing_here(scope: Message, receive: Receive, send: Send) -> None:
    """Refuse a handshake with an unknown path."""
    await receive()
    await send({"type": "websocket.close"})


async def lifespan(scope: Message, receive: Receive, send: Send) -> None:
    """Let the sockets go before the process ends. The reader starts with the first of them."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await feed.current().stop()
    await send({"type": "lifespan.shutdown.complete"})


router = URLRouter(
    [
        path("ws/events", EventsConsumer.as_asgi()),
        re_path(r"^engine/ws/?$", EngineConsumer.as_asgi()),
        re_path("", nothing_here),  # type: ignore[arg-type]  # An ASGI application, as Channels has it.
    ]
)
