"""The pool of connections of a web process, over an outage of the database."""

from pathlib import Path
from threading import Event
from typing import Any

from django.conf import settings
from django.db import connection
from psycopg_pool import ConnectionPool

GIVING_UP_SECONDS_MAX = 20


def test_the_next_request_finds_a_database_that_is_back(db: None, tmp_path: Path) -> None:
    parameters: dict[str, Any] = connection.get_connection_params()
    where, was_given_up = tmp_path / "sockets", Event()
    options: dict[str, Any] = settings.DATABASE_POOL_OPTIONS
    away = {"dbname": parameters["dbname"], "user": parameters["user"], "host": str(where)}
    with ConnectionPool(
        kwargs=away,
        reconnect_failed=lambda _pool: was_given_up.set(),
        open=True,
        **options,
    ) as pool:
        assert was_given_up.wait(GIVING_UP_SECONDS_MAX)
        where.symlink_to(parameters["host"])

        with pool.connection() as back:
            assert back.execute("SELECT 1").fetchone() == (1,)
