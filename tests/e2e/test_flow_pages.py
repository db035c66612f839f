"""A flow in a real browser: from the catalogue over its plan to its whole history."""

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, NARROW, PATIENCE_MS, WIDE, Browse, Visit, driver
from tests.live import eventually
from tests.support.step_server import Answer, Heard, StepServer, http_step, step_server

expect = driver().expect
pytestmark = IN_A_BROWSER

LABEL_CHARS_MAX = 26
LETTERS_MIN_PX = 8.5
HOSTILE = "</script><script>window.hurt=1</script>\u202e"


@pytest.fixture
def peer() -> Iterator[StepServer]:
    with step_server() as server:
        yield server


@pytest.fixture
def bank(peer: StepServer, stack: Stack) -> Iterator[threading.Event]:
    """Steps for a trip; charging takes until this is set."""
    is_open = threading.Event()

    def charge(_heard: Heard) -> Answer:
        assert is_open.wait(PATIENCE_MS / 1000), "nobody opened the bank"
        return 200, {"receipt": HOSTILE}

    peer.says |= {"/hold": (200, {"seat": "12A"}), "/charge": charge}
    with stack.client() as client:
        for step in (
            http_step(peer, "hold", trip="required", seat="output"),
            http_step(peer, "charge", seat="required", card="required", receipt="output"),
        ):
            answer = client.post("/api/v1/steps", json=step)
            assert answer.status_code == 201, answer.text
    yield is_open
    is_open.set()
    with stack.client() as client:
        for step_id in ("hold", "charge"):
            assert client.delete(f"/api/v1/steps/{step_id}").is_success


def cel_step(step_id: str, *, takes: str, gives: str = "") -> dict[str, Any]:
    gave = {gives: {"role": "output"}} if gives else {}
    return {
        "id": step_id,
        "name": step_id,
        "type": "script",
        "script": {"language": "cel", "script": "{}"},
        "attributes": {takes: {"role": "required"}, **gave},
    }


def nodes(tab: Visit) -> dict[str, dict[str, Any]]:
    """What the canvas shows, by node."""
    found = tab.page.evaluate("document.querySelector('[data-graph]').graph.nodes")
    return {node["id"]: node for node in found}


def shows(tab: Visit, **tones: str) -> None:
    """Wait until the steps on the canvas have these colours."""
    wanted = {f"step:{step_id}": tone for step_id, tone in tones.items()}
    condition = """wanted => {
        const shown = document.querySelector('[data-graph]')?.graph?.nodes ?? [];
        return Object.entries(wanted).every(([id, tone]) =>
            shown.some((node) => node.id === id && node.tone === tone));
    }"""
    tab.page.wait_for_function(condition, arg=wanted, timeout=PATIENCE_MS)


def marks(tab: Visit, node_id: str, name: str) -> None:
    """Wait until a node on the canvas has a mark of this name."""
    condition = """([id, name]) => {
        const shown = document.querySelector('[data-graph]')?.graph?.nodes ?? [];
        return shown.some((node) => node.id === id && node.classes.includes(name));
    }"""
    tab.page.wait_for_function(condition, arg=[node_id, name], timeout=PATIENCE_MS)


def click_node(tab: Visit, node_id: str) -> None:
    canvas = tab.page.locator("[data-graph]")
    canvas.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    box = canvas.bounding_box()
    at = nodes(tab)[node_id]["at"]
    assert box is not None
    tab.page.mouse.click(box["x"] + at["x"], box["y"] + at["y"])


class TestFlow:
    def test_is_planned_started_watched_and_looked_back_at(
        self, browse: Browse, stack: Stack, bank: threading.Event
    ) -> None:
        with browse() as tab:
            tab.log_in()
            self.plan_and_start(tab)
            self.watch(tab, bank)
            self.look_back(tab)
            self.pick(tab)
            self.play(tab)
            assert tab.page.evaluate("window.hurt") is None

    def test_is_planned_without_losing_what_is_typed_while_an_answer_is_under_way(
        self, browse: Browse, bank: threading.Event
    ) -> None:
        with browse() as tab:
            tab.log_in()
            tab.open("/flows/steps?goal=charge")
            shows(tab, hold="mute")
            plan = tab.page.locator("[data-part=plan]")
            held: list[Any] = []
            is_let_through = threading.Event()

            def hold(route: Any) -> None:
                held.append(route)
                if is_let_through.is_set():
                    route.continue_()

            of_seat = re.compile(r"/flows/steps\?.*seat")
            tab.page.route(of_seat, hold)
            with tab.page.expect_request(of_seat):
                tab.page.locator('[data-toggle="attribute:seat"]').first.click()
            # Typed by hand, key by key, and left: a field in use keeps the old part.
            plan.get_by_label("card").press_sequentially("4242")
            plan.get_by_label("card").blur()

            # Of those before, which the page may have asked for by itself, nobody waits any more.
            is_let_through.set()
            held[-1].continue_()

            expect(plan.get_by_label("seat")).to_be_visible()
            expect(plan.get_by_label("card")).to_have_value("4242")

    def plan_and_start(self, tab: Visit) -> None:
        tab.open("/flows/steps")
        shows(tab, hold="mute", charge="mute")
        click_node(tab, "step:charge")
        tab.page.wait_for_url(re.compile(r"goal=charge"))
        plan = tab.page.locator("[data-part=plan]")
        expect(plan).to_contain_text("Missing")
        marks(tab, "attribute:card", "missing")
        table = tab.page.locator(".long-names")
        assert table.evaluate("table => table.scrollWidth <= table.clientWidth")

        plan.get_by_label("card").fill("4242")
        click_node(tab, "attribute:seat")
        expect(plan.get_by_label("seat")).to_be_visible()
        marks(tab, "step:hold", "out")
        expect(plan.get_by_label("card")).to_have_value("4242")
        click_node(tab, "attribute:seat")
        expect(plan.get_by_label("seat")).to_be_hidden()

        plan.get_by_label("trip").fill("Rome")
        plan.get_by_label("Id of the flow").fill("trip-in-a-browser")
        plan.get_by_role("button", name="Start").click()
        tab.page.wait_for_url(re.compile("/flows/trip-in-a-browser$"))

    def watch(self, tab: Visit, bank: threading.Event) -> None:
        shows(tab, hold="ok", charge="run")
        expect(tab.page.locator(".why")).to_contain_text("Step charge is being worked on")
        before = {node_id: node["position"] for node_id, node in nodes(tab).items()}

        bank.set()

        shows(tab, hold="ok", charge="ok")
        assert {node_id: node["position"] for node_id, node in nodes(tab).items()} == before
        expect(tab.page.locator("[data-of=state]")).to_have_text("completed")
        expect(tab.page.locator(".why")).to_contain_text("Done: every goal is settled")
        expect(tab.page.locator("[data-said]")).to_contain_text("Done: every goal is settled")

    def look_back(self, tab: Visit) -> None:
        slider = tab.page.get_by_label("Shown after event")
        slider.fill("2")
        shows(tab, hold="run", charge="mute")
        tab.page.wait_for_url(re.compile(r"[?&]at=2"))
        expect(tab.page.locator(".why")).to_contain_text("the flow after event 2 of")
        seat = tab.page.locator("[data-part=attributes] tr", has_text="seat")
        expect(seat).to_contain_text("not there yet")

        tab.page.locator("h1").click()
        tab.page.keyboard.press("ArrowRight")
        tab.page.wait_for_url(re.compile(r"[?&]at=3"))
        tab.page.reload()
        shows(tab, hold="run", charge="mute")
        tab.page.keyboard.press("n")
        shows(tab, hold="ok", charge="ok")
        expect(seat).to_contain_text('"12A"')

    def pick(self, tab: Visit) -> None:
        click_node(tab, "step:charge")
        tab.page.wait_for_url(re.compile(r"step=charge"))
        row = tab.page.locator("[data-part=steps] tr[aria-current=true]")
        expect(row).to_contain_text("charge")
        picked = tab.page.locator("[data-part=picked]")
        expect(picked).to_contain_text("</script><script>window.hurt=1</script>\\u202e")
        marked = tab.page.locator("[data-part=events] tr[aria-current=true]")
        expect(marked.first).to_contain_text("charge")

        tab.page.locator("[data-part=events] a", has_text="attribute_set").last.click()
        tab.page.wait_for_url(re.compile(r"event=\d+"))
        expect(row).to_contain_text("hold")
        marks(tab, "step:hold", "picked")
        tab.page.go_back()
        expect(row).to_contain_text("charge")

    def play(self, tab: Visit) -> None:
        """The next event is asked for once this one is shown, however long that takes."""
        held: list[Any] = []

        def hold(route: Any) -> None:
            held.append(route)

        def has_asked(times: int) -> bool:
            # Again and again: it may not have begun to wait when time passed before.
            tab.page.clock.run_for(700)
            return len(held) == times

        tab.page.clock.install()
        tab.open("/flows/trip-in-a-browser?at=2")
        tab.page.route(re.compile(r"[?&]at=[34]"), hold)
        tab.page.get_by_role("button", name="Play").click()
        eventually(lambda: has_asked(1))

        tab.page.clock.run_for(2_100)
        assert len(held) == 1
        held[0].continue_()
        expect(tab.page.locator(".why")).to_contain_text("the flow after event 3 of")
        eventually(lambda: has_asked(2))
        tab.page.get_by_role("button", name="Stop").click()
        expect(tab.page.get_by_role("button", name="Play")).to_be_visible()
        held[1].continue_()


class TestFrame:
    def test_has_no_complaints_and_never_scrolls_sideways(
        self, browse: Browse, stack: Stack, bank: threading.Event
    ) -> None:
        bank.set()
        flow_id = "frame"
        body = {"id": flow_id, "goals": ["charge"], "init": {"trip": ["Rome"], "card": ["W" * 300]}}
        with stack.client() as client:
            assert client.post("/api/v1/flows", json=body).status_code == 201
        with browse() as tab:
            tab.log_in()
            for address in (
                "/flows",
                f"/flows/{flow_id}?step=charge",
                f"/flows/{flow_id}?at=2&event=2",
                f"/flows/{flow_id}?attribute=card",
                f"/flows/{flow_id}/fork",
                "/flows/steps?goal=charge&given=seat",
                "/flows/steps/charge",
                "/flows/steps/charge/edit",
                "/flows/steps/new?as=json",
            ):
                tab.fits(address)

    def test_letters_of_the_canvas_stand_out_in_both_themes(
        self, browse: Browse, stack: Stack, bank: threading.Event
    ) -> None:
        for scheme in ("light", "dark"):
            with browse(color_scheme=scheme) as tab:
                tab.log_in()
                tab.open("/flows/steps?goal=charge")
                shows(tab, charge="mute")

                colours = tab.page.evaluate("document.querySelector('[data-graph]').graph.colours")

                for node_id, (text, ground) in json.loads(colours).items():
                    assert contrast(text, ground) >= 4.5, (scheme, node_id)


def test_a_long_plan_is_drawn_with_letters_that_can_be_read_and_scrolls(
    browse: Browse, stack: Stack
) -> None:
    steps = [cel_step(f"link-{n:02d}", takes=f"chain{n}", gives=f"chain{n + 1}") for n in range(25)]
    with stack.client() as client, browse() as tab:
        for step in steps:
            assert client.post("/api/v1/steps", json=step).status_code == 201
        tab.log_in()
        for size in (WIDE, NARROW):
            tab.page.set_viewport_size(size)
            tab.open("/flows/steps?goal=link-24")
            canvas = tab.page.locator("[data-graph][data-drawn]")

            assert canvas.evaluate("canvas => canvas.graph.letters") >= LETTERS_MIN_PX
            at = nodes(tab)["step:link-24"]["at"]
            room = canvas.bounding_box()
            assert 0 < at["x"] < room["width"]
            assert 0 < at["y"] < room["height"]
            reached = canvas.evaluate("canvas => (canvas.scrollTo(0, 0), canvas.scrollTop)")
            assert reached == 0
            tab.page.get_by_role("button", name="Fit").click()
            assert canvas.evaluate("canvas => canvas.scrollHeight <= canvas.clientHeight")
        for step in steps:
            assert client.delete(f"/api/v1/steps/{step['id']}").is_success


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_longest_ids_never_make_a_page_scroll_sideways(browse: Browse, stack: Stack) -> None:
    step_id, flow_id, attribute = "s" * 200, "f" * 256, "a" * 150
    step = cel_step(step_id, takes=attribute)
    asked = {"id": flow_id, "goals": [step_id], "init": {attribute: ["x" * 3_000]}}
    with stack.client() as client:
        for path, body in (("steps", step), ("flows", asked)):
            assert client.post(f"/api/v1/{path}", json=body).status_code == 201

        with browse() as tab:
            tab.log_in()
            tab.fits("/flows")
            # The widest that has no menu beside its tables, and the narrowest that has one.
            for width in (750, 960):
                tab.page.set_viewport_size({**WIDE, "width": width})
                assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            tab.fits(f"/flows/{flow_id}?step={step_id}")
            tab.fits(f"/flows/steps/{step_id}")
            tab.fits("/flows/steps")
            tab.page.locator("[data-graph][data-drawn]").wait_for()
            lines = [line for node in nodes(tab).values() for line in node["text"].split("\n")]
            assert max(map(len, lines)) == LABEL_CHARS_MAX
            of_steps = {"target_type": "step"}
            newest = client.get("/api/v1/ledger/entries", params=of_steps).json()["results"][0]
            tab.fits(f"/admin/ledger/entry/{newest['id']}/change/")

        assert client.delete(f"/api/v1/steps/{step_id}").is_success


def test_a_long_list_is_drawn_when_it_is_unfolded(browse: Browse, stack: Stack) -> None:
    step = cel_step("idle", takes="many")
    asked = {"id": "long-list", "goals": ["idle"], "init": {"many": [list(range(1_000))]}}
    with stack.client() as client, browse() as tab:
        for path, body in (("steps", step), ("flows", asked)):
            assert client.post(f"/api/v1/{path}", json=body).status_code == 201
        tab.log_in()
        tab.open("/flows/long-list?attribute=many")
        value = tab.page.locator(".json .number")
        expect(tab.page.locator(".json summary").first).to_have_text("[ 1000 … ]")
        expect(value).to_have_count(0)

        tab.page.locator(".json summary").first.click()

        expect(value).to_have_count(1_000)
        assert client.delete("/api/v1/steps/idle").is_success
