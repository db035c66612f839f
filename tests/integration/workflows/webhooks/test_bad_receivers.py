"""Receivers that misbehave, driven through a whole delivery: what is written, what follows.

Any 2xx is an acknowledgement, whatever comes behind it: to send the message again would be
to do twice what was done.
"""

import gzip
import socket
import threading
from contextlib import AbstractContextManager

import pytest

from tests.integration.workflows.webhooks.conftest import (
    happens,
    subscribed,
    the_delivery,
    work_off,
)
from tests.peers import Receiver, raw_peer
from workflows.webhooks import delivery
from workflows.webhooks.models import Attempt, DeliveryStatus, SubscriptionStatus
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

ACCEPTED = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(bytes(10 << 20))


def sent_to(port: int) -> Attempt:
    """Have one event happen, and return the one attempt to deliver it."""
    subscribed(f"http://127.0.0.1:{port}/hook")
    happens()
    work_off()
    return Attempt.objects.get()


def hear(connection: socket.socket) -> None:
    heard = b""
    while b'"fragile"' not in heard and b"parcelId" not in heard:
        heard += connection.recv(65_536)


def sends(*pieces: bytes, drips: bytes = b"") -> AbstractContextManager[int]:
    """Return a peer that says `pieces`, and then `drips` for as long as anybody listens."""

    def behave(connection: socket.socket) -> None:
        hear(connection)
        for piece in pieces:
            connection.sendall(piece)
        pause = threading.Event()
        while drips and not pause.wait(0.02):
            connection.sendall(drips)

    return raw_peer(behave)


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DEADLINE_SECONDS", 0.5)


class TestAnAcceptance:
    @pytest.mark.parametrize(
        ("header", "body", "drips"),
        [
            (b"content-length: 10485760\r\n\r\n", bytes(10 << 20), b""),
            (b"content-length: 100\r\n\r\n", b"half of it", b""),
            (b"content-length: 1000000\r\n\r\n", b"", b"x"),
            (b"transfer-encoding: chunked\r\n\r\n", b"no chunk", b""),
            (b"content-encoding: br\r\ncontent-length: 2\r\n\r\n", b"\x0b\x02", b""),
            (b"content-encoding: gzip\r\ncontent-length: 8\r\n\r\n", b"not gzip", b""),
            (
                b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB),
                BOMB,
                b"",
            ),
        ],
        ids=["10 MB", "cut off", "a byte at a time", "bad chunks", "brotli", "no gzip", "a bomb"],
    )
    def test_counts_whatever_comes_behind_it(
        self, header: bytes, body: bytes, drips: bytes
    ) -> None:
        with sends(ACCEPTED + header, body, drips=drips) as port:
            attempt = sent_to(port)

        assert (attempt.response_status, attempt.error) == (200, "")
        assert len(attempt.response_excerpt) <= 4096
        assert the_delivery().status == DeliveryStatus.DELIVERED

    def test_keeps_no_worker_waiting_for_the_rest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(delivery, "DEADLINE_SECONDS", 30.0)
        monkeypatch.setattr(delivery, "GLANCE_SECONDS", 0.2)

        with sends(ACCEPTED + b"content-length: 1000000\r\n\r\n", drips=b"x") as port:
            attempt = sent_to(port)

        assert (attempt.response_status, attempt.error) == (200, "")
        assert attempt.duration_ms < 10_000


class TestAFailure:
    @pytest.mark.parametrize(
        ("pieces", "drips", "error_class", "error"),
        [
            ([ACCEPTED], b"a", "timeout", "The call failed: the deadline passed."),
            ([], b"", "network", "The call failed: its HTTP is broken."),
            (
                [b"SSH-2.0-OpenSSH_9\r\n\r\n"],
                b"",
                "network",
                "The call failed: its HTTP is broken.",
            ),
            (
                [ACCEPTED, *[b"x-%d: y\r\n" % number for number in range(101)], b"\r\n"],
                b"",
                "network",
                "The header exceeds 32768 bytes.",
            ),
        ],
        ids=["a header by the byte", "nothing", "another protocol", "too many headers"],
    )
    def test_is_logged_and_tried_again(
        self, pieces: list[bytes], drips: bytes, error_class: str, error: str
    ) -> None:
        with sends(*pieces, drips=drips) as port:
            attempt = sent_to(port)

        assert (attempt.error_class, attempt.error) == (error_class, error)
        waiting = the_delivery()
        assert (waiting.status, waiting.attempts_made) == (DeliveryStatus.PENDING, 1)
        assert waiting.next_attempt_at is not None
        assert Work.objects.get(pk=waiting.pk).status == "scheduled"

    @pytest.mark.parametrize(
        "location",
        ["http://169.254.169.254/latest/", "https://example.org/", "/hook", "http://[", "//"],
    )
    def test_is_a_redirect_which_nobody_follows(self, peer: Receiver, location: str) -> None:
        peer.replies = [(307, {"location": location}, b"")]

        attempt = sent_to(peer.port)

        assert (attempt.error_class, attempt.error) == ("4xx", "The receiver answered 307.")
        assert len(peer.received) == 1
        assert the_delivery().subscription.standing == SubscriptionStatus.ACTIVE

    @pytest.mark.parametrize(
        "wait",
        ["Sun, 01 Mar 2026 99999999999999999999:01:00 GMT", "soon", "-1", "9" * 300],
    )
    def test_with_an_odd_retry_after_is_logged_and_tried_within_days(
        self, peer: Receiver, wait: str
    ) -> None:
        peer.replies = [(503, {"retry-after": wait}, b"")]

        attempt = sent_to(peer.port)

        assert (attempt.response_status, attempt.error_class) == (503, "5xx")
        again = the_delivery().next_attempt_at
        assert again is not None
        assert (again - attempt.started_at).total_seconds() < 24 * 3600 + 60
