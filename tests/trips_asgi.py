"""The product's own ASGI application, with the tests' room and the limits a test asks for."""

import json
import os

from django.conf import settings

from config.asgi import application
from tests import trips

trips.declare()
settings.EVENTS_LIVE = json.loads(os.environ.get("TEST_EVENTS_LIVE", "{}"))

__all__ = ["application"]
