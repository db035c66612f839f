"""Many WebSocket clients in one thread, cheap enough not to be what is measured."""

import base64
import json
import os
import re
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

_STAMP = re.compile(rb"@(\d+\.\d+)@")
_PATIENCE_S = 120.0
_KEEP_BYTES = 40
"""More than a stamp has: one that is cut by the end of a read is completed by the next."""


def stamp() -> str:
    """Return what the crowd looks for in a frame: when it was published."""
    return f"@{time.time():017.6f}@"


@dataclass(kw_only=True)
class Heard:
    count: int = 0
    first_published: float = float("inf")
    last_arrived: float = 0.0
    latencies_s: list[float] = field(default_factory=list)


class Crowd:
    """`size` sockets on one address. `greeting` is sent by each; its answer is awaited."""

    def __init__(
        self, port: int, path: str, size: int, *, headers: Sequence[str] = (), greeting: str = ""
    ) -> None:
        self.size = size
        self._port, self._path, self._headers = port, path, headers
        self._poll = select.epoll()
        self._tails: dict[int, bytes] = {}
        self._sockets = {}
        for _ in range(size):
            client = self._connected(greeting)
            client.settimeout(0)
            self._sockets[client.fileno()] = client
            self._tails[client.fileno()] = b""
            self._poll.register(client.fileno(), select.EPOLLIN)

    def listen(self, messages: int, *, keeps_latencies: bool) -> Heard:
        """Read until everybody heard so many messages."""
        heard, wanted = Heard(), messages * self.size
        deadline = time.monotonic() + _PATIENCE_S
        while heard.count < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._path}: heard {heard.count} of {wanted}")
            for number, _ in self._poll.poll(0.5):
                self._read(number, heard, keeps_latencies=keeps_latencies)
        return heard

    def close(self) -> None:
        for client in self._sockets.values():
            client.close()
        self._poll.close()

    def _read(self, number: int, heard: Heard, *, keeps_latencies: bool) -> None:
        data = self._tails[number] + self._sockets[number].recv(262_144)
        stamps = list(_STAMP.finditer(data))
        end = stamps[-1].end() if stamps else 0
        self._tails[number] = data[max(end, len(data) - _KEEP_BYTES) :]
        if not stamps:
            return
        now = time.time()
        heard.count += len(stamps)
        heard.last_arrived = now
        heard.first_published = min(heard.first_published, float(stamps[0][1]))
        if keeps_latencies:
            heard.latencies_s += [now - float(found[1]) for found in stamps]

    def _connected(self, greeting: str) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [
            f"GET {self._path} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            *self._headers,
        ]
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += client.recv(4096)
        assert b" 101 " in answer, answer
        if greeting:
            client.sendall(_masked(greeting.encode()))
            while b"subscribed" not in answer:
                answer += client.recv(4096)
        return client


def greeting(topic: str) -> str:
    """Return Daybook's subscription to the stream of a topic."""
    wish = {"type": "subscribe", "sub_id": "b", "aggregate_ids": [["tick", topic]]}
    return json.dumps(wish)


def _masked(payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + b"\0\0\0\0" + payload
