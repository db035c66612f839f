"""What all demo peers have in common: routes, misbehaviour on demand, doing things once."""

import json
import threading
import time
from typing import Any, NamedTuple


class Answer(NamedTuple):
    status: int
    body: Any = None
    type: str = "application/json"


class Call(NamedTuple):
    """A request, without the peer's own prefix in its path."""

    method: str
    path: tuple[str, ...]
    body: Any
    key: str
    webhook: str = ""


class Peer:
    """One peer. `answer` may be called by many threads at once.

    `/control` takes {"fail": n} (refuse the next n calls), {"lose_answer": n} (do what the
    next n calls ask and then fail all the same), {"hang_s": s} (be slow until told otherwise),
    {"linger_s": s} (do what is asked, and be slow to say so), {"lie": {…}} (do what is asked, and
    say this of it, until told otherwise) and {"reset": true}.
    """

    name = ""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything, and behave."""
        self._fail = 0
        self._lose_answer = 0
        self._hang_s = 0.0
        self._linger_s = 0.0
        self._lie: dict[str, Any] = {}
        self._done: dict[tuple[str, ...], tuple[str, Answer]] = {}
        self.calls: list[dict[str, Any]] = []

    def handle(self, call: Call) -> Answer:
        """Do what the peer is there for. Subclasses know."""
        raise NotImplementedError

    def control(self, body: dict[str, Any]) -> None:
        """Take further orders. Subclasses may know some."""

    def describe(self) -> dict[str, Any]:
        """Return what the peer has, for whoever looks at `/control`."""
        return {"calls": self.calls}

    def answer(self, call: Call) -> Answer:
        """Answer a request, or misbehave as told."""
        if call.path == ("control",):
            return self._control(call)
        time.sleep(self._hang_s)
        answered = self._treated(call)
        time.sleep(self._linger_s)
        return answered

    def _treated(self, call: Call) -> Answer:
        with self._lock:
            self.calls.append({"method": call.method, "path": "/".join(call.path), "key": call.key})
            if self._fail > 0:
                self._fail -= 1
                return Answer(503, {"error": "told to fail"})
            answered = self._once(call)
            if self._lose_answer > 0:
                self._lose_answer -= 1
                return Answer(503, {"error": "told to lose the answer"})
            return self._lied_about(answered)

    def _lied_about(self, answered: Answer) -> Answer:
        if not self._lie or not isinstance(answered.body, dict):
            return answered
        return answered._replace(body={**answered.body, **self._lie})

    def _control(self, call: Call) -> Answer:
        with self._lock:
            if call.method == "POST":
                orders = call.body or {}
                if orders.get("reset"):
                    self.reset()
                self._lie = orders.get("lie", self._lie)
                self._fail = int(orders.get("fail", self._fail))
                self._lose_answer = int(orders.get("lose_answer", self._lose_answer))
                self._hang_s = float(orders.get("hang_s", self._hang_s))
                self._linger_s = float(orders.get("linger_s", self._linger_s))
                self.control(orders)
            return Answer(200, self.describe())

    def _once(self, call: Call) -> Answer:
        if not call.key or call.method == "GET":
            return self.handle(call)
        # A key is good for one address: undoing a thing comes with the key of doing it.
        scope = (call.key, call.method, *call.path)
        body = json.dumps(call.body, sort_keys=True)
        if scope in self._done:
            known, answered = self._done[scope]
            return answered if known == body else Answer(422, {"error": "key reused"})
        answered = self.handle(call)
        self._done[scope] = (body, answered)
        return answered


NOT_FOUND = Answer(404, {"error": "not found"})
