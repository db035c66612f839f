"""The ASGI handler: runs each request on one thread of a pool (ADR 0039).

Our middleware and views are synchronous. Django's own handler changes threads around each
middleware, and starts a thread for each request. Here a request runs from the first middleware
to the last on one thread of a pool, as it would under WSGI; a slow client holds none.
"""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

PIECE_BYTES = 64 << 10
"""What a stream makes at once: a change of thread for each line would cost too much."""


class Handler(ASGIHandler):
    """Django's handler, with synchronous middleware on `WEB_THREADS` threads."""

    def __init__(self) -> None:
        super().__init__()
        self.threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="request")
        self._answer_on_a_thread = sync_to_async(
            self._answer, thread_sensitive=False, executor=self.threads
        )

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 (Django's)
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        response = await self._answer_on_a_thread(request)
        if isinstance(response, StreamingHttpResponse) and not response.is_async:
            # Django would make all of it before it sends any.
            parts: Iterator[bytes] = response.streaming_content  # type: ignore[assignment]
            response.streaming_content = _piece_by_piece(parts)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        # What Django does for the thread that it started for the request, which is another.
        close_old_connections()
        try:
            return self.get_response(request)
        finally:
            close_old_connections()


async def _piece_by_piece(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Make a stream on the request's own thread: it may last, and others want to be answered."""
    make = sync_to_async(_piece)
    while piece := await make(parts):
        yield piece


def _piece(parts: Iterator[bytes]) -> bytes:
    """Take some off `parts`; nothing is left when it is empty."""
    piece = bytearray()
    while len(piece) < PIECE_BYTES and (part := next(parts, None)) is not None:
        piece += part
    return bytes(piece)
