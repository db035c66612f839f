"""Flows with compensation while everything around them dies (faults F01-F10, F14, F33).

The peer de-duplicates by token, so it can say whether anything was done twice under two.
"""

import json
import sys
import time
from collections.abc import Iterator

import pytest

from config.stack import Stack, temporary_state
from tests.chaos.flows.orders import Orders, register
from tests.chaos.flows.peer import Peer, peer
from tests.chaos.flows.storm import HASTE, Storm, storm
from tests.chaos.flows.verdict import findings, unfinished
from tests.chaos.load import eventually

WORKERS = ["worker", "worker-2"]
SETTLES_IN_S = 90.0


@pytest.fixture(scope="module")
def daybook() -> Iterator[Stack]:
    with temporary_state() as state:
        running = Stack.start(state, "--no-demo-data", workers=len(WORKERS), environment=HASTE)
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
    said = daybook.manage("doctor")
    assert said.returncode == 0, said.stdout


@pytest.mark.chaos
class TestFlows:
    def test_outlive_every_kind_of_blow(self, daybook: Stack, served: Peer) -> None:
        orders = Orders(daybook, "small")
        with (
            orders.coming_in(threads=2, pause_s=0.05),
            storm(daybook, seed=1, workers=WORKERS, seconds_between=(0.1, 0.3)) as raging,
        ):
            eventually(lambda: len(raging.struck) > len(set(raging.blows())), seconds=60)

        settle(daybook, orders)

        check(daybook, served, orders)


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
