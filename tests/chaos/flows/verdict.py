"""What became of the flows: lost, stuck, told twice, done twice, or in order."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from config.processes.stack import Stack
from tests.chaos.flows.peer import PARTS, Peer

ENDS = frozenset({"flow_completed", "flow_failed"})


@dataclass(frozen=True, slots=True)
class Order:
    """A flow that was acknowledged, and what must come of it."""

    flow_id: str
    goal: str
    is_declined: bool

    @property
    def outcome(self) -> str:
        return "flow_failed" if self.is_declined else "flow_completed"

    @property
    def effects(self) -> dict[str, int]:
        """How often each action may have been done, each under a token of its own."""
        match self.goal, self.is_declined:
            case "tell", False:
                return {"hold": 1, "pay": 1, "tell": 1}
            case "tell", True:
                return {"hold": 1, "hold/undo": 1}
            case "pack", False:
                return {"pack": len(PARTS)}
            case _:
                return {}


def stories(stack: Stack) -> dict[str, list[str]]:
    """Return the names of the events of every flow, in order."""
    rows = stack.sql(
        "SELECT split_part(stream, '/', 2), name FROM events_event WHERE stream LIKE 'flow/%%'"
        " ORDER BY stream, sequence"
    )
    found: dict[str, list[str]] = defaultdict(list)
    for flow_id, name in rows:
        found[flow_id].append(name)
    return found


def unfinished(stack: Stack, orders: Iterable[Order]) -> list[str]:
    """Return the flows that are not deactivated."""
    events_by_flow = stories(stack)
    return [
        one.flow_id
        for one in orders
        if "flow_deactivated" not in events_by_flow.get(one.flow_id, [])
    ]


def findings(stack: Stack, peer: Peer, orders: Collection[Order]) -> dict[str, list[str]]:
    """Return everything that is not in order, by kind."""
    found: dict[str, list[str]] = defaultdict(list)
    events_by_flow = stories(stack)
    for order in orders:
        for kind in _wrong_in(order, events_by_flow.get(order.flow_id, []), peer):
            found[kind].append(order.flow_id)
    known = {order.flow_id for order in orders}
    tags = {flow_id.rpartition("-")[0] for flow_id in known}
    ours = {flow_id for flow_id in events_by_flow if flow_id.rpartition("-")[0] in tags}
    found["unasked"] = sorted(ours - known)
    return {kind: ids for kind, ids in found.items() if ids}


def _wrong_in(order: Order, names: list[str], peer: Peer) -> Iterator[str]:
    count = Counter(names)
    if not names:
        yield "lost"
        return
    if not count["flow_deactivated"]:
        yield "stuck"
        return
    if names[-1] != "flow_deactivated" or count["flow_deactivated"] > 1:
        yield "events after deactivation"
    if [name for name in names if name in ENDS] != [order.outcome]:
        yield f"ended otherwise than by one {order.outcome}"
    done = {action: len(tokens) for action, tokens in peer.done[order.flow_id].items()}
    undone = peer.done[order.flow_id]["pack/undo"]
    if order.goal == "pack" and order.is_declined:
        if peer.done[order.flow_id]["pack"] != undone:
            yield "parts left behind"
    elif {action: n for action, n in done.items() if n} != order.effects:
        yield "effects other than exactly once"
