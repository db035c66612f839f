"""People who start flows and do not give up: every one is asked for until it is acknowledged."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx2

from config.processes.stack import Stack
from tests.chaos.flows.peer import PARTS, Peer, is_declined
from tests.chaos.flows.verdict import Order
from tests.chaos.load import people_at_work

PAUSE_S = 0.05
PATIENCE_S = 60.0
_AGAIN = frozenset({409, 500, 502, 503, 504})


@dataclass(slots=True)
class Orders:
    """Numbers orders and starts a flow for each, under one Idempotency-Key."""

    stack: Stack
    tag: str
    acknowledged: list[Order] = field(default_factory=list)
    failures: int = 0
    numbers: Iterator[int] = field(default_factory=count)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, client: httpx2.Client, goal: str | None = None) -> Order:
        """Start the flow of the next order, however often that must be asked."""
        with self.lock:
            number = next(self.numbers)
        goal = goal or ("pack" if number % 3 == 0 else "tell")
        order = Order(f"{self.tag}-{number}", goal, is_declined(number))
        init: dict[str, list[Any]] = {"order": [number]}
        if goal == "pack":
            init["parts"] = [PARTS]
        body = {
            "id": order.flow_id,
            "goals": [goal],
            "init": init,
            "options": {"compensate": True},
        }
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_taken(client, body):
            assert time.monotonic() < deadline, f"{order.flow_id} is not acknowledged"
            time.sleep(PAUSE_S)
        self.acknowledged.append(order)
        return order

    def _is_taken(self, client: httpx2.Client, body: dict[str, Any]) -> bool:
        try:
            answer = client.post(
                "/api/v1/flows", json=body, headers={"Idempotency-Key": body["id"]}
            )
        except httpx2.HTTPError:
            self.failures += 1
            return False
        if answer.status_code in _AGAIN:
            self.failures += 1
            return False
        assert answer.status_code == 201, answer.text
        return True

    def coming_in(self, *, threads: int, pause_s: float) -> AbstractContextManager[None]:
        """Start flows from several threads within the block."""

        def work(stop: threading.Event, _number: int) -> None:
            with self.stack.client() as client:
                while not stop.wait(pause_s):
                    self.start(client)

        return people_at_work(work, count=threads)

    def so_far(self, wanted: int, *, seconds: float) -> None:
        """Return when so many flows are acknowledged in all."""
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, f"only {len(self.acknowledged)} of {wanted}"
            time.sleep(0.05)


def register(stack: Stack, peer: Peer) -> None:
    """Tell the engine of the peer's steps."""
    with stack.client() as client:
        for step in peer.steps():
            answer = client.post("/api/v1/steps", json=step)
            assert answer.status_code == 201, answer.text
