"""The pool of connections of a web process, over an outage of the database."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from typing import Any

from django.db import connection
from psycopg_pool import ConnectionPool

from config.settings.pool import DATABASE_POOL_OPTIONS

GIVING_UP_SECONDS_MAX = 20


def test_who_waits_for_a_database_gets_a_connection_when_it_is_back(
    db: None, tmp_path: Path
) -> None:
    parameters: dict[str, Any] = connection.get_connection_params()
    where, given_up = tmp_path / "sockets", Semaphore(0)
    options: dict[str, Any] = {**DATABASE_POOL_OPTIONS, "timeout": GIVING_UP_SECONDS_MAX}
    try_again = options.pop("reconnect_failed")
    away = {"dbname": parameters["dbname"], "user": parameters["user"], "host": str(where)}

    def note(pool: Any) -> None:
        given_up.release()
        try_again(pool)

    with (
        ThreadPoolExecutor() as threads,
        ConnectionPool(kwargs=away, reconnect_failed=note, open=True, **options) as pool,
    ):
        waiting = threads.submit(pool.getconn)
        for _attempt in ("of the pool", "of who waits"):
            assert given_up.acquire(timeout=GIVING_UP_SECONDS_MAX)
        where.symlink_to(parameters["host"])

        back = waiting.result()
        assert back.execute("SELECT 1").fetchone() == (1,)
        pool.putconn(back)
