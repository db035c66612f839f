"""The product's own ASGI application, with the tests' room and the limits a test asks for."""

import json
import os

from django.conf import settings

from config import websockets
from config.asgi import application
from tests import trips

trips.declare()
settings.EVENTS_LIVE = json.loads(os.environ.get("TEST_EVENTS_LIVE", "{}"))
websockets.WRITE_SECONDS_MAX = float(os.environ["TEST_WRITE_SECONDS_MAX"])  # type: ignore[misc]

__all__ = ["application"]
