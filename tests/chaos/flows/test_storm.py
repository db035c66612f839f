"""Flows with compensation while everything around them dies (faults F01-F10, F14, F33).

The peer de-duplicates by token, so it can say whether anything was done twice under two.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from config.processes.stack import Stack
from config.testing.fixtures import migrated_state, started
from tests.chaos.checkup import violations
from tests.chaos.flows.orders import Orders, register
from tests.chaos.flows.peer import Peer, peer
from tests.chaos.flows.storm import PATIENCE_S, SHORT_LEASES, Storm, storm
from tests.chaos.flows.verdict import findings, stories, unfinished
from tests.chaos.load import eventually
from tests.support.step_server import Answer, Heard

WORKERS = ["worker", "worker-2"]
SETTLES_IN_S = 180.0


@pytest.fixture(scope="module")
def daybook() -> Iterator[Stack]:
    with migrated_state() as state:
        running = started(state, workers=len(WORKERS), environment=SHORT_LEASES)
        yield running
        running.stop()


@pytest.fixture(scope="module")
def served(daybook: Stack) -> Iterator[Peer]:
    with peer(seed=4) as services:
        register(daybook, services)
        yield services


def all_run(daybook: Stack) -> bool:
    return all(part["ready"] for part in daybook.status().values())


def settle(daybook: Stack, orders: Orders) -> float:
    """Wait until no flow is under way, and return how long that took."""
    started = time.monotonic()
    eventually(lambda: all_run(daybook), seconds=SETTLES_IN_S)
    eventually(lambda: not unfinished(daybook, orders.acknowledged), seconds=SETTLES_IN_S)
    return time.monotonic() - started


def check(daybook: Stack, served: Peer, orders: Orders) -> None:
    assert findings(daybook, served, orders.acknowledged) == {}
    assert violations(daybook) == {}


@pytest.mark.chaos
class TestFlows:
    def test_outlive_every_kind_of_blow(self, daybook: Stack, served: Peer) -> None:
        orders = Orders(daybook, "small")
        with (
            orders.coming_in(threads=2, pause_s=0.05),
            storm(daybook, seed=1, workers=WORKERS, seconds_between=(0.1, 0.3)) as raging,
        ):
            eventually(lambda: len(raging.struck) > len(set(raging.blows())), seconds=180)

        settle(daybook, orders)

        check(daybook, served, orders)


@pytest.mark.chaos
class TestControls:
    def test_without_a_sweeper_nobody_finds_what_nobody_was_rung_for(
        self, daybook: Stack, served: Peer
    ) -> None:
        """The second worker has no beat: with the sweeper held, nothing sweeps."""
        for part in ("sweeper", *WORKERS):
            daybook.hold(part)
        orders = Orders(daybook, "unswept")
        with daybook.client() as client:
            for _ in range(3):
                orders.start(client)
        storm_of(daybook).flush_valkey()
        daybook.resume("worker-2")
        time.sleep(5 * PATIENCE_S)  # Long enough for any sweeper.

        assert len(unfinished(daybook, orders.acknowledged)) == 3

        for part in ("sweeper", "worker"):
            daybook.resume(part)
        settle(daybook, orders)
        assert findings(daybook, served, orders.acknowledged) == {}

    def test_a_worker_that_was_frozen_comes_too_late(self, daybook: Stack, served: Peer) -> None:
        late = outlived(daybook, served, "fenced")

        eventually(lambda: nobody_is_at(daybook, late))
        ends = outcomes(daybook, late)
        assert ends.count("done") == 1
        assert "crashed" in ends
        assert violations(daybook) == {}


@pytest.mark.soak
def test_a_thousand_flows_in_a_storm(
    daybook: Stack, served: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    orders, started = Orders(daybook, "thousand"), time.monotonic()
    with (
        orders.coming_in(threads=3, pause_s=0.05),
        storm(daybook, seed=2, workers=WORKERS, seconds_between=(0.5, 2.0)) as raging,
    ):
        orders.so_far(1_000, seconds=900)
    lasted = time.monotonic() - started
    settled = settle(daybook, orders)

    with capsys.disabled():
        sys.stdout.write(json.dumps(figures(orders, raging, served, lasted, settled), indent=1))
    check(daybook, served, orders)


@pytest.mark.chaos
def test_without_fence_and_constraint_a_worker_that_was_frozen_completes_it_again(
    daybook: Stack, served: Peer
) -> None:
    """The last test here: what it does to the journal stays there, and the doctor sees it."""
    [(sound,)] = daybook.sql("SELECT pg_get_functiondef('work_hand_over'::regproc)")
    broken = sound.replace("AND fence = p_fence AND lease_until IS NOT NULL", "")
    assert broken != sound
    daybook.sql(broken.replace("%", "%%"))
    # The second line: with it, a second end of one attempt is refused even without a fence.
    daybook.sql("DROP INDEX work_attempt_ends_once")

    late = outlived(daybook, served, "unfenced")

    eventually(lambda: outcomes(daybook, late).count("done") > 1)
    assert "I6" in violations(daybook)


def outlived(daybook: Stack, served: Peer, flow_id: str) -> str:
    """Freeze the worker that does a step, let the other one do it, and thaw it.

    Return the subject of its work.
    """
    answered, path = threading.Event(), f"/{flow_id}"

    def answer(_heard: Heard) -> Answer:
        if len(served.server.calls(path)) == 1:
            answered.wait(60)
        return 200, {}

    served.server.says[path] = answer
    with daybook.client() as client:
        http = {"endpoint": served.server.url(path), "timeout": 60_000}
        step = {"id": flow_id, "name": flow_id, "type": "sync", "attributes": {}, "http": http}
        assert client.post("/api/v1/steps", json=step).status_code == 201
        body = {"id": flow_id, "goals": [flow_id]}
        assert client.post("/api/v1/flows", json=body).status_code == 201
    subject = f"flow/{flow_id}"
    eventually(lambda: served.server.calls(path))
    [(holder,)] = daybook.sql("SELECT leased_by FROM work WHERE subject = %s", subject)
    with frozen(daybook, holder):
        eventually(lambda: "flow_deactivated" in stories(daybook).get(flow_id, []))
        answered.set()
    return subject


@contextmanager
def frozen(daybook: Stack, holder: str | None) -> Iterator[None]:
    """Stop a worker for as long as the block takes.

    Nobody holds what a busy machine has kept from its worker for longer than the lease: that
    worker is late as it is.
    """
    if not holder:
        yield
        return
    group = daybook.pid(holder.partition("@")[0])
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


def nobody_is_at(daybook: Stack, subject: str) -> bool:
    """Return whether all who lost their claim have come too late by now.

    On a busy machine that may be another than who was frozen, too.
    """
    ends = outcomes(daybook, subject)
    return "done" in ends and ends.count("stale") == ends.count("crashed")


def outcomes(daybook: Stack, subject: str) -> list[str]:
    """Return how the attempts at a piece of work ended."""
    rows = daybook.sql(
        "SELECT outcome FROM work_every_attempt JOIN work ON work.id = work_id WHERE subject = %s"
        " ORDER BY outcome",
        subject,
    )
    return [outcome for (outcome,) in rows]


def storm_of(daybook: Stack) -> Storm:
    """Return a storm that does single blows only."""
    return Storm(daybook, random.Random(0), WORKERS)  # noqa: S311 (dice of a test)


def figures(
    orders: Orders, raging: Storm, served: Peer, lasted: float, settled: float
) -> dict[str, object]:
    declined = sum(order.is_declined for order in orders.acknowledged)
    return {
        "flows": len(orders.acknowledged),
        "with compensation": declined,
        "storm_s": round(lasted, 1),
        "settled_after_s": round(settled, 1),
        "requests that failed and were repeated": orders.failures,
        "calls repeated under their token": served.repeated(),
        "blows": dict(sorted(raging.struck.items())),
    }
