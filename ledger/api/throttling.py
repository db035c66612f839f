"""So many requests a minute for each caller, counted in Valkey. Without it, nobody waits."""

import functools
import logging
import math
import time
from typing import TYPE_CHECKING

import redis
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from events.domain.principal import PrincipalKind
from ledger import authority

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
    client = _client_of(str(settings.CACHES["default"]["LOCATION"]))
    counter = cache.make_and_validate_key(key)
    used = int(client.incr(counter))
    if used == 1:
        client.expire(counter, 2 * WINDOW_SECONDS)
    return used


@functools.cache
def _client_of(url: str) -> redis.Redis:
    # Django's cache makes one for every call, which takes as long as the call.
    return redis.Redis.from_url(url, socket_timeout=1)
