"""Real servers and real sockets, for tests of the live feed."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection, transaction
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from config.testing import fork_server
from config.testing.fork_server import Forked
from config.websockets import OPTIONS, WRITE_SECONDS_MAX
from events import recorder, sequencer
from events.domain.envelope import Envelope, Stream

PATIENCE_S = 60.0
"""How long anything may take before a test gives up on it."""

Frame = dict[str, Any]


class Server:
    """One uvicorn process on a port of its own."""

    def __init__(
        self,
        *,
        limits: Mapping[str, float] | None = None,
        environment: Mapping[str, str] | None = None,
        write_seconds_max: float = WRITE_SECONDS_MAX,
    ) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(256)
        self.port: int = self._socket.getsockname()[1]
        self._environment = {
            **(environment or environment_of_the_tests()),
            "TEST_EVENTS_LIVE": json.dumps(limits or {}),
            "TEST_WRITE_SECONDS_MAX": str(write_seconds_max),
        }
        try:
            self.process = self._started()
        except BaseException:
            self._socket.close()  # Or some other test would fail for it.
            raise

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/events"

    def open_files(self) -> int:
        """Return how many files and sockets it holds."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        self._socket.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def restart(self) -> None:
        """Start it again on the same port."""
        self.process = self._started()

    def _started(self) -> Forked:
        number = self._socket.fileno()
        command = ["uvicorn", "tests.trips_asgi:application"]
        command += ["--fd", str(number), "--ws", OPTIONS["ws"]]
        command += ["--ws-max-size", str(OPTIONS["ws_max_size"])]
        command += ["--ws-per-message-deflate", str(OPTIONS["ws_per_message_deflate"])]
        command += ["--log-level", "warning", "--timeout-graceful-shutdown", "3"]
        # Who is slow to read is slow to answer pings, also for no fault of its own.
        command += ["--ws-ping-timeout", str(10 * PATIENCE_S)]
        return fork_server.start(*command, environment=self._environment, files={number: number})


def environment_of_the_tests() -> dict[str, str]:
    """Return what points a process at the database and the Valkey that the tests use."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": database,
        "DATABASE_OWNER_URL": database,
        "REDIS_URL": settings.REDIS_URL,
    }


class Client:
    """A WebSocket client that waits for what it wants, and remembers what it got."""

    def __init__(self, connection_: ClientConnection) -> None:
        self.connection = connection_
        self.heard: list[Frame] = []

    def say(self, type_: str, **fields: Any) -> None:
        self.connection.send(json.dumps({"type": type_, **fields}))

    def hear(self, wanted: Callable[[Frame], bool]) -> Frame:
        """Return the next frame that is wanted.

        :raises TimeoutError: if none comes.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            frame = self._next_frame(deadline - time.monotonic())
            self.heard.append(frame)
            if wanted(frame):
                return frame

    def _next_frame(self, timeout_s: float) -> Frame:
        try:
            frame: Frame = json.loads(self.connection.recv(timeout_s))
        except TimeoutError as error:
            raise TimeoutError(f"Not heard. The last was: {self.heard[-5:]}") from error
        return frame

    def hear_type(self, type_: str) -> Frame:
        return self.hear(lambda frame: frame["type"] == type_)

    def hear_events(self, count: int) -> list[Frame]:
        """Return the next events, that many."""
        return [self.hear(is_event) for _ in range(count)]

    def subscribe(self, sub_id: str = "s", **fields: Any) -> Frame:
        """Subscribe, and return the answer."""
        self.say("subscribe", sub_id=sub_id, **fields)
        return self.hear(lambda frame: frame["type"] in {"subscribed", "error"})

    def hear_the_end(self) -> tuple[int, str]:
        """Return the code and the reason with which the server closes."""
        with suppress(ConnectionClosed):
            self.hear(lambda _frame: False)
        assert self.connection.close_code is not None
        return self.connection.close_code, self.connection.close_reason or ""


def is_event(frame: Frame) -> bool:
    return "metadata" in frame


@contextmanager
def visiting(
    server: Server,
    secret: str | None = None,
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[Client]:
    """Open a socket, with an API key if one is given."""
    sent = {"Authorization": f"Bearer {secret}"} if secret else {}
    with connect(
        f"{server.url}{query}",
        additional_headers={**sent, **(headers or {})},
        open_timeout=PATIENCE_S,
        # Who pauses reading never gets to the close frame either.
        **{"max_queue": None, "close_timeout": 1, **options},
    ) as connection_:
        yield Client(connection_)


def happen(*facts: tuple[Stream, str], sequenced: bool = True, **data: Any) -> list[Envelope]:
    """Record facts in one transaction, and give them their positions."""
    with transaction.atomic():
        recorded = [recorder.emit(name, dict(data), stream=stream) for stream, name in facts]
    if sequenced:
        sequence()
    return recorded


def sequence() -> None:
    """Give positions to all that is committed."""
    while sequencer.sequence_once():
        pass


def written(count: int, stream: Stream = ("note", "n"), **data: Any) -> list[Envelope]:
    """Write so many notes into one stream."""
    return happen(*[(stream, "note.written")] * count, **data)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what another process is about to do.

    :raises TimeoutError: if it does not.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
