"""The WSGI entry point, for installations that serve /api separately (ADR 0015)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

application = get_wsgi_application()

# Not before the line above has set Django up.
# The views too: what the first request loads would be searched ever after.
from config import garbage_collection, urls, worker_start  # noqa: E402, F401

worker_start.demand_sound_settings()
garbage_collection.freeze()
