"""The tools of a story: the API, the live feed, the peers, and a way to kill processes."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from config.processes.stack import TRUSTING_NOBODY
from examples.demo_peers.server import STEPS_URL

PATIENCE_S = 60.0
_PAUSE_S = 0.1

JSON = Any


class NotAsExpected(Exception):
    """The story cannot go on: something differs from what it says."""


@dataclass(frozen=True, slots=True)
class Api:
    """The HTTP API under one key. Every answer is checked."""

    client: httpx2.Client

    def get(self, path: str, *, wanted: int = 200, **query: Any) -> JSON:
        return self._call("GET", path, wanted, params=query)

    def download(self, path: str, *, why: str, **query: Any) -> bytes:
        headers = {"Access-Reason": why}
        answer = self.client.get(f"/api/v1/{path}", params=query, headers=headers)
        if answer.status_code != httpx2.codes.OK:
            raise NotAsExpected(f"GET /api/v1/{path}: {answer.status_code}.\n{answer.text}")
        return answer.content

    def post(
        self, path: str, body: JSON = None, *, status: int = 200, key: str = "", under: str = ""
    ) -> JSON:
        given = {"Idempotency-Key": key, "Action-Approval-Id": under}
        headers = {name: value for name, value in given.items() if value}
        return self._call("POST", path, status, json=body, headers=headers)

    def delete(self, path: str) -> None:
        self._call("DELETE", path, 204)

    def patch(self, path: str, body: JSON, *, version: int) -> JSON:
        return self._call("PATCH", path, 200, json=body, headers={"If-Match": f'"{version}"'})

    def _call(self, method: str, path: str, status: int, **options: Any) -> JSON:
        answer = self.client.request(method, f"/api/v1/{path}", **options)
        if answer.status_code != status:
            asked = f"{method} /api/v1/{path}"
            raise NotAsExpected(f"{asked}: {answer.status_code}, not {status}.\n{answer.text}")
        return answer.json() if answer.content else None


@dataclass(frozen=True, slots=True)
class Peer:
    """One of other people's systems, by its address."""

    url: str

    def get(self, path: str) -> JSON:
        return self._ask("GET", path)

    def order(self, **orders: Any) -> JSON:
        """Tell it how to behave."""
        return self._ask("POST", "control", json=orders)

    def _ask(self, method: str, path: str, **options: Any) -> JSON:
        options |= {"timeout": 30, "trust_env": False, "verify": TRUSTING_NOBODY}
        return httpx2.request(method, f"{self.url}/{path}", **options).json()


@dataclass(frozen=True, slots=True)
class StepPeers:
    """The services that are steps of flows, all under `url`."""

    url: str
    seats: Peer
    cards: Peer
    tickets: Peer
    notices: Peer

    def __iter__(self) -> Iterator[Peer]:
        return iter((self.seats, self.cards, self.tickets, self.notices))


class Feed:
    """The live feed: everything that came over one WebSocket, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._arrived = threading.Condition()
        self.frames: list[dict[str, Any]] = []

    def listen(self) -> None:
        """Take in frames until the socket closes. Runs in a thread of its own."""
        try:
            for raw in self._socket:
                frame = json.loads(raw)
                with self._arrived:
                    self.frames.append(frame)
                    self._arrived.notify_all()
        except ConnectionClosed:
            return

    def wait_for(self, name: str, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first frame of that name that matches; wait for it if need be."""

        def found() -> dict[str, Any] | None:
            return next((f for f in self.frames if f["type"] == name and matches(f)), None)

        with self._arrived:
            if not self._arrived.wait_for(lambda: found() is not None, timeout=PATIENCE_S):
                raise NotAsExpected(f"No {name} came over the WebSocket in {PATIENCE_S:.0f} s.")
            frame = found()
        assert frame is not None
        return frame

    def about(self, *ids: str) -> list[dict[str, Any]]:
        """Return the events of the streams of these things, as they came."""
        with self._arrived:
            return [frame for frame in self.frames if frame.get("id") and frame["id"][-1] in ids]


@dataclass(slots=True)
class World:
    """Everything a story needs. `kill` ends a part of it with SIGKILL, `second` opens
    the API as another person, `using` as whoever holds a key."""

    api: Api
    feed: Feed
    payment: Peer
    mail: Peer
    cms: Peer
    steps: StepPeers
    kill: Callable[[str], None]
    second: Callable[[], AbstractContextManager[Api]]
    using: Callable[[str], AbstractContextManager[Api]]
    say: Callable[[str], object]
    chapters: int = field(default=0)

    def step(self, title: str) -> None:
        """Begin the next step of the story."""
        self.chapters += 1
        self.say(f"\n{self.chapters}. {title}")

    def note(self, text: str) -> None:
        """Tell a detail of the present step."""
        self.say(f"   {text}")

    def expect(self, what: str, actual: Any, wanted: Any) -> None:
        """Check that something is as it should be.

        :raises NotAsExpected: if it is not.
        """
        if actual != wanted:
            raise NotAsExpected(f"{what}: {actual!r}, not {wanted!r}.")

    def expect_not(self, what: str, actual: Any, unwanted: Any) -> None:
        """Check that something is not as it must not be.

        :raises NotAsExpected: if it is.
        """
        if actual == unwanted:
            raise NotAsExpected(f"{what}: {actual!r} again.")

    def wait(self, what: str, ask: Callable[[], Any], until: Callable[[Any], bool]) -> Any:
        """Ask again and again until the answer is good, and return it.

        :raises NotAsExpected: if it does not become good in time.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not until(answer := ask()):
            if time.monotonic() > deadline:
                raise NotAsExpected(f"{what} did not happen in {PATIENCE_S:.0f} s: {answer!r}")
            time.sleep(_PAUSE_S)
        return answer


@contextmanager
def opened(
    *,
    url: str,
    api_key: str,
    peers: dict[str, str],
    kill: Callable[[str], None],
    second_key: Callable[[], str],
    say: Callable[[str], object],
) -> Iterator[World]:
    """Connect to a running Daybook, and listen to it live for as long as the block takes."""
    headers = {"Authorization": f"Bearer {api_key}"}
    address = f"{url.replace('http', 'ws', 1)}/ws/events"
    with (
        httpx2.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client,
        connect(address, additional_headers=headers, proxy=None) as socket,
    ):
        feed = Feed(socket)
        socket.send(json.dumps({"type": "subscribe", "sub_id": "demo"}))
        threading.Thread(target=feed.listen, daemon=True).start()
        feed.wait_for("subscribed", lambda _frame: True)
        yield World(
            api=Api(client),
            feed=feed,
            payment=Peer(peers["COMMERCE_PAYMENT_URL"]),
            mail=Peer(peers["COMMERCE_MAIL_URL"]),
            cms=Peer(peers["COMMERCE_CMS_URL"]),
            steps=_step_peers(peers[STEPS_URL]),
            kill=kill,
            second=lambda: _as_another(url, second_key()),
            using=lambda key: _as_another(url, key),
            say=say,
        )


@contextmanager
def _as_another(url: str, api_key: str) -> Iterator[Api]:
    headers = {"Authorization": f"Bearer {api_key}"}
    with httpx2.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
        yield Api(client)


def _step_peers(base_url: str) -> StepPeers:
    names = ("seats", "cards", "tickets", "notices")
    return StepPeers(base_url, *[Peer(f"{base_url}/{name}") for name in names])
