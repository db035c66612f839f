"""Counts within the minute, in Valkey. Without Valkey nothing is counted.

Django's cache would do, in two round trips where one is enough.
"""

import logging
import math
import os
import threading
import time
from typing import Any, Final

from django.conf import settings
from django.core.cache import cache
from redis.connection import ConnectionInterface, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

WINDOW_SECONDS: Final = 60

logger = logging.getLogger(__name__)


def one_more(name: str) -> int:
    """Count `name` once more, and return how often it was counted in this minute."""
    try:
        counter = _counter_of(name)
        # Django's own `incr` asks first whether there is something to count on.
        used = int(_asked("INCR", counter))
        if used == 1:
            _asked("EXPIRE", counter, 2 * WINDOW_SECONDS)
    except (RedisError, ValueError):
        return _not_counted()
    return used


def so_far(name: str) -> int:
    """Return how often `name` was counted in this minute."""
    try:
        return int(_asked("GET", _counter_of(name)) or 0)
    except (RedisError, ValueError):
        return _not_counted()


def seconds_left() -> int:
    """Return after how many seconds all counting begins anew, at least 1."""
    return max(1, math.ceil(WINDOW_SECONDS - time.time() % WINDOW_SECONDS))


def _counter_of(name: str) -> str:
    window = int(time.time() // WINDOW_SECONDS)
    return cache.make_and_validate_key(f"{name}:{window}")


def _not_counted() -> int:
    # The doorbell is down, the book is not: an unlimited API beats a closed one.
    logger.warning("Requests are not counted: the cache does not answer.")
    return 0


def _asked(*command: str | int) -> Any:
    """Return what Valkey answers. A connection that it has closed meanwhile is made anew."""
    line = _line_of(str(settings.CACHES["default"]["LOCATION"]))
    for is_last in (False, True):
        try:
            line.send_command(*command)  # type: ignore[no-untyped-call]
            return line.read_response()
        except RedisError as error:
            # What comes late must not be taken for the answer to the next.
            line.disconnect()  # type: ignore[no-untyped-call]
            if is_last or not isinstance(error, RedisConnectionError):
                raise
    raise AssertionError("the second try answers or raises")


class _Lines(threading.local):
    """The connections of each thread: a client spends longer on its pool than Valkey answers in."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, int], ConnectionInterface] = {}


_lines = _Lines()


def _line_of(url: str) -> ConnectionInterface:
    # A fork has its parent's connection, and must not use it.
    key = (url, os.getpid())
    if key not in _lines.of:
        pool = ConnectionPool.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        _lines.of[key] = pool.make_connection()
    return _lines.of[key]
