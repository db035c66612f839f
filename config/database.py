"""The connection pool, which only ASGI needs."""

from django.db import connections

from config.settings.pool import DATABASE_POOL_OPTIONS


def use_pool() -> None:
    """Take connections from a pool from now on, in this process."""
    connections.close_all()
    database = connections.settings["default"]
    database["CONN_MAX_AGE"] = 0
    database["OPTIONS"]["pool"] = DATABASE_POOL_OPTIONS
