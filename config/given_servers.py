"""What is asked of servers that the environment names, before anything is done with them."""

import redis
from django.db import NotSupportedError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import ReadOnlySqlTransaction

POSTGRESQL_MIN = 15
ENCODING = "UTF8"
ANSWER_SECONDS_MAX = 5
READ_ONLY = (
    "The database takes no changes: it is a standby, or was set to be read only. Name the one "
    "that is written to in DATABASE_URL, or end `default_transaction_read_only` of this one."
)


class ServerUnfit(Exception):
    """It does not answer, or is none that Daybook runs on. For the person at the terminal."""


def demand_database(database: BaseDatabaseWrapper = connection) -> None:
    """Return if the database can be used.

    :raises ServerUnfit: if it cannot be reached, is too old, or cannot hold every text.
    """
    try:
        database.ensure_connection()
    except (OperationalError, NotSupportedError) as error:
        raise ServerUnfit(f"The database cannot be used: {_in_a_line(error)}") from error
    about = database.connection.info
    if (major := about.server_version // 10_000) < POSTGRESQL_MIN:
        raise ServerUnfit(f"Daybook needs PostgreSQL {POSTGRESQL_MIN} or newer; this is {major}.")
    if (encoding := about.parameter_status("server_encoding")) != ENCODING:
        raise ServerUnfit(
            f"The database {about.dbname} is encoded in {encoding}, which has no place for most of "
            f"what people write. Make another: CREATE DATABASE … ENCODING '{ENCODING}' TEMPLATE "
            "template0."
        )


def is_for_reading_only(error: BaseException) -> bool:
    """Say whether a statement failed because the database takes no changes."""
    # Django wraps what psycopg raises; what is written without its cursors is not wrapped.
    return isinstance(error, ReadOnlySqlTransaction) or isinstance(
        error.__cause__, ReadOnlySqlTransaction
    )


def demand_broker(url: str) -> None:
    """Return if Valkey or Redis answers at `url`, whose password is told to nobody.

    :raises ServerUnfit: if it does not.
    """
    try:
        with redis.Redis.from_url(
            url, socket_connect_timeout=ANSWER_SECONDS_MAX, socket_timeout=ANSWER_SECONDS_MAX
        ) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise ServerUnfit(f"REDIS_URL names no server that answers: {_in_a_line(error)}") from error


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())
