"""The WebSocket protocol of uvicorn, with limits: no client can hold a socket by not reading.

A refused handshake is not logged as an error.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# Longer than the feed needs to tell a slow client where to resume (twice `send_timeout_s`).
WRITE_SECONDS_MAX: Final = 30.0

# A client message has 64 KiB at most (events.domain.subscription); somewhat more is read, so
# that it can be answered with an error instead of a closed socket.
MESSAGE_BYTES_MAX: Final = 1024 * 1024

OPTIONS: Final[dict[str, Any]] = {
    "ws": "config.websockets:Protocol",
    "ws_max_size": MESSAGE_BYTES_MAX,
    # Compression is done per socket: it would cost more than all the rest of a delivery.
    "ws_per_message_deflate": False,
}
"""For `uvicorn.Config`."""


class Protocol(WebSocketsSansIOProtocol):
    """Drops a connection that takes nothing for `WRITE_SECONDS_MAX`.

    Closing it would first wait for the client to read what is buffered, forever.
    """

    _deadline: asyncio.TimerHandle | None = None

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.close_sent:
            # uvicorn does not send it after a refusal with a body, and takes that for a bug:
            # an ERROR for everybody who knocks without a key.
            self.handshake_complete = True

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deadline = self.loop.call_later(WRITE_SECONDS_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        self._forget_deadline()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
