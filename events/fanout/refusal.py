"""Refuses WebSocket handshakes."""

from http import HTTPStatus
from typing import Final

import orjson
from django.conf import settings

from events.domain import problem
from events.domain.errors import DomainError, Forbidden, Throttled, Unavailable
from events.fanout.conversation import Message, Send

_STATUS: Final = {
    Forbidden: HTTPStatus.FORBIDDEN,
    Throttled: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    DomainError: HTTPStatus.UNAUTHORIZED,
}


async def refuse(scope: Message, send: Send, refusal: DomainError) -> None:
    """Answer a handshake with a problem document, where the server can do that."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    status = next(status for family, status in _STATUS.items() if isinstance(refusal, family))
    body = problem.document(refusal, status=status, docs_url=settings.PROBLEM_DOCS_URL)
    headers = problem.asgi_headers(refusal, status=status)
    await send(
        {"type": "websocket.http.response.start", "status": status.value, "headers": headers}
    )
    await send({"type": "websocket.http.response.body", "body": orjson.dumps(body)})
