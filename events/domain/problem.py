"""A refusal as a problem document (RFC 9457): what HTTP, MCP and WebSocket handshakes say alike."""

from http import HTTPStatus
from typing import Any, Final

from events.domain.errors import DomainError

MEDIA_TYPE: Final = "application/problem+json"
CHALLENGE: Final = 'Bearer realm="daybook"'


def title_of(code: str) -> str:
    """Return a code in words: `stream_moved` is "Stream moved"."""
    return code.replace("_", " ").capitalize()


def document(refusal: DomainError, *, status: HTTPStatus, docs_url: str) -> dict[str, Any]:
    """Return the document without what only the answer to an HTTP request has."""
    body = {
        "type": f"{docs_url}#{refusal.code}",
        "title": title_of(refusal.code),
        "status": status.value,
        "detail": str(refusal),
        "code": refusal.code,
        "hint": refusal.hint,
    }
    return {name: value for name, value in body.items() if value}


def headers(refusal: DomainError, *, status: HTTPStatus) -> dict[str, str]:
    """Return the headers that belong to it: when to come back, and with what."""
    found = {}
    wait = getattr(refusal, "retry_after_seconds", None)
    if wait is not None:
        found["Retry-After"] = str(wait)
    if status is HTTPStatus.UNAUTHORIZED:
        found["WWW-Authenticate"] = CHALLENGE
    return found


def asgi_headers(refusal: DomainError, *, status: HTTPStatus) -> list[tuple[bytes, bytes]]:
    """Return all headers of an answer that is the document alone, as ASGI has them."""
    every = {"content-type": MEDIA_TYPE, "cache-control": "no-store"}
    every |= headers(refusal, status=status)
    return [(name.lower().encode(), value.encode()) for name, value in every.items()]
