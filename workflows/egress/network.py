"""The guard against SSRF: resolves a name once, checks every address, connects to one.

The name is never looked at again after the check, so a second answer of the DNS cannot
redirect the connection. One budget of time and bytes bounds the whole exchange: a peer
that sends a byte a second is cut off like one that sends none.
"""

import os
import re
import select
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import httpcore2
from django.conf import settings

from workflows.egress import addresses
from workflows.egress.refusals import AnswerTooLarge, EgressFailed, EgressRefused, EgressTimedOut
from workflows.egress.urls import PORTS_PUBLIC

CONNECT_SECONDS = 5.0
_RESOLVERS = 8
_BLANK_LINE = re.compile(rb"\n\r?\n")
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class TimeBudget:
    """What is left of an exchange: seconds until the deadline, bytes until the cap."""

    def __init__(self, *, host: str, seconds: float, wire_bytes: int) -> None:
        self._host = host
        self._deadline = time.monotonic() + seconds
        self._wire_bytes_max = self._bytes_left = wire_bytes

    def seconds(self) -> float:
        """Return the time left.

        :raises EgressTimedOut: if there is none.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise EgressTimedOut("the deadline passed", host=self._host)
        return left

    def hurry(self, seconds: float) -> None:
        """Leave at most `seconds` from now on."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def take(self, count: int) -> None:
        """Account for bytes that were received.

        :raises AnswerTooLarge: if they are more than are left.
        """
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise AnswerTooLarge(host=self._host, what="answer", limit=self._wire_bytes_max)


_budget: ContextVar[TimeBudget] = ContextVar("daybook_egress_budget")


@contextmanager
def within(budget: TimeBudget) -> Iterator[None]:
    """Bound every socket operation of the block by `budget`."""
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)


def hurry(seconds: float) -> None:
    """Let the current exchange end within `seconds`, if it would not sooner."""
    _budget.get().hurry(seconds)


class GuardedBackend(httpcore2.NetworkBackend):
    """Connects httpcore2 to checked addresses, and to nothing else."""

    def __init__(self, *, public: bool) -> None:
        """`public=False`: only networks that the operator allowed will do."""
        self._public = public

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        found = checked_addresses(host, port, public=self._public)
        return GuardedStream(_connect(host, port, found), host=host)

    def connect_unix_socket(self, *args: object, **options: object) -> httpcore2.NetworkStream:
        raise EgressRefused("sockets of this machine are out of reach")


class GuardedStream(httpcore2.NetworkStream):
    """A socket whose every operation ends with the budget of the current exchange.

    Heads are handed on apart from what follows them: so it is known how many bytes came
    after one, for httpcore2 does not tell what it has kept of them.
    """

    def __init__(self, sock: socket.socket, *, host: str) -> None:
        self._sock = sock
        self._host = host
        self._kept = b""
        self._is_in_head = True
        self._seen_of_head = b""
        self._body_bytes = 0
        self._last = b""

    def begin_body(self) -> None:
        """Count from here: the head of the answer has been read."""
        self._is_in_head = False
        self._body_bytes = len(self._kept)

    def has_ended(self, *, body_bytes: int | None) -> bool:
        """Return whether nothing came after a body that has been read; None if it was chunked."""
        if body_bytes is None:
            return self._last == _LAST_CHUNK
        return self._body_bytes == body_bytes

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        received, self._kept = self._kept or self._received(max_bytes), b""
        if not self._is_in_head:
            return received
        seen = self._seen_of_head
        if blank := _BLANK_LINE.search(seen + received):
            end = blank.end() - len(seen)
            self._seen_of_head = b""
            received, self._kept = received[:end], received[end:]
        else:
            self._seen_of_head = (seen + received)[-2:]
        return received

    def _received(self, max_bytes: int) -> bytes:
        with _as_egress(self._host):
            self._sock.settimeout(_budget.get().seconds())
            received = self._sock.recv(max_bytes)
        _budget.get().take(len(received))
        self._body_bytes += len(received)
        self._last = (self._last + received)[-len(_LAST_CHUNK) :]
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._is_in_head, self._seen_of_head = True, b""
        rest = memoryview(buffer)
        while rest:
            try:
                self._sock.settimeout(_budget.get().seconds())
                rest = rest[self._sock.send(rest) :]
            except TimeoutError as error:
                raise EgressTimedOut("the deadline passed", host=self._host) from error
            except OSError as error:
                # httpcore2 then still reads the answer: a peer may refuse before we finish.
                raise httpcore2.WriteError(str(error)) from error

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            with _as_egress(self._host):
                self._sock.settimeout(_budget.get().seconds())
                secured = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        return GuardedStream(secured, host=self._host)

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        if info == "is_readable":
            return _is_readable(self._sock)
        return None


def checked_addresses(host: str, port: int, *, public: bool) -> list[str]:
    """Return the addresses of `host`, every one of which may be reached on `port`.

    :raises EgressRefused: if a single one may not.
    :raises EgressFailed: if the name does not resolve.
    """
    found = _resolve(host, port)
    allowed = _allowed(tuple(settings.HTTP_ALLOW))
    for address in map(addresses.read, found):
        if addresses.is_allowed(address, allowed):
            continue
        if not addresses.is_public(address):
            # Which address stays unsaid: a refusal must not map our network for a stranger.
            raise EgressRefused("it leads to an address that is not public", host=host)
        if not public:
            raise EgressRefused("public hosts are called by https only", host=host)
        if port not in PORTS_PUBLIC:
            raise EgressRefused("public hosts are called on ports 80 and 443 only", host=host)
    return found


def _resolve(host: str, port: int) -> list[str]:
    try:
        addresses.read(host)
    except ValueError:
        return _look_up(host, port)
    return [host]


def _look_up(host: str, port: int) -> list[str]:
    # getaddrinfo knows no timeout. A thread does: it may hang on, we do not wait for it.
    pending = _resolvers().submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        answers = pending.result(timeout=min(CONNECT_SECONDS, _budget.get().seconds()))
    except TimeoutError as error:
        pending.cancel()
        raise EgressTimedOut("its name could not be resolved in time", host=host) from error
    except (OSError, UnicodeError) as error:
        raise EgressFailed("its name cannot be resolved", host=host) from error
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _connect(host: str, port: int, found: list[str]) -> socket.socket:
    failure: OSError | None = None
    for address in found:
        try:
            patience = min(CONNECT_SECONDS, _budget.get().seconds())
            sock = socket.create_connection((address, port), patience)
        except OSError as error:
            failure = error
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    if isinstance(failure, TimeoutError):
        raise EgressTimedOut("it does not accept connections", host=host) from failure
    raise EgressFailed("it does not accept connections", host=host) from failure


@contextmanager
def _as_egress(host: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise EgressTimedOut("the deadline passed", host=host) from error
    except ssl.SSLCertVerificationError as error:
        # Its owner has to know what to renew: the reason is the same for all of them.
        why = error.verify_message.rstrip(".")
        raise EgressFailed(f"TLS: {error.reason} ({why})", host=host) from error
    except ssl.SSLError as error:
        raise EgressFailed(f"TLS: {error.reason or error}", host=host) from error
    except OSError as error:
        raise EgressFailed("the connection broke", host=host) from error


def _is_readable(sock: socket.socket) -> bool:
    # An idle connection that can be read was closed by the peer, or worse.
    if sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


@cache
def _allowed(blocks: tuple[str, ...]) -> tuple[addresses.Network, ...]:
    return addresses.networks(blocks)


@cache
def _resolvers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="egress-dns")


# The threads of the parent do not live in a forked worker.
os.register_at_fork(after_in_child=_resolvers.cache_clear)
