"""Peers that misbehave (F31): each is cut off by the deadline or by a cap."""

import gzip
import socket
import threading
import time
import zlib

import pytest

from tests.peers import raw_peer, receiver
from workflows.egress import client
from workflows.egress.client import Answer, Call
from workflows.egress.refusals import AnswerTooLarge, EgressFailed, EgressTimedOut

pytestmark = pytest.mark.usefixtures("loopback_allowed")

DEADLINE_SECONDS = 0.4
LATEST_SECONDS = 30.0  # Far above the deadline, far below what the peer would take.
PATIENT_SECONDS = 20.0  # Where the deadline is not what is tested.


def call(
    port: int,
    *,
    body: bytes = b"",
    truncate: bool = False,
    limit: int = 10_000,
    seconds: float = PATIENT_SECONDS,
) -> Answer:
    return client.send(
        Call(
            method="POST",
            url=f"http://127.0.0.1:{port}/",
            body=body,
            deadline_seconds=seconds,
            body_bytes_max=limit,
            truncate=truncate,
        )
    )


def drip(connection: socket.socket, piece: bytes) -> None:
    """Send `piece` again and again, often enough to defeat any timeout per read."""
    pause = threading.Event()
    while not pause.wait(0.02):
        connection.sendall(piece)


class TestDeadline:
    @pytest.mark.parametrize(
        ("start", "piece"),
        [
            (b"", b"H"),
            (b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b"x"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", b"e"),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ],
        ids=["status", "headers", "body", "chunks", "chunk extension", "informational"],
    )
    def test_ends_an_answer_that_dribbles(self, start: bytes, piece: bytes) -> None:
        def behave(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(start)
            drip(connection, piece)

        started = time.monotonic()
        with raw_peer(behave) as port, pytest.raises(EgressTimedOut) as failure:
            call(port, seconds=DEADLINE_SECONDS)

        assert time.monotonic() - started < LATEST_SECONDS
        assert failure.value.error_class == "timeout"

    def test_ends_a_request_that_nobody_reads(self) -> None:
        held = threading.Event()
        started = time.monotonic()

        def behave(_: socket.socket) -> None:
            held.wait(60)

        with raw_peer(behave) as port:
            with pytest.raises(EgressTimedOut):
                call(port, body=b"x" * 20_000_000, seconds=DEADLINE_SECONDS)
            held.set()

        assert time.monotonic() - started < LATEST_SECONDS

    def test_ends_a_tls_handshake_that_never_comes(self) -> None:
        def behave(connection: socket.socket) -> None:
            connection.recv(65536)
            drip(connection, b"\x16")

        with raw_peer(behave) as port, pytest.raises((EgressTimedOut, EgressFailed)):
            client.send(
                Call(
                    method="GET",
                    url=f"https://127.0.0.1:{port}/",
                    deadline_seconds=DEADLINE_SECONDS,
                )
            )

    def test_ends_a_name_that_never_resolves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        held = threading.Event()
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: held.wait(60))

        with pytest.raises(EgressTimedOut, match="resolved in time"):
            client.send(
                Call(method="GET", url="https://slow.example/", deadline_seconds=DEADLINE_SECONDS)
            )
        held.set()


class TestStatuses:
    @pytest.mark.parametrize(
        "head", [b"204 No Content\r\ncontent-length: 4", b"304 Not Modified\r\ncontent-length: 4"]
    )
    def test_without_a_body_leave_none_to_the_next_call(self, head: bytes) -> None:
        answers = [
            b"HTTP/1.1 " + head + b"\r\n\r\njunk",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        ]

        def behave(connection: socket.socket) -> None:
            while connection.recv(65536):
                connection.sendall(answers.pop(0))

        with raw_peer(behave) as port:
            first, second = call(port), call(port)
            client.forget_connections()

        assert (first.status, first.body) == (int(head[:3]), b"")
        assert (second.status, second.body) == (200, b"{}")

    @pytest.mark.parametrize("pieces", [1, 2], ids=["at once", "head first"])
    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            b"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        ],
        ids=["length", "interim", "chunked"],
    )
    @pytest.mark.parametrize("extra", [b"", b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"])
    def test_with_more_than_their_body_leave_none_of_it_to_the_next_call(
        self, answer: bytes, extra: bytes, pieces: int
    ) -> None:
        connections = []

        def behave(connection: socket.socket) -> None:
            connections.append(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while connection.recv(65536):
                # The end of the head may be cut in two.
                cut = answer.rindex(b"\r\n\r\n", 0, answer.index(b"{}")) + 3 if pieces > 1 else 0
                connection.sendall(answer[:cut])
                connection.sendall(answer[cut:] + extra)

        with raw_peer(behave) as port:
            answers = [call(port) for _ in range(2)]
            client.forget_connections()

        assert [(one.status, one.body) for one in answers] == [(200, b"{}")] * 2
        assert len(connections) == (2 if extra else 1)

    def test_that_are_interim_are_not_the_answer(self) -> None:
        def behave(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
            connection.sendall(b"HTTP/1.1 205 Reset\r\ncontent-length: 2\r\n\r\n{}")

        with raw_peer(behave) as port:
            answer = call(port)

        assert (answer.status, answer.body) == (205, b"{}")

    @pytest.mark.parametrize("status", [b"101 Switching Protocols", b"099 What"])
    def test_that_nobody_asked_for_are_broken_http(self, status: bytes) -> None:
        def behave(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")

        with raw_peer(behave) as port, pytest.raises(EgressFailed, match="HTTP is broken"):
            call(port)

    def test_that_are_interim_and_nothing_else_end_by_the_deadline(self) -> None:
        def behave(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
            connection.recv(65536)

        with raw_peer(behave) as port, pytest.raises(EgressTimedOut):
            call(port, seconds=DEADLINE_SECONDS)


class TestCaps:
    def test_refuse_a_body_beyond_the_limit(self) -> None:
        with (
            receiver((200, {}, b"x" * 10_001)) as peer,
            pytest.raises(AnswerTooLarge) as refusal,
        ):
            call(peer.port)

        assert str(refusal.value) == "The body exceeds 10000 bytes."

    def test_accept_a_body_of_exactly_the_limit(self) -> None:
        with receiver((200, {}, b"x" * 10_000)) as peer:
            answer = call(peer.port, truncate=True)

        assert (len(answer.body), answer.is_truncated) == (10_000, False)

    def test_cut_an_endless_body_where_the_caller_only_wants_a_look(self) -> None:
        def behave(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")

        with raw_peer(behave) as port:
            answer = call(port, truncate=True)

        assert (answer.status, len(answer.body), answer.is_truncated) == (200, 10_000, True)

    def test_stop_a_bomb_before_it_has_gone_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bomb = gzip.compress(bytes(100_000_000))
        inflated = watch_inflation(monkeypatch)
        with receiver((200, {"content-encoding": "gzip"}, bomb)) as peer:
            assert call(peer.port, truncate=True).is_truncated
            with pytest.raises(AnswerTooLarge, match="The body exceeds"):
                call(peer.port)

        assert 0 < sum(inflated) < 200_000

    def test_bound_what_comes_over_the_wire(self) -> None:
        def behave(connection: socket.socket) -> None:
            connection.recv(65536)
            while True:
                connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)

        with raw_peer(behave) as port, pytest.raises(AnswerTooLarge, match="The answer exceeds"):
            call(port)

    @pytest.mark.parametrize(
        "headers",
        [
            b"".join(b"x-%d: a\r\n" % n for n in range(101)),
            b"x-big: " + b"a" * 33_000 + b"\r\n",
        ],
        ids=["many", "long"],
    )
    def test_refuse_too_many_or_too_long_headers(self, headers: bytes) -> None:
        def behave(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + headers + b"content-length: 0\r\n\r\n")

        with raw_peer(behave) as port, pytest.raises(AnswerTooLarge, match="The header exceeds"):
            call(port)


class TestBrokenAnswers:
    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"nonsense\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
            b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 1\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip, gzip\r\ncontent-length: 1\r\n\r\nx",
        ],
    )
    def test_are_failures_of_the_network(self, answer: bytes) -> None:
        def behave(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(answer)

        with raw_peer(behave) as port, pytest.raises(EgressFailed) as failure:
            call(port)

        assert failure.value.error_class == "network"

    @pytest.mark.parametrize(
        ("encoding", "body"),
        [("gzip", gzip.compress(b"plain", mtime=0)), ("deflate", zlib.compress(b"plain"))],
    )
    def test_are_not_those_that_are_merely_compressed(self, encoding: str, body: bytes) -> None:
        with receiver((200, {"content-encoding": encoding}, body)) as peer:
            assert call(peer.port).body == b"plain"

    def test_do_not_include_an_early_refusal_of_a_large_request(self) -> None:
        def behave(connection: socket.socket) -> None:
            connection.recv(1024)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 20):
                continue

        with raw_peer(behave) as port:
            assert call(port, body=b"x" * 1_000_000).status == 413


def watch_inflation(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that receives the size of every piece that zlib makes."""
    sizes: list[int] = []
    make = zlib.decompressobj

    class Watched:
        def __init__(self, window: int) -> None:
            self._inner = make(window)

        def decompress(self, data: bytes, limit: int) -> bytes:
            piece = self._inner.decompress(data, limit)
            sizes.append(len(piece))
            return piece

        @property
        def unconsumed_tail(self) -> bytes:
            return self._inner.unconsumed_tail

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    return sizes
