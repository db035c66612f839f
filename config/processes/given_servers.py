"""Checks external servers (DATABASE_URL, REDIS_URL) before anything uses them."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import redis
from django.db import InternalError, NotSupportedError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import ReadOnlySqlTransaction

_OF_THE_DATABASE = (OperationalError, psycopg.OperationalError)

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


@contextmanager
def written_to() -> Iterator[None]:
    """Do what changes the database.

    :raises ServerUnfit: if it takes no changes, or gives out.
    """
    try:
        yield
    except _OF_THE_DATABASE as error:
        first = _first_of(error)
        if not _gave_out(first):
            raise
        raise ServerUnfit(
            f"The database gave out: {_in_a_line(first).rstrip('.')}. See to its disk and to its "
            "log, then type the command again."
        ) from error
    except (InternalError, ReadOnlySqlTransaction) as error:
        # Django wraps what psycopg raises; what is written without its cursors is not wrapped.
        if not isinstance(error.__cause__ or error, ReadOnlySqlTransaction):
            raise
        raise ServerUnfit(READ_ONLY) from error


def demand_broker(url: str) -> None:
    """Return if Valkey or Redis answers at `url`; its password is never shown.

    :raises ServerUnfit: if it does not.
    """
    try:
        with redis.Redis.from_url(
            url, socket_connect_timeout=ANSWER_SECONDS_MAX, socket_timeout=ANSWER_SECONDS_MAX
        ) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise ServerUnfit(f"REDIS_URL names no server that answers: {_in_a_line(error)}") from error


def _first_of(error: BaseException) -> BaseException:
    """Return the error of the database that the others came of: those of cleaning up after it."""
    chain: list[BaseException] = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(before)
    return next(each for each in reversed(chain) if isinstance(each, _OF_THE_DATABASE))


def _gave_out(error: BaseException) -> bool:
    """Return whether it is for want of room or of the server itself, and not for what was asked."""
    state = getattr(error, "sqlstate", None)
    # No code: the connection was lost. 53: insufficient resources. 57P: shut down, or crashed.
    return state is None or state.startswith(("53", "57P"))


def _in_a_line(error: BaseException) -> str:
    return " ".join(str(error).split())
