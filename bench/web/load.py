"""A closed loop of HTTP clients in one thread: each sends its next request at once."""

import select
import socket
import time

from bench.harness import Measured

CLIENTS = 8


class _Client:
    """One connection at a time; a new one where the server closes after each answer."""

    def __init__(self, port: int, request: bytes, poll: select.epoll) -> None:
        self._port, self._request, self._poll = port, request, poll
        self._connection: socket.socket | None = None
        self.sent_at = 0.0

    def ask(self) -> int:
        """Send the request and return the number of the socket."""
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            self._poll.register(self._connection.fileno(), select.EPOLLIN)
        self._answer, self.sent_at = b"", time.perf_counter()
        self._connection.sendall(self._request)
        return self._connection.fileno()

    def has_its_answer(self) -> bool:
        """Read on; say whether that was all."""
        assert self._connection is not None
        data = self._connection.recv(65_536)
        self._answer += data
        head, mark, body = self._answer.partition(b"\r\n\r\n")
        assert self._answer.startswith(b"HTTP/1.1 201") or not mark, self._answer[:500]
        head = head.lower()
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not mark or (len(body) < int(length) and data):
            return False
        if not data or b"connection: close" in head:
            self.close()
        return True

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def posting(
    port: int, path: str, *, headers: dict[str, str], seconds: float, body: bytes = b""
) -> Measured:
    """Post `body` again and again for so long; the value is answers per second."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request, poll = "\r\n".join([*lines, "", ""]).encode() + body, select.epoll()
    clients = {}
    for _ in range(CLIENTS):
        client = _Client(port, request, poll)
        clients[client.ask()] = client
    latencies: list[float] = []
    started = now = time.perf_counter()
    while now < started + seconds:
        for number, _ in poll.poll(1):
            client = clients[number]
            if client.has_its_answer():
                latencies.append(time.perf_counter() - client.sent_at)
                del clients[number]
                clients[client.ask()] = client
        now = time.perf_counter()
    for client in clients.values():
        client.close()
    return Measured(value=len(latencies) / (now - started), latencies_s=latencies)
