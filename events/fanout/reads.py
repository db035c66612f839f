"""Reads the database from async code: in a few threads, with retries while it is away.

No socket has a connection of its own. What the sockets of a process want to know goes
through `READ_THREADS_MAX` threads, one connection each while they read; the reader of the
feed has one thread and one connection for as long as it follows.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async
from django.db import InterfaceError, OperationalError, connection
from psycopg.errors import QueryCanceled

READ_THREADS_MAX = 4
_PAUSE_MIN_S = 0.1
_PAUSE_MAX_S = 2.0
_CANCELLED_MAX = 2
"""How often a read is made again that the database would not finish: it may only be busy."""

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)
_threads = ThreadPoolExecutor(max_workers=READ_THREADS_MAX, thread_name_prefix="feed-read")


async def patiently(read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `read` returns, however long the database stays away.

    :raises OperationalError: if the database is there, and cancels the read again and again.
    """
    off_the_loop = database_sync_to_async(read, thread_sensitive=False, executor=_threads)
    return await _through_absences(lambda: off_the_loop(*args, **kwargs))


class SteadyReader:
    """One thread that keeps its connection between reads: opening one costs more than a read."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="feed-follow")

    async def read(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `read` returns, however long the database stays away. Raises likewise."""
        loop, work = asyncio.get_running_loop(), partial(_afresh_after_failure, read)
        return await _through_absences(
            lambda: loop.run_in_executor(self._thread, partial(work, *args, **kwargs))
        )

    async def close(self) -> None:
        """Give the connection back. Reading again opens another."""
        await asyncio.get_running_loop().run_in_executor(self._thread, _disconnect)


def _disconnect() -> None:
    # A def: `connection.close` would already be bound to the connection of the wrong thread.
    connection.close()


def _afresh_after_failure(read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return read(*args, **kwargs)
    except (OperationalError, InterfaceError):
        connection.close()
        raise


async def _through_absences(attempt: Callable[[], Awaitable[T]]) -> T:
    pause_s, cancelled = _PAUSE_MIN_S, 0
    while True:
        try:
            return await attempt()
        except (OperationalError, InterfaceError) as error:
            # Whoever cancels a statement is not away. What takes too long would do so for ever,
            # and a read for each socket that asks for it would keep the threads of all.
            cancelled += isinstance(error.__cause__, QueryCanceled)
            if cancelled > _CANCELLED_MAX:
                raise
            logger.warning("The database is away; reading again soon.", extra={"why": str(error)})
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)
