"""One trip round the whole chain: HTTP, commit, worker, log, feed, WebSocket."""

import json
import secrets
import time
from dataclasses import dataclass

import httpx2
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

TRIPS = 5
ANSWER_SECONDS_MAX = 60
# As in config.jobs, which only a process with settings may import.
CHECK = "instance.check"
CHECKED = "instance.checked"


class RoundTripFailed(Exception):
    """The chain is broken. The message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How long the trips took."""

    first_ms: float
    median_ms: float


def run(*, url: str, api_key: str, answer_seconds_max: float = ANSWER_SECONDS_MAX) -> Figures:
    """Make some trips and return the figures; each has so long from its request to its event.

    :raises RoundTripFailed: if one does not come back.
    """
    headers = {"Authorization": f"Bearer {api_key}"}
    address = f"{url.replace('http', 'ws', 1)}/ws/events"
    try:
        with (
            connect(
                address,
                additional_headers=headers,
                proxy=None,
                open_timeout=ANSWER_SECONDS_MAX,
            ) as socket,
            httpx2.Client(
                base_url=url, headers=headers, trust_env=False, timeout=ANSWER_SECONDS_MAX
            ) as client,
        ):
            line = _Line(socket)
            line.subscribe()
            trips = [_trip(client, line, answer_seconds_max) for _ in range(TRIPS)]
    except (httpx2.HTTPError, WebSocketException, OSError) as error:
        raise RoundTripFailed(f"The trip ended early: {type(error).__name__}: {error}") from error
    return Figures(first_ms=trips[0], median_ms=sorted(trips)[TRIPS // 2])


@dataclass(frozen=True, slots=True)
class _Line:
    socket: ClientConnection

    def subscribe(self) -> None:
        message = {"type": "subscribe", "sub_id": "round-trip", "event_types": [CHECKED]}
        self.socket.send(json.dumps(message))
        self.wait_for("subscribed", seconds_max=ANSWER_SECONDS_MAX)

    def wait_for(self, type_: str, *, seconds_max: float, nonce: str | None = None) -> None:
        deadline = time.monotonic() + seconds_max
        try:
            while True:
                frame = json.loads(self.socket.recv(timeout=deadline - time.monotonic()))
                if frame["type"] == type_ and (nonce is None or frame["data"]["nonce"] == nonce):
                    return
        except TimeoutError as error:
            raise RoundTripFailed(f"No {type_!r} came within {seconds_max} s.") from error


def _trip(client: httpx2.Client, line: _Line, answer_seconds_max: float) -> float:
    nonce = secrets.token_hex(8)
    started_at = time.monotonic()
    answer = client.post("/api/v1/jobs", json={"name": CHECK, "input": {"nonce": nonce}})
    if answer.is_error:
        raise RoundTripFailed(f"The job was refused: {answer.status_code} {answer.text}")
    line.wait_for(CHECKED, seconds_max=answer_seconds_max, nonce=nonce)
    return round((time.monotonic() - started_at) * 1000, 1)
