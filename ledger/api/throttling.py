"""Rate limit per caller and minute, counted in Valkey; without Valkey there is none."""

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from events.domain.principal import PrincipalKind
from ledger.access import authority, counting

if TYPE_CHECKING:  # DRF imports its defaults, so this module, while it defines APIView.
    from rest_framework.views import APIView


class CallerThrottle(BaseThrottle):
    """A fixed window per key, user or address; the limits are in API_REQUESTS_PER_MINUTE."""

    def __init__(self) -> None:
        self._resets_in = counting.WINDOW_SECONDS

    def allow_request(self, request: Request, view: "APIView") -> bool:
        principal = authority.principal_of(request)
        limit = settings.API_REQUESTS_PER_MINUTE[principal.kind.value]
        is_known = principal.kind is not PrincipalKind.ANONYMOUS
        caller = str(principal) if is_known else f"address:{self.get_ident(request)}"
        self._resets_in = counting.seconds_left()
        used = counting.one_more(f"throttle:{caller}")
        # The middleware writes this on the response, whatever the response is.
        request._request.daybook_rate = (limit, max(0, limit - used), self._resets_in)  # type: ignore[attr-defined]  # noqa: SLF001
        return used <= limit

    def wait(self) -> float:
        return self._resets_in
