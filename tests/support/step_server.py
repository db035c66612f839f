"""A step server on 127.0.0.1: answers by path, remembers every call."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]
"""A status and a body: a dict as JSON, bytes as they are; of a redirect, where it leads."""
Behaviour = Callable[["Heard"], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class StepServer:
    """`says` maps a path (without query) to a behaviour or to a fixed answer."""

    port: int = 0
    says: dict[str, Behaviour | Answer] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def calls(self, path: str) -> list[Heard]:
        return [one for one in self.heard if one.path.partition("?")[0] == path]

    def answer(self, heard: Heard) -> Answer:
        self.heard.append(heard)
        response = self.says.get(heard.path.partition("?")[0], (200, {}))
        return response(heard) if callable(response) else response


@contextmanager
def step_server() -> Iterator[StepServer]:
    """Serve steps within the block."""
    state = StepServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, body = state.answer(
                Heard(
                    method=self.command,
                    path=self.path,
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=json.loads(raw) if raw else None,
                )
            )
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            kind = "application/problem+json" if status >= 400 else "application/json"
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            if isinstance(body, str) and status // 100 == HTTPStatus.MULTIPLE_CHOICES // 100:
                self.send_header("location", body)
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # The caller was killed.
                self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 (the names of the library)

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def http_step(peer: StepServer, step_id: str, **attributes: str) -> dict[str, Any]:
    """Return the definition of a step that `peer` does."""
    return {
        "id": step_id,
        "name": step_id,
        "type": "sync",
        "http": {"endpoint": peer.url(f"/{step_id}")},
        "attributes": {name: {"role": role} for name, role in attributes.items()},
    }
