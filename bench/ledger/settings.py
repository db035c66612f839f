"""The product's settings, with the peers that are installed and a table to save."""

from importlib.util import find_spec

from config.settings.base import *  # noqa: F403
from config.settings.base import INSTALLED_APPS, MIDDLEWARE

PEERS = [name for name in ("auditlog", "simple_history") if find_spec(name)]
INSTALLED_APPS = [*INSTALLED_APPS, *PEERS, "bench.ledger"]
MIDDLEWARE = list(MIDDLEWARE)
