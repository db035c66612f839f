"""The floor: one Redis subscription, and a loop over bare ASGI sockets. Nothing is kept."""

import asyncio
import os
from typing import Any

import redis.asyncio

_sends: set[Any] = set()
_tasks: list[asyncio.Task[None]] = []


async def application(_scope: Any, receive: Any, send: Any) -> None:
    if not _tasks:
        _tasks.append(asyncio.create_task(_relay()))
    await receive()
    await send({"type": "websocket.accept"})
    _sends.add(send)
    while (await receive())["type"] != "websocket.disconnect":
        pass
    _sends.discard(send)


async def _relay() -> None:
    client = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None)
    async with client, client.pubsub() as pubsub:
        await pubsub.subscribe(os.environ["BENCH_TOPIC"])
        async for message in pubsub.listen():
            if message["type"] == "message":
                frame = {"type": "websocket.send", "text": message["data"].decode()}
                for send in list(_sends):
                    await send(frame)
