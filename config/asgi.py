"""The ASGI entry point: HTTP, WebSockets, and the end of the process."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

http = get_asgi_application()

# Not before the line above has set Django up.
from config import mcp_server, sockets  # noqa: E402

application = ProtocolTypeRouter(
    {"http": mcp_server.beside(http), "websocket": sockets.router, "lifespan": sockets.lifespan}
)
