"""Middleware: request id, principal, idempotency, security headers, error pages."""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from csp.constants import HEADER as CSP_HEADER
from csp.utils import build_policy
from django.conf import settings
from django.contrib.messages.middleware import MessageMiddleware
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.utils.cache import get_conditional_response, patch_vary_headers

from config import logs
from config.web import problems
from config.web.problems import PAGES
from console.views import refusals
from events import context
from events.domain.context import Origin
from events.domain.principal import ANONYMOUS, Principal
from events.ids import new_id
from ledger import idempotency, preconditions
from ledger.access import authority
from ledger.approving import reference
from ledger.disclosure import reasons
from ledger.idempotency import Exchange

logger = logging.getLogger(__name__)

# What a caller may call its request; anything else is replaced, not refused.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,100}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_NO_TRACE = "0" * 32


class _Middleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.answer = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        raise NotImplementedError


class RequestId(_Middleware):
    """Give the request an id, or accept the caller's, and return it. Our outermost middleware."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with _identified(request) as request_id:
            return _signed(self.answer(request), request_id)


class ContentSecurityPolicy(_Middleware):
    """Say what a page may load. It is the same for all, so it is written once, not per answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        self._policy = build_policy()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.answer(request)
        # Django's debug pages have inline styles.
        if not (settings.DEBUG and response.status_code in {404, 500}):
            response.headers.setdefault(CSP_HEADER, self._policy)
        return response


class ActingPrincipal(_Middleware):
    """Put who acts, and the story it belongs to, into `events.context`.

    A session names its user here; an API key takes over when DRF has read it.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Without the cookie of a session there is no user to look for, only a key.
        has_key_alone = (
            "Authorization" in request.headers
            and settings.SESSION_COOKIE_NAME not in request.COOKIES
        )
        principal = ANONYMOUS if has_key_alone else authority.principal_of(request)
        with _acting(request, principal):
            return self.answer(request)


class IdempotentExchange(_Middleware):
    """Keep the response of a request that carried an Idempotency-Key and had an effect."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "Idempotency-Key" not in request.headers:
            return self.answer(request)
        with idempotency.exchange() as exchange:
            try:
                return _kept(exchange, self.answer(request))
            finally:
                _ended(exchange)


class PageMessages(MessageMiddleware):
    """Django's messages, for pages only: a response of the API has no place for them."""

    def process_request(self, request: HttpRequest) -> None:
        if not request.path_info.startswith("/api/"):
            super().process_request(request)


class PageRefusals(_Middleware):
    """Answer a refusal that a page let through with the page that says so. /api has DRF for it."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return problems.as_page_where_wanted(request, self.answer(request))

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """Answer what a view raised; None for a bug, which Django logs and answers."""
        return problems.refused_page(request, exception)


class TextOfForms(_Middleware):
    """Refuse what is sent to a page and is not UTF-8: Django would put U+FFFD in its place."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.answer(request)

    def process_view(
        self, request: HttpRequest, *_view: object, **_options: object
    ) -> HttpResponseBase | None:
        """Answer a form whose text cannot be read as it was sent; let all others through."""
        match = request.resolver_match
        if match is None or match.namespace not in PAGES or _is_text(request):
            return None
        return refusals.not_utf_8(request)


class ResponseHeaders(_Middleware):
    """RateLimit on what was counted, who may store it, 304 on what the caller has already."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return _finished(request, self.answer(request))


@contextmanager
def _identified(request: HttpRequest) -> Iterator[str]:
    offered = request.headers.get("X-Request-ID", "")
    request_id = offered if _REQUEST_ID.fullmatch(offered) else f"req_{new_id().hex}"
    request.request_id = request_id  # type: ignore[attr-defined]
    token = logs.request_id.set(request_id)
    try:
        yield request_id
    finally:
        logs.request_id.reset(token)


def _signed(response: HttpResponseBase, request_id: str) -> HttpResponseBase:
    response["X-Request-ID"] = request_id
    return response


@contextmanager
def _acting(request: HttpRequest, principal: Principal) -> Iterator[None]:
    trace = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    story = f"cor_{trace[1]}" if trace and trace[1] != _NO_TRACE else None
    request_id: str = request.request_id  # type: ignore[attr-defined]
    origin = Origin(
        caller_type="api" if "Authorization" in request.headers else "session",
        session_id=_session_of(request) if principal is not ANONYMOUS else "",
        route=_route_of(request),
    )
    with ExitStack() as stack:
        stack.enter_context(
            context.acting(principal, correlation_id=story, causation_id=request_id, origin=origin)
        )
        if approval_id := request.headers.get(reference.HEADER):
            stack.enter_context(reference.presenting(approval_id))
        yield


def _session_of(request: HttpRequest) -> str:
    # The key is a credential; its digest only distinguishes sessions.
    key = request.session.session_key or ""
    return hashlib.sha256(key.encode()).hexdigest()[:32] if key else ""


def _route_of(request: HttpRequest) -> Callable[[], str]:
    def route() -> str:
        match = request.resolver_match
        return f"{request.method} /{match.route}" if match else ""

    return route


def _kept(exchange: Exchange, response: HttpResponseBase) -> HttpResponseBase:
    try:
        exchange.keep(response)
    except DatabaseError:
        # It is done and on record; a retry will be answered from the reference.
        logger.warning("The response of an idempotent request was not kept.", exc_info=True)
    return response


def _ended(exchange: Exchange) -> None:
    try:
        exchange.end()
    except DatabaseError:
        logger.warning("The connection is gone, and with it the lock.", exc_info=True)


def _is_text(request: HttpRequest) -> bool:
    """Return whether the address and the form are UTF-8. No form of ours sends a file."""
    sent = [request.META.get("QUERY_STRING", "")]
    try:
        if request.content_type == "application/x-www-form-urlencoded":
            sent.append(request.body.decode())
        elif request.content_type == "multipart/form-data":
            # No percent signs in it; whatever else it has is decoded by Django, in this charset.
            request.body.decode(request.encoding or "utf-8")
        for each in sent:
            unquote_to_bytes(each).decode()
    except UnicodeDecodeError:
        return False
    except UnreadablePostError:
        pass  # Whoever sent it is gone.
    return True


def _finished(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if rate := getattr(request, "daybook_rate", None):
        limit, remaining, resets_in = rate
        response["RateLimit-Policy"] = f'"caller";q={limit};w=60'
        response["RateLimit"] = f'"caller";r={remaining};t={resets_in}'
    if getattr(request, "daybook_is_private", False):
        response["Cache-Control"] = "no-store"
    # What one caller sees is not for another, nor is it still so when it is looked at again.
    response.headers.setdefault("Cache-Control", "private, no-cache")
    patch_vary_headers(response, ["Authorization", "Cookie"])
    # Only for reading: after a change the new ETag never matches what If-Match named.
    is_read = request.method in {"GET", "HEAD"} and response.status_code == 200  # noqa: PLR2004
    if is_read and response.has_header("ETag"):
        assert isinstance(response, HttpResponse)
        found = get_conditional_response(request, etag=response["ETag"], response=response)
        if found.status_code == HTTPStatus.PRECONDITION_FAILED:  # type: ignore[union-attr]
            return problems.refused_by_middleware(request, preconditions.VersionMoved())
        # The version is the same with and without what is private: who asks for that gets it.
        if reasons.HEADER not in request.headers:
            return found  # type: ignore[return-value]
    return response
