"""A tree of flows whose workers die between what a parent and its child say to one another.

Every worker may die after each commit, with what it was about to do next in its hands: in
either direction between parent and child, whether it starts, tells, releases or undoes.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest

from config.processes.stack import Stack
from config.testing.fixtures import migrated_state
from tests.chaos.checkup import violations
from tests.chaos.flows.storm import SHORT_LEASES
from tests.chaos.load import eventually
from tests.support.step_server import StepServer, step_server

DYING = {"FAILPOINTS": "step.claimed:kill:0.1:28,step.after_call:kill:0.1:11"}
FLOWS = 6
GUESTS = 2
SETTLES_IN_S = 240.0

OUT: dict[str, Any] = {"role": "output"}
NEEDED: dict[str, Any] = {"role": "required"}
EACH: dict[str, Any] = {"role": "required", "required": {"for_each": True}}


@pytest.fixture(scope="module")
def daybook() -> Iterator[Stack]:
    with migrated_state() as state:
        running = Stack.start(
            state, "--no-demo-data", workers=2, environment={**SHORT_LEASES, **DYING}
        )
        yield running
        running.stop()


@pytest.fixture
def peer() -> Iterator[StepServer]:
    with step_server() as server:
        yield server


def steps(peer: StepServer) -> list[dict[str, Any]]:
    """Return a room and a car for every guest, in child flows two deep, and then a ticket."""
    work = {"max_retries": 5, "init_backoff": 50, "max_backoff": 50, "parallelism": GUESTS}

    def http(id_: str, *, undo: bool = True) -> dict[str, Any]:
        back = {"compensate": peer.url(f"/undo-{id_}")} if undo else {}
        return {"type": "sync", "http": {"endpoint": peer.url(f"/{id_}"), **back}}

    def nested(goal: str, gives: str) -> dict[str, Any]:
        given = {**OUT, "output": {"mapping": {"name": gives}}}
        return {"type": "flow", "flow": {"goals": [goal]}, "attributes": {f"{goal}_done": given}}

    drive, travel = nested("car", "car"), nested("drive", "car_done")
    drive["attributes"] |= {"guest": NEEDED, "room": NEEDED}
    travel["attributes"] |= {"guest": EACH}
    fails = {"guest": NEEDED, "drive_done": NEEDED, "fails": NEEDED}
    bodies: dict[str, dict[str, Any]] = {
        "room": {**http("room"), "attributes": {"guest": NEEDED, "room": OUT}},
        "car": {**http("car"), "attributes": {"guest": NEEDED, "car": OUT}},
        "drive": drive,
        "travel": travel,
        "ticket": {**http("ticket", undo=False), "attributes": fails},
    }
    return [{"id": id_, "name": id_, "work_config": work, **body} for id_, body in bodies.items()]


def deeds(peer: StepServer, path: str) -> dict[int, int]:
    """Return how often, by flow, something was done under a token of its own."""
    tokens = {
        (call.headers["argyll-flow-id"].partition(":")[0], call.headers["argyll-receipt-token"])
        for call in peer.calls(path)
    }
    flows = sorted(int(flow_id.removeprefix("tour-")) for flow_id, _ in tokens)
    return {flow: len([*of_flow]) for flow, of_flow in groupby(flows)}


@pytest.mark.chaos
def test_is_undone_or_let_go_to_the_last_child_whoever_dies(
    daybook: Stack, peer: StepServer
) -> None:
    peer.says = {
        "/room": (200, {"room": 1}),
        "/car": (200, {"car": 1}),
        "/ticket": lambda heard: (
            (422, {"detail": "sold out"}) if heard.body["fails"] else (200, {})
        ),
    }
    with daybook.client() as client:
        for step in steps(peer):
            answer = client.post("/api/v1/steps", json=step)
            assert answer.status_code == 201, answer.text
        for number in range(FLOWS):
            body = {
                "id": f"tour-{number}",
                "goals": ["ticket"],
                "init": {"guest": [["ada", "bob"]], "fails": [bool(number % 2)]},
                "options": {"compensate": True},
            }
            answer = client.post("/api/v1/flows", json=body)
            assert answer.status_code == 201, answer.text

    eventually(lambda: len(ends(daybook)) == FLOWS * (1 + 2 * GUESTS), seconds=SETTLES_IN_S)

    every, failed = range(FLOWS), range(1, FLOWS, 2)
    assert deeds(peer, "/room") == deeds(peer, "/car") == dict.fromkeys(every, GUESTS)
    assert deeds(peer, "/undo-room") == dict.fromkeys(failed, GUESTS)
    assert deeds(peer, "/undo-car") == dict.fromkeys(failed, GUESTS)
    ended = ends(daybook)
    for flow_id in ended:
        parent = ":".join(flow_id.split(":")[:-2])
        assert not parent or ended.index(flow_id) < ended.index(parent)
    [(crashes,)] = daybook.sql("SELECT count(*) FROM work_attempt WHERE outcome = 'crashed'")
    assert crashes, "nobody died with something in hand"
    assert violations(daybook) == {}


def ends(daybook: Stack) -> list[str]:
    """Return the flows that are over, in the order in which they ended."""
    rows = daybook.sql(
        "SELECT split_part(stream, '/', 2) FROM events_event JOIN events_position p"
        " ON p.event = events_event.id WHERE name = 'flow_deactivated' ORDER BY p.position"
    )
    return [flow_id for (flow_id,) in rows]
