"""The peer: Channels as its documentation shows it, one group on the Redis layer."""

import os

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

LAYER = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # redis-py's own limits would end sockets that are quiet for 5 s, or too many.
            "hosts": [
                {
                    "address": os.environ["REDIS_URL"],
                    "socket_timeout": None,
                    "max_connections": 5_000,
                }
            ],
            # Far above its default of 100: it would drop most of a burst.
            "capacity": 100_000,
        },
    }
}

if not settings.configured:
    settings.configure(CHANNEL_LAYERS=LAYER, INSTALLED_APPS=["channels"])


class Listener(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.channel_layer.group_add(os.environ["BENCH_TOPIC"], self.channel_name)
        await self.accept()

    async def disconnect(self, _code: int) -> None:
        await self.channel_layer.group_discard(os.environ["BENCH_TOPIC"], self.channel_name)

    async def tick(self, message: dict[str, str]) -> None:
        await self.send(text_data=message["text"])


application = Listener.as_asgi()
