"""Authenticates WebSocket handshakes: by session cookie, API key or ticket.

A browser sends its cookies whichever page opens the socket, and CORS does not apply. So a
handshake with a session cookie must come from a page of our own origin.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.utils.http import is_same_domain

from events.domain.errors import Forbidden
from ledger.access import authority, tickets
from ledger.access.authority import Caller
from ledger.access.credentials import CredentialRefused

_HTTP_SCHEME_OF = {"ws": "http", "wss": "https"}


class OriginRefused(Forbidden):
    code = "origin_refused"
    hint = "Open the socket from a page of this site, or list yours in CSRF_TRUSTED_ORIGINS."

    def __init__(self) -> None:
        super().__init__("A page of another site may not use this session.")


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Return who opens the socket. Uses up the ticket, if there is one.

    :raises OriginRefused: if there is a session cookie and the page is of another site.
    :raises CredentialRefused: if there is no valid credential.
    """
    request = _request_of(scope)
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if session_key is not None:
        _check_origin(request)
    ticket = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("ticket")
    if ticket is not None:
        return tickets.redeem_ticket(text=ticket[-1])
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        return authority.bearer(authorization)
    if session_key is None:
        raise CredentialRefused
    return authority.session(session_key)


def check_caller(scope: Mapping[str, Any]) -> None:
    """Check that a handshake that needs no cookie does not come from a page of another site.

    :raises OriginRefused: if it does, or the host is not allowed.
    """
    request = _request_of(scope)
    try:
        request.get_host()
    except DisallowedHost as error:
        raise OriginRefused from error
    if "Origin" in request.headers:
        _check_origin(request)


def _request_of(scope: Mapping[str, Any]) -> ASGIRequest:
    # Hosts, cookies and proxies are read by Django, as they are for HTTP requests.
    as_http = {
        **scope,
        "type": "http",
        "method": "GET",
        "scheme": _HTTP_SCHEME_OF.get(scope.get("scheme", "ws"), "http"),
    }
    return ASGIRequest(as_http, BytesIO())


def _check_origin(request: ASGIRequest) -> None:
    try:
        ours = f"{'https' if request.is_secure() else 'http'}://{request.get_host()}"
    except DisallowedHost as error:
        raise OriginRefused from error
    origin = request.headers.get("Origin", "")
    trusted = {ours, *settings.CSRF_TRUSTED_ORIGINS}
    if origin not in trusted and not any(_is_under(origin, pattern) for pattern in trusted):
        raise OriginRefused


def _is_under(origin: str, pattern: str) -> bool:
    """Whether `origin` is meant by a pattern such as https://*.example.com."""
    scheme, star, domain = pattern.partition("://*")
    if not star:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme == scheme and is_same_domain(parts.netloc, domain)
