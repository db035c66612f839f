"""The ASGI entry point: HTTP, WebSockets, and the end of the process."""

import os

import django
from channels.routing import ProtocolTypeRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

django.setup(set_prefix=False)

# Not before the line above has set Django up.
# The views too: what the first request loads would be searched ever after.
from config import garbage_collection, mcp_server, sockets, urls, worker_start  # noqa: E402, F401
from config.web import handlers  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": mcp_server.beside(handlers.Handler()),
        "websocket": sockets.router,
        "lifespan": sockets.lifespan,
    }
)

worker_start.demand_sound_settings()
garbage_collection.freeze()
