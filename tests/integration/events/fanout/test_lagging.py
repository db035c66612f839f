"""Who does not read is let go with a place to resume, and nobody else notices."""

import socket
from typing import Any

import pytest

from events.domain.envelope import Stream
from tests import trips
from tests.integration.events.fanout.conftest import make_key, make_user
from tests.live import Client, Server, eventually, is_event, visiting, written

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = "x" * 60_000
BATCH = 10


# Who does not read does not hear the answers to its own pings either.
LAZY: dict[str, Any] = {"max_queue": 1, "compression": None, "ping_interval": None}


def socket_that_takes_little(server: Server) -> socket.socket:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    taken.connect(("127.0.0.1", server.port))
    return taken


class TestLagging:
    def test_closes_the_one_who_dawdles_and_tells_where_to_resume(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        lazy_socket = socket_that_takes_little(server)
        mine = [list(stream)]
        with (
            visiting(server, secret) as diligent,
            visiting(server, secret, sock=lazy_socket, **LAZY) as lazy,
        ):
            diligent.subscribe("d", aggregate_ids=mine)
            lazy.subscribe("z", aggregate_ids=mine)
            batches = 20
            for _ in range(batches):
                written(BATCH, stream, text=LARGE)
                diligent.hear_events(BATCH)
            code, reason = lazy.hear_the_end()

        *before, last = [frame for frame in lazy.heard if frame["type"] != "heartbeat"]
        events = [frame for frame in before if is_event(frame)]
        assert (code, reason) == (4408, f"lagging, resume after {last['after']}")
        assert last == {"type": "lagging", "after": last["after"]}
        assert last["after"] <= events[-1]["position"] <= last["after"] + 1
        assert self._rest_of(server, secret, stream, after=events[-1]["position"]) == [
            *range(len(events) + 1, batches * BATCH + 1)
        ]

    def _rest_of(self, server: Server, secret: str, stream: Stream, *, after: int) -> list[int]:
        with visiting(server, secret) as client:
            end = client.subscribe("z", aggregate_ids=[list(stream)], after=after)["position"]
            client.hear(lambda frame: frame["type"] == "heartbeat" and frame["after"] >= end)
        return [frame["sequence"] for frame in client.heard if is_event(frame)]

    def test_a_client_that_resumes_takes_its_time(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        written(200, stream, text=LARGE)
        lazy_socket = socket_that_takes_little(server)
        another, _ = make_key(make_user(trips.READ))
        with (
            visiting(server, another) as other,
            visiting(server, secret, sock=lazy_socket, **LAZY) as lazy,
        ):
            lazy.subscribe("z", aggregate_ids=[list(stream)], after=0)
            _beats(other, 3)

            frames = lazy.hear_events(200)

        assert [frame["sequence"] for frame in frames] == list(range(1, 201))

    def test_a_client_that_takes_nothing_at_all_is_dropped(
        self, committed: None, secret: str, stream: Stream
    ) -> None:
        server = Server(limits={"heartbeat_s": 0.1, "send_timeout_s": 0.3}, write_seconds_max=1.0)
        lazy_socket = socket_that_takes_little(server)
        try:
            with (
                visiting(server, secret) as other,
                visiting(server, secret, sock=lazy_socket, **LAZY) as lazy,
            ):
                _beats(other, 2)
                before = server.open_files()
                lazy.subscribe("z", aggregate_ids=[list(stream)])
                written(200, stream, text=LARGE)

                eventually(lambda: server.open_files() < before)
                _beats(other, 2)
                code, _ = lazy.hear_the_end()
        finally:
            server.stop()

        events = [frame["sequence"] for frame in lazy.heard if is_event(frame)]
        assert code == 1006
        assert events == list(range(1, len(events) + 1))
        assert len(events) < 200


def _beats(client: Client, count: int) -> None:
    for _ in range(count):
        client.hear_type("heartbeat")
