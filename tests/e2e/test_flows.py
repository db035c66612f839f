"""Flows through a whole Daybook: plain HTTP in, HTTP steps out, live frames beside them."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from config.processes.parts import worker_of
from config.processes.stack import TRUSTING_NOBODY, Stack
from config.testing.fixtures import migrated_state
from tests.chaos.checkup import violations
from tests.chaos.load import eventually
from tests.support.step_server import Answer, Heard, StepServer, http_step, step_server

pytestmark = pytest.mark.e2e

WORKER = worker_of("flows")


@pytest.fixture
def peer() -> Iterator[StepServer]:
    with step_server() as server:
        yield server


@pytest.fixture
def stack() -> Iterator[Stack]:
    """An open engine. It reads by itself in which queue steps wait."""
    with migrated_state() as state:
        # With a lease of seconds a busy machine would take a worker for dead that is not.
        patient = {"WORK_LEASE_S": "600", "WORK_PATIENCE_S": "0.5"}
        running = Stack.start(state, "--no-demo-data", "--open-engine", environment=patient)
        yield running
        running.stop()


def frames_until(socket: Any, last: str) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1]["type"] != last:
        frames.append(json.loads(socket.recv(timeout=60)))
    return frames


def kill_the_worker(stack: Stack) -> None:
    """Kill it, and let the time be over for which it would have kept what it claimed."""
    killed = stack.pid(WORKER)
    stack.kill(WORKER)
    eventually(lambda: stack.status()[WORKER]["pid"] != killed)
    stack.sql("UPDATE work SET lease_until = now() WHERE status = 'leased'")


def test_a_flow_outlives_the_worker_that_was_doing_it(stack: Stack, peer: StepServer) -> None:
    def charge(heard: Heard) -> Answer:
        if len(peer.calls("/charge")) == 1:
            kill_the_worker(stack)
        return 200, {"receipt": "r1"}

    peer.says |= {"/hold": (200, {"seat": "12A"}), "/charge": charge, "/ticket": (200, {"pdf": 1})}
    steps = [
        http_step(peer, "hold", seat="output"),
        http_step(peer, "charge", seat="required", receipt="output"),
        http_step(peer, "ticket", receipt="required", pdf="output"),
    ]
    address = stack.url.replace("http", "ws", 1) + "/engine/ws"
    with (
        httpx2.Client(base_url=stack.url, timeout=60, verify=TRUSTING_NOBODY) as client,
        connect(address, open_timeout=60) as socket,
    ):
        for step in steps:
            assert client.post("/engine/step", json=step).status_code == 201
        wish = {"sub_id": "s", "aggregate_ids": [["flow", "trip-1"]]}
        socket.send(json.dumps({"type": "subscribe", "data": wish}))
        assert json.loads(socket.recv(timeout=60))["items"] is None
        body = {"id": "trip-1", "goals": ["ticket"], "init": {}}
        assert client.post("/engine/flow", json=body).status_code == 201

        frames = frames_until(socket, "flow_deactivated")

        assert client.get("/engine/flow/trip-1/status").json()["status"] == "completed"
        recorded = client.get("/engine/flow/trip-1/events").json()["events"]
    assert [one["sequence"] for one in frames] == list(range(len(recorded)))
    assert [one["type"] for one in frames] == [one["type"] for one in recorded]
    charges = [call.headers["argyll-receipt-token"] for call in peer.calls("/charge")]
    assert len(charges) == 2
    assert len(set(charges)) == 1
    assert [len(peer.calls(path)) for path in ("/hold", "/ticket")] == [1, 1]
    eventually(lambda: all(part["ready"] for part in stack.status().values()))
    assert violations(stack) == {}


def test_as_many_items_are_called_at_once_as_their_parallelism_says(
    stack: Stack, peer: StepServer
) -> None:
    together = threading.Barrier(8)

    def meet(_heard: Heard) -> Answer:
        together.wait(timeout=60)
        return 200, {}

    peer.says["/meet"] = meet
    step = http_step(peer, "meet") | {"work_config": {"parallelism": together.parties}}
    step["attributes"] = {
        "guests": {"role": "required", "type": "array", "required": {"for_each": True}}
    }
    with httpx2.Client(base_url=stack.url, timeout=60, verify=TRUSTING_NOBODY) as client:
        assert client.post("/engine/step", json=step).status_code == 201
        body = {"id": "party", "goals": ["meet"], "init": {"guests": [list(range(8))]}}
        assert client.post("/engine/flow", json=body).status_code == 201

        def status() -> str:
            found: str = client.get("/engine/flow/party/status").json()["status"]
            return found

        eventually(lambda: status() != "active")

        assert (status(), len(peer.calls("/meet"))) == ("completed", together.parties)
