"""Other people's services for flows under fire: slow, forgetful, and exact about what they did."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.step_server import Answer, Heard, StepServer, step_server

DECLINED_EVERY = 4
"""Every so-manieth order is declined, so that what went before must be undone."""
SLOW_SHARE, LOST_SHARE = 0.02, 0.03
SLOW_S, QUICK_S = 1.5, 0.01


@dataclass(slots=True)
class Peer:
    """Seats, cards and letters. A token does its thing once, however often it comes."""

    server: StepServer
    dice: random.Random
    done: dict[str, dict[str, set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    """By flow and action: the tokens under which it was done."""
    calls: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def steps(self) -> list[dict[str, Any]]:
        """Return the definitions of the steps that are served here."""
        return [
            self._step("hold", order="required", hold="output"),
            self._step("pay", order="required", hold="required", receipt="output"),
            self._step("tell", order="required", receipt="required", told="output"),
            self._step("pack", order="required", parts="each", box="output"),
        ]

    def repeated(self) -> int:
        """Return how many calls came again under a token that had come before."""
        return sum(count - 1 for count in self.calls.values())

    def _step(self, id_: str, **attributes: str) -> dict[str, Any]:
        [output] = [name for name, role in attributes.items() if role == "output"]
        return {
            "id": id_,
            "name": id_,
            "type": "sync",
            "attributes": {name: _attribute(role) for name, role in attributes.items()},
            "http": {
                "endpoint": self.server.url(f"/{id_}"),
                "compensate": self.server.url(f"/{id_}/undo") + f"?what={{{output}}}",
                "timeout": 30_000,
            },
            "work_config": {
                "max_retries": -1,
                "init_backoff": 50,
                "max_backoff": 500,
                "backoff_type": "exponential",
                "parallelism": 3,
            },
        }

    def answer(self, heard: Heard) -> Answer:
        """Do what is asked, once per token; be slow now and then, or lose the answer."""
        path = heard.path.partition("?")[0].strip("/")
        action, _, undo = path.partition("/")
        body = heard.body["input"] if undo else heard.body
        token = heard.headers["idempotency-key"]
        with self.lock:
            self.calls[f"{path} {token}"] += 1
            luck = self.dice.random()
        time.sleep(SLOW_S if luck < SLOW_SHARE else QUICK_S)
        if not undo and self._is_declined(action, body):
            return 422, {"title": "Declined", "detail": "declined"}
        with self.lock:
            self.done[heard.headers["argyll-flow-id"]][path].add(token)
        # Not of a part: who waits for a retry when another part fails is not asked again, for
        # by contract 5xx says that nothing was done.
        if SLOW_SHARE < luck < SLOW_SHARE + LOST_SHARE and path != "pack":
            return 503, {"title": "Lost", "detail": "done, but the answer was lost"}
        return 200, {} if undo else {_OUTPUTS[action]: token}

    def _is_declined(self, action: str, body: dict[str, Any]) -> bool:
        declines = is_declined(int(body["order"]))
        return declines and (action == "pay" or (action == "pack" and body["parts"] == PARTS[-1]))


PARTS = [1, 2, 3]
_OUTPUTS = {"hold": "hold", "pay": "receipt", "tell": "told", "pack": "box"}


def is_declined(order: int) -> bool:
    return order % DECLINED_EVERY == 0


def _attribute(role: str) -> dict[str, Any]:
    if role == "each":
        return {"role": "required", "required": {"for_each": True}}
    return {"role": role}


@contextmanager
def peer(seed: int) -> Iterator[Peer]:
    """Serve the peer within the block."""
    with step_server() as server:
        served = Peer(server, random.Random(seed))  # noqa: S311 (dice of a test)
        for path in ("hold", "pay", "tell", "pack"):
            server.says[f"/{path}"] = served.answer
            server.says[f"/{path}/undo"] = served.answer
        yield served
