"""Seats are held, a card is charged, a ticket issued and a notice sent, whatever goes wrong."""

from typing import Any
from uuid import uuid4

from examples import step_catalogue
from examples.stories.world import World

GOAL = "send-notice"
GOOD_CARD, BAD_CARD = "4000 0000 0000 0001", "4000 0000 0000 0002"
SEATS = 2

JSON = dict[str, Any]


def tell(world: World) -> None:
    """Tell it from the plan to the flow that was forked."""
    for peer in world.steps:
        peer.order(fail=0, lose_answer=0, hang_s=0, linger_s=0, late_s=0.2, sick=False)
    tag = uuid4().hex[:6]
    _register(world)
    _plan(world, tag)
    _go_well(world, tag)
    declined = _decline_the_card(world, tag)
    _answer_late(world, tag)
    _kill_a_worker(world, tag)
    _ask_a_second_person(world, tag)
    _fork(world, tag, declined)


def _register(world: World) -> None:
    """Make up for what `up --no-demo-data` leaves out."""
    known = {found["step"]["id"] for found in world.api.get("steps")["results"]}
    for document in step_catalogue.steps(world.steps.url):
        if document["id"] not in known:
            world.api.post("steps", document, status=201)


def _plan(world: World, tag: str) -> None:
    world.step("A goal, and the plan that reaches it")
    plan = world.api.post("plans", {"goals": [GOAL], "init": _init(tag)})
    order = ["hold-seats", "charge-card", "issue-ticket", GOAL]
    world.expect("what will run", sorted(plan["runs"]), sorted(order))
    world.expect("what is missing", plan["missing"], [])
    bare = world.api.post("plans", {"goals": [GOAL]})
    world.note(f"to reach {GOAL}: {', '.join(order)}")
    world.note(f"and without anything given, it lacks {', '.join(sorted(bare['missing']))}")


def _go_well(world: World, tag: str) -> None:
    world.step("Everything goes well")
    before = _counts(world)
    flow_id = _start(world, f"demo-well-{tag}", tag)
    state = _over(world, flow_id)
    world.expect("the flow", state["status"], "completed")
    world.expect("what was done", _since(world, before), {"made": [1, 1, 1, 1], "undone": [0] * 4})
    [ticket] = state["attributes"]["ticket_number"]
    world.note(f"{flow_id} is completed: {ticket['value']}, by {ticket['step']}")


def _decline_the_card(world: World, tag: str) -> str:
    world.step("The card is declined, and the seats are released")
    before = _counts(world)
    flow_id = _start(world, f"demo-declined-{tag}", tag, card_number=BAD_CARD)
    state = _over(world, flow_id)
    world.expect("the flow", state["status"], "failed")
    world.note(f"{flow_id} has failed: {state['error']}")
    items = state["executions"]["hold-seats"]["work_items"].values()
    world.expect("the held seats", [item["status"] for item in items], ["compensated"])
    world.expect(
        "what was done", _since(world, before), {"made": [1, 0, 0, 0], "undone": [1, 0, 0, 0]}
    )
    names = _names(world, flow_id)
    world.expect("the last event", names[-1], "flow_deactivated")
    world.note(f"then: {', '.join(names[names.index('flow_failed') :])}")
    return flow_id


def _answer_late(world: World, tag: str) -> None:
    world.step("The ticket office answers late, by calling back")
    world.steps.tickets.order(late_s=4)
    flow_id = _start(world, f"demo-late-{tag}", tag)
    waiting = world.wait(
        "that the flow waits for its callback",
        lambda: world.api.get(f"flows/{flow_id}"),
        lambda found: found["state"]["executions"]["issue-ticket"]["status"] == "active",
    )
    world.note(waiting["waiting"]["sentence"])
    state = _over(world, flow_id)
    world.steps.tickets.order(late_s=0.2)
    world.expect("the flow", state["status"], "completed")
    world.note(f"it took {state['executions']['issue-ticket']['duration']} ms, and no worker")


def _kill_a_worker(world: World, tag: str) -> None:
    world.step("The worker that charges the card is killed after the charge, before its answer")
    before, calls = _counts(world), len(_charges(world))
    world.steps.cards.order(linger_s=9)
    flow_id = _start(world, f"demo-killed-{tag}", tag)
    world.wait("the charge", lambda: len(_charges(world)), lambda now: now > calls)
    [job] = world.api.get("jobs", subject=f"flow/{flow_id}", status="leased")["results"]
    world.kill(job["worker"].partition("@")[0])
    world.steps.cards.order(linger_s=0)
    world.note(f"{job['worker']} was killed with SIGKILL; its lease runs out")
    state = _over(world, flow_id)
    world.expect("the flow", state["status"], "completed")
    keys = [call["key"] for call in _charges(world)[calls:]]
    world.expect("calls of the card service", len(keys), 2)
    world.expect("the tokens they came with", len(set(keys)), 1)
    world.expect("what was done", _since(world, before), {"made": [1, 1, 1, 1], "undone": [0] * 4})
    world.note("called twice with one token, charged once")


def _ask_a_second_person(world: World, tag: str) -> None:
    world.step("A step that only a second person can give leave for")
    for document in step_catalogue.with_approval():
        world.api.post("steps", document, status=201)
    started = world.api.post(
        "flows",
        {
            "id": f"demo-upgrade-{tag}",
            "goals": ["note-upgrade"],
            "init": {"upgrade_seat": ["12A"]},
        },
        status=201,
    )
    flow_id = str(started["id"])
    [approval] = world.wait(
        "that somebody is asked",
        lambda: world.api.get("ledger/approvals", status="pending", target_id=flow_id)["results"],
        bool,
    )
    world.note(f"{flow_id} waits: {approval['title']}")
    decision = {"decision": "approve", "comment": "Window seats are free today."}
    address = f"ledger/approvals/{approval['id']}/decide"
    refused = world.api.post(address, decision, status=403)
    world.note(f"who started it is refused: {refused['detail']}")
    with world.second() as other:
        decided = other.post(address, decision)
    world.expect("the approval", decided["status"], "approved")
    state = _over(world, flow_id)
    world.expect("the flow", state["status"], "completed")
    world.note(state["attributes"]["upgrade_note"][0]["value"])
    # Clients that know the four types of the original only would stumble over another one.
    for document in step_catalogue.with_approval():
        world.api.delete(f"steps/{document['id']}")


def _fork(world: World, tag: str, declined: str) -> None:
    world.step("The flow that failed is forked, with another card")
    before = _counts(world)
    body = {
        "id": f"demo-forked-{tag}",
        "from_step": "hold-seats",
        "init": {"card_number": [GOOD_CARD]},
    }
    forked = world.api.post(f"flows/{declined}/fork", body, status=201)
    state = _over(world, forked["id"])
    world.expect("the fork", state["status"], "completed")
    world.expect("what was done", _since(world, before), {"made": [1, 1, 1, 1], "undone": [0] * 4})
    old = world.api.get(f"flows/{declined}")["state"]
    world.expect("the flow it was forked from", old["status"], "failed")
    world.note(f"{forked['id']} is completed; {declined} is what it was")


def _init(tag: str, **other: Any) -> dict[str, list[Any]]:
    given = {
        "seat_show": f"show-{tag}",
        "seat_count": SEATS,
        "card_number": GOOD_CARD,
        "card_amount_cents": 17_800,
        "notice_email": "ada@example.com",
    }
    return {name: [value] for name, value in {**given, **other}.items()}


def _start(world: World, flow_id: str, tag: str, **other: Any) -> str:
    body = {
        "id": flow_id,
        "goals": [GOAL],
        "init": _init(tag, **other),
        "labels": {"story": tag},
        "options": {"compensate": True},
    }
    started: JSON = world.api.post("flows", body, status=201)
    return str(started["id"])


def _over(world: World, flow_id: str) -> JSON:
    """Wait until nothing of a flow is left to do, and return how it ended."""
    world.wait(
        f"the end of {flow_id}",
        lambda: _names(world, flow_id)[-1],
        lambda last: last == "flow_deactivated",
    )
    state: JSON = world.api.get(f"flows/{flow_id}")["state"]
    return state


def _names(world: World, flow_id: str) -> list[str]:
    page = world.api.get(f"flows/{flow_id}/events", limit=1_000)
    return [event["name"] for event in page["results"]]


def _counts(world: World) -> dict[str, list[int]]:
    shown = [peer.get("control") for peer in world.steps]
    return {name: [int(one[name]) for one in shown] for name in ("made", "undone")}


def _since(world: World, before: dict[str, list[int]]) -> dict[str, list[int]]:
    now = _counts(world)
    return {name: [n - b for n, b in zip(now[name], before[name], strict=True)] for name in now}


def _charges(world: World) -> list[JSON]:
    calls: list[JSON] = world.steps.cards.get("control")["calls"]
    return [call for call in calls if call["path"] == "charges"]
