"""The page of a child flow that its parent holds, and then has undone."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, PATIENCE_MS, Browse, driver
from tests.support.step_server import Answer, Heard, StepServer, step_server

expect = driver().expect
pytestmark = IN_A_BROWSER

OUT: dict[str, Any] = {"role": "output"}
NEEDED: dict[str, Any] = {"role": "required"}


@pytest.fixture
def peer() -> Iterator[StepServer]:
    with step_server() as server:
        yield server


@pytest.fixture
def sold_out(peer: StepServer, stack: Stack) -> Iterator[threading.Event]:
    """A tour of a room, in a child flow, and a ticket, which is refused once this is set."""
    is_sold_out = threading.Event()

    def refuse(_heard: Heard) -> Answer:
        assert is_sold_out.wait(PATIENCE_MS / 1000), "nobody said that it is sold out"
        return 422, {"detail": "sold out"}

    peer.says |= {"/room": (200, {"nights": 1}), "/ticket": refuse}
    undo = {"compensate": peer.url("/undo")}
    room = {"type": "sync", "http": {"endpoint": peer.url("/room"), **undo}}
    stay = {"type": "flow", "flow": {"goals": ["room-of-tour"]}}
    ticket = {"type": "sync", "http": {"endpoint": peer.url("/ticket")}}
    renamed = {**OUT, "output": {"mapping": {"name": "nights"}}}
    steps = (
        {"id": "room-of-tour", "name": "room", "attributes": {"nights": OUT}, **room},
        {"id": "stay-of-tour", "name": "stay", "attributes": {"stayed": renamed}, **stay},
        {"id": "ticket-of-tour", "name": "ticket", "attributes": {"stayed": NEEDED}, **ticket},
    )
    with stack.client() as client:
        for step in steps:
            answer = client.post("/api/v1/steps", json=step)
            assert answer.status_code == 201, answer.text
        body = {"id": "tour", "goals": ["ticket-of-tour"], "options": {"compensate": True}}
        assert client.post("/api/v1/flows", json=body).status_code == 201
    yield is_sold_out
    is_sold_out.set()
    with stack.client() as client:
        for step in steps:
            assert client.delete(f"/api/v1/steps/{step['id']}").is_success


def test_says_that_it_may_be_undone_and_then_that_it_was(
    browse: Browse, sold_out: threading.Event
) -> None:
    with browse() as tab:
        tab.log_in()
        tab.open("/flows/tour?step=stay-of-tour")
        child = tab.page.locator("[data-part=children] a[href*='tour:stay-of-tour:']").first
        expect(child).to_be_visible(timeout=PATIENCE_MS)
        address = str(child.get_attribute("href"))
        children = tab.page.locator("[data-part=children] .panel").first
        assert children.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
        tab.open(address)
        state = tab.page.locator("[data-of=state]")
        expect(state).to_have_text("completed, finishing", timeout=PATIENCE_MS)
        expect(tab.page.locator(".why")).to_contain_text("it ends once tour cannot have it undone")
        expect(tab.page.get_by_text("If its parent fails")).to_be_visible()

        sold_out.set()

        expect(state).to_have_text("compensated", timeout=PATIENCE_MS)
        expect(tab.page.locator(".why")).to_contain_text("was undone when its parent asked")
        tab.open(f"{address}?at=2")
        expect(state).to_have_text("active")
