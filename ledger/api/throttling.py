"""Rate limit per caller and minute, counted in Valkey; without Valkey there is none."""

import logging
import math
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import cache
from redis.connection import ConnectionInterface, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from events.domain.principal import PrincipalKind
from ledger.access import authority

if TYPE_CHECKING:  # DRF imports its defaults, so this module, while it defines APIView.
    from rest_framework.views import APIView

WINDOW_SECONDS = 60

logger = logging.getLogger(__name__)


class CallerThrottle(BaseThrottle):
    """A fixed window per key, user or address; the limits are in API_REQUESTS_PER_MINUTE."""

    def __init__(self) -> None:
        self._resets_in = WINDOW_SECONDS

    def allow_request(self, request: Request, view: "APIView") -> bool:
        principal = authority.principal_of(request)
        limit = settings.API_REQUESTS_PER_MINUTE[principal.kind.value]
        is_known = principal.kind is not PrincipalKind.ANONYMOUS
        caller = str(principal) if is_known else f"address:{self.get_ident(request)}"
        now = time.time()
        window = int(now // WINDOW_SECONDS)
        self._resets_in = max(1, math.ceil((window + 1) * WINDOW_SECONDS - now))
        used = _count(f"throttle:{caller}:{window}")
        # The middleware writes this on the response, whatever the response is.
        request._request.daybook_rate = (limit, max(0, limit - used), self._resets_in)  # type: ignore[attr-defined]  # noqa: SLF001
        return used <= limit

    def wait(self) -> float:
        return self._resets_in


def _count(key: str) -> int:
    try:
        return _one_more(key)
    except (RedisError, ValueError):
        # The doorbell is down, the book is not: an unlimited API beats a closed one.
        logger.warning("Requests are not counted: the cache does not answer.")
        return 0


def _one_more(key: str) -> int:
    # Django's own `incr` asks first whether there is something to count on; in a round trip.
    counter = cache.make_and_validate_key(key)
    used = int(_asked("INCR", counter))
    if used == 1:
        _asked("EXPIRE", counter, 2 * WINDOW_SECONDS)
    return used


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
        _lines.of[key] = ConnectionPool.from_url(url, socket_timeout=1).make_connection()
    return _lines.of[key]
