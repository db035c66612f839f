"""Makes one HTTP call to a URL that somebody else chose.

No proxies from the environment, no cookies, no credentials but those the caller passes,
redirects only where the caller wants them and each checked like the first address.
"""

import os
import re
import ssl
import time
import zlib
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from math import inf
from urllib.parse import urljoin

import httpcore2

from workflows.egress import network, urls
from workflows.egress.refusals import AnswerTooLarge, EgressFailed, EgressRefused
from workflows.egress.urls import Target

BODY_BYTES_MAX = 1 << 20
DEADLINE_SECONDS = 15.0
HEADERS_MAX = 100
HEADER_BYTES_MAX = 32 << 10
REDIRECTS_MAX = 3
# Headers, chunk sizes and a badly compressed body need room beside the body itself.
_WIRE_BYTES_OVERHEAD = 256 << 10
_PIECE_BYTES = 64 << 10
_CONNECTIONS_MAX = 100
_KEEP_ALIVE_SECONDS = 5.0

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te"})
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "idempotency-key"})
# Where the environment may say that the trusted certificates are.
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_WITHOUT_BODY = frozenset({204, 304})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_THAT_KEEP_THE_BODY = frozenset({307, 308})

_BROKEN = (httpcore2.ProtocolError, httpcore2.NetworkError, zlib.error)
_BODY_BROKE = (EgressFailed, AnswerTooLarge, *_BROKEN)

_pools: dict[bool, httpcore2.ConnectionPool] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What to send, and how much patience to have.

    `https_only` bars plain http to public hosts; networks that the operator allowed may
    do without TLS. `truncate` is for who only wants to look at the answer: a body is kept as
    far as it came, at most `body_bytes_max` bytes of it, whatever becomes of the rest. The body
    may take `body_seconds` of the patience, and no more than is left of it.
    Headers in `confidential` are for the origin that is called and no other, whatever it
    redirects to; so are credentials.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    deadline_seconds: float = DEADLINE_SECONDS
    body_seconds: float = inf
    body_bytes_max: int = BODY_BYTES_MAX
    truncate: bool = False
    redirects_max: int = 0
    confidential: frozenset[str] = frozenset()
    https_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. Header names are lower case; a repeated one is joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_truncated: bool
    url: str
    duration_ms: int


def send(call: Call) -> Answer:
    """Make `call` and return the answer, whatever its status.

    :raises EgressRefused: if the address, a redirect or a header is not acceptable.
    :raises EgressTimedOut: if the exchange does not end within its deadline.
    :raises EgressFailed: if the network, TLS or the peer's HTTP is broken.
    :raises AnswerTooLarge: if the answer exceeds its limits.
    """
    started = time.monotonic()
    target = urls.parse(call.url)
    _check_headers(call)
    budget = network.TimeBudget(
        host=target.host,
        seconds=call.deadline_seconds,
        wire_bytes=2 * call.body_bytes_max + _WIRE_BYTES_OVERHEAD,
    )
    with network.within(budget):
        answer = _follow(call, target)
    return replace(answer, duration_ms=round((time.monotonic() - started) * 1000))


def vet(url: str, *, https_only: bool) -> None:
    """Say now whether `url` would be refused when it is called.

    A later call checks again: names may change their addresses.

    :raises EgressRefused: if it would.
    :raises EgressFailed: if its name does not resolve.
    """
    target = urls.parse(url)
    budget = network.TimeBudget(host=target.host, seconds=network.CONNECT_SECONDS, wire_bytes=0)
    with network.within(budget):
        network.checked_addresses(
            target.host, target.port, public=_may_be_public(target, https_only=https_only)
        )


def forget_connections() -> None:
    """Start afresh, as after a change of the files that name the trusted certificates."""
    while _pools:
        _pools.popitem()[1].close()


def _follow(call: Call, target: Target) -> Answer:
    redirects_max = min(call.redirects_max, REDIRECTS_MAX)
    for _ in range(redirects_max + 1):
        answer = _exchange(call, target)
        location = answer.headers.get("location")
        if not (redirects_max and location and answer.status in REDIRECTS):
            return answer
        if not _is_safe(call) and answer.status not in _REDIRECTS_THAT_KEEP_THE_BODY:
            return answer
        next_target = urls.parse(urljoin(str(target), location))
        if not _is_safe(call) and next_target.origin != target.origin:
            return answer
        if target.scheme == "https" and next_target.scheme == "http":
            raise EgressRefused("it redirects from https to http", host=target.host)
        if next_target.origin != target.origin:
            call = _without_secrets(call)
        target = next_target
    raise EgressRefused(f"it redirects more than {redirects_max} times", host=target.host)


def _is_safe(call: Call) -> bool:
    """Return whether a call only asks. Others must not turn into a GET, nor reach somebody else:
    whoever was to have the effect has not, and the caller sees the redirect as the answer."""
    return call.method in {"GET", "HEAD"}


def _without_secrets(call: Call) -> Call:
    left = _SECRET | {name.lower() for name in call.confidential}
    kept = {name: value for name, value in call.headers.items() if name.lower() not in left}
    return replace(call, headers=kept)


def _exchange(call: Call, target: Target) -> Answer:
    pool = _pool(public=_may_be_public(target, https_only=call.https_only))
    try:
        with pool.stream(
            call.method,
            httpcore2.URL(
                scheme=target.scheme.encode(),
                host=target.host.encode(),
                port=target.port,
                target=target.path.encode(),
            ),
            headers={"accept-encoding": "gzip", **_on_the_wire(call.headers)},
            content=call.body or None,
            extensions={"timeout": {"pool": call.deadline_seconds}},
        ) as response:
            stream = response.extensions["network_stream"]
            stream.begin_body()
            headers = _headers_of(response, target)
            body, is_truncated = _body_of(response, headers, call, target)
            if not _leaves_nothing(stream, call.method, response.status, headers):
                # What it sent all the same would be read as the answer to the next call.
                stream.close()
    except httpcore2.TimeoutException as error:
        raise EgressFailed("all connections are in use", host=target.host) from error
    except _BROKEN as error:
        raise EgressFailed("its HTTP is broken", host=target.host) from error
    return Answer(
        status=response.status,
        headers=headers,
        body=body,
        is_truncated=is_truncated,
        url=str(target),
        duration_ms=0,
    )


def _leaves_nothing(
    stream: network.GuardedStream, method: str, status: int, headers: Mapping[str, str]
) -> bool:
    """Return whether the peer has sent no more than its answer, and will not."""
    if status in _WITHOUT_BODY:
        return not _announces_body(headers) and stream.has_ended(body_bytes=0)
    if method == "HEAD":
        return stream.has_ended(body_bytes=0)
    if "transfer-encoding" in headers:
        return stream.has_ended(body_bytes=None)
    length = headers.get("content-length", "")
    return length.isdecimal() and stream.has_ended(body_bytes=int(length))


def _announces_body(headers: Mapping[str, str]) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _headers_of(response: httpcore2.Response, target: Target) -> dict[str, str]:
    size = sum(len(name) + len(value) for name, value in response.headers)
    if size > HEADER_BYTES_MAX or len(response.headers) > HEADERS_MAX:
        raise AnswerTooLarge(host=target.host, what="header", limit=HEADER_BYTES_MAX)
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _body_of(
    response: httpcore2.Response, headers: Mapping[str, str], call: Call, target: Target
) -> tuple[bytes, bool]:
    body = bytearray()
    network.hurry(call.body_seconds)
    # Closing before the end drops the connection instead of reading on.
    with closing(_decoded(response, headers.get("content-encoding", ""), target)) as pieces:
        try:
            for piece in pieces:
                body += piece
                if len(body) > call.body_bytes_max:
                    raise AnswerTooLarge(host=target.host, what="body", limit=call.body_bytes_max)
        except _BODY_BROKE:
            if not call.truncate:
                raise
            return bytes(body[: call.body_bytes_max]), True
    return bytes(body), False


def _decoded(
    response: httpcore2.Response, encoding: str, target: Target
) -> Generator[bytes, None, None]:
    match encoding.strip().lower():
        case "" | "identity":
            return _raw(response)
        case "gzip" | "x-gzip":
            return _inflated(response, zlib.decompressobj(zlib.MAX_WBITS | 16))
        case "deflate":
            return _inflated(response, zlib.decompressobj())
    return _unreadable(target)


def _unreadable(target: Target) -> Generator[bytes, None, None]:
    yield from ()
    raise EgressFailed("it answers in an encoding that was not requested", host=target.host)


def _raw(response: httpcore2.Response) -> Generator[bytes, None, None]:
    yield from response.iter_stream()


def _inflated(
    response: httpcore2.Response, inflater: "zlib._Decompress"
) -> Generator[bytes, None, None]:
    # In bounded pieces, so that a bomb is noticed before it has gone off.
    for chunk in response.iter_stream():
        piece = inflater.decompress(chunk, _PIECE_BYTES)
        while piece:
            yield piece
            piece = inflater.decompress(inflater.unconsumed_tail, _PIECE_BYTES)


def _may_be_public(target: Target, *, https_only: bool) -> bool:
    return target.scheme == "https" or not https_only


def _check_headers(call: Call) -> None:
    if not _TOKEN.fullmatch(call.method):
        raise EgressRefused("the method is not one of HTTP")
    for name, value in call.headers.items():
        if not _TOKEN.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise EgressRefused("a header has characters that HTTP does not carry")
        if name.lower() in _OURS:
            raise EgressRefused(f"the header {name.lower()} is not the caller's to set")


def _on_the_wire(headers: Mapping[str, str]) -> dict[str | bytes, str | bytes]:
    # httpcore2 takes text for ASCII; a header may have more (RFC 9110 §5.5: obs-text).
    return {name.lower(): value.encode("latin-1") for name, value in headers.items()}


def _pool(*, public: bool) -> httpcore2.ConnectionPool:
    # One pool per rule: a connection that one rule opened must not serve the other.
    if public not in _pools:
        made = httpcore2.ConnectionPool(
            ssl_context=_trusting(*map(os.environ.get, _CERTIFICATES)),
            max_connections=_CONNECTIONS_MAX,
            keepalive_expiry=_KEEP_ALIVE_SECONDS,
            network_backend=network.GuardedBackend(public=public),
        )
        return _pools.setdefault(public, made)
    return _pools[public]


@cache
def _trusting(*_certificates: str | None) -> ssl.SSLContext:
    # To read the certificates takes longer than most calls: once for each place to find them.
    return httpcore2.default_ssl_context()


# A forked worker must not talk on the sockets of its parent.
os.register_at_fork(after_in_child=_pools.clear)
