"""Four services that are steps of flows: they hold seats, charge cards, issue tickets, notify.

Each does a thing once per Idempotency-Key, undoes it once, counts both, and says how it is at
`/health`. Who is called with a webhook answers 202 at once and delivers its result later.
"""

import json
import threading
import urllib.request
from typing import Any

from examples.demo_peers.peer import NOT_FOUND, Answer, Call, Peer

PROBLEM = "application/problem+json"
WEBHOOK_SECONDS_MAX = 10


def problem(status: int, title: str, detail: str) -> Answer:
    """Return a refusal that a flow can tell its reader."""
    return Answer(status, {"title": title, "status": status, "detail": detail}, PROBLEM)


class StepService(Peer):
    """POST /things does, POST /things/id/undo undoes. Subclasses name the thing.

    `/control` also takes {"late_s": s} (how late results come that are delivered) and
    {"sick": true}, and shows how often what was done and undone.
    """

    things = ""
    undo = ""
    output = ""
    prefix = ""

    def reset(self) -> None:
        super().reset()
        self._late_s = 0.2
        self._is_sick = False
        self._made: dict[str, dict[str, Any]] = {}
        self._undone = 0

    def refusal(self, body: dict[str, Any]) -> Answer | None:
        """Return why a thing cannot be done, None if it can."""
        return None

    def handle(self, call: Call) -> Answer:
        match call.method, call.path:
            case "GET", ("health",):
                sick = problem(503, "Sick", f"{self.name} was told to be sick")
                return sick if self._is_sick else Answer(200, {"status": "healthy"})
            case "POST", (self.things,):
                return self._make(call)
            case "POST", (self.things, id_, self.undo) if id_ in self._made:
                return self._unmake(self._made[id_])
            case _:
                return NOT_FOUND

    def control(self, body: dict[str, Any]) -> None:
        self._late_s = float(body.get("late_s", self._late_s))
        self._is_sick = bool(body.get("sick", self._is_sick))

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "things": self._made,
            "made": len(self._made),
            "undone": self._undone,
        }

    def _make(self, call: Call) -> Answer:
        refused = self.refusal(call.body)
        if refused is not None:
            return self._told(call, refused)
        id_ = f"{self.prefix}-{len(self._made) + 1:05d}"
        self._made[id_] = {**call.body, "is_undone": False, "key": call.key}
        return self._told(call, Answer(200, {self.output: id_}))

    def _unmake(self, thing: dict[str, Any]) -> Answer:
        if not thing["is_undone"]:
            thing["is_undone"] = True
            self._undone += 1
        return Answer(200, {})

    def _told(self, call: Call, result: Answer) -> Answer:
        if not call.webhook:
            return result
        threading.Timer(self._late_s, deliver, (call.webhook, result)).start()
        return Answer(202, {})


def deliver(webhook: str, result: Answer) -> None:
    """Tell a result to whoever waits for it. Nobody hears of it if that fails."""
    request = urllib.request.Request(
        webhook,
        data=json.dumps(result.body).encode(),
        headers={"Content-Type": result.type},
        method="POST",
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(request, timeout=WEBHOOK_SECONDS_MAX).close()


class Seats(StepService):
    """POST /holds {seat_show, seat_count} gives `seat_hold`; a show has 20 seats."""

    name = "seats"
    things, undo, output, prefix = "holds", "release", "seat_hold", "hold"
    capacity = 20

    def refusal(self, body: dict[str, Any]) -> Answer | None:
        wanted = int(body["seat_count"])
        if not 0 < wanted <= self._left(str(body["seat_show"])):
            return problem(409, "Sold out", f"{wanted} seats are not left for {body['seat_show']}")
        return None

    def describe(self) -> dict[str, Any]:
        shows = {thing["seat_show"] for thing in self._made.values()}
        return {**super().describe(), "left": {show: self._left(show) for show in shows}}

    def _left(self, show: str) -> int:
        held = [
            int(thing["seat_count"])
            for thing in self._made.values()
            if thing["seat_show"] == show and not thing["is_undone"]
        ]
        return self.capacity - sum(held)


class Cards(StepService):
    """POST /charges {card_number, card_amount_cents} gives `card_charge`; …0002 is declined."""

    name = "cards"
    things, undo, output, prefix = "charges", "refund", "card_charge", "charge"
    declined = "0002"

    def refusal(self, body: dict[str, Any]) -> Answer | None:
        if str(body["card_number"]).endswith(self.declined):
            return problem(402, "Card declined", "the bank declined the card")
        return None


class Tickets(StepService):
    """POST /tickets {seat_hold, card_charge} gives `ticket_number`."""

    name = "tickets"
    things, undo, output, prefix = "tickets", "void", "ticket_number", "ticket"


class Notices(StepService):
    """POST /notices {notice_email, ticket_number} gives `notice`."""

    name = "notices"
    things, undo, output, prefix = "notices", "retract", "notice", "notice"
