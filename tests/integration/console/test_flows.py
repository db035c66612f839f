"""The pages of flows: what they show now and of the past, and what may be done from them."""

import html
import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from tests.integration.console.conftest import Visitor
from workflows.flows import callables, engine, services
from workflows.flows.domain.flow import Flow
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import FlowSummary
from workflows.work import runner

pytestmark = pytest.mark.django_db(transaction=True)

READERS = ("flow.read", "step.read")
OPERATORS = (*READERS, "flow.pause", "flow.cancel", "flow.intervene", "flow.fork", "flow.start")
HOSTILE = "</script><script>alert(1)</script>\u202e"


@pytest.fixture(autouse=True)
def _functions(monkeypatch: pytest.MonkeyPatch) -> None:
    def try_again(_inputs: Any) -> None:
        raise callables.TryAgain("the till is closed")

    known = {"hold": lambda _: {"seat": "12A"}, "pay": try_again, "fail": _fail}
    monkeypatch.setattr(callables, "_registered", known)


def _fail(_inputs: Any) -> None:
    raise ValueError(HOSTILE)


def register(id_: str, **attributes: str) -> None:
    document = {
        "id": id_,
        "name": id_,
        "type": "python",
        "python": {"callable": id_ if id_ in {"hold", "pay", "fail"} else "hold"},
        "attributes": {name: {"role": role} for name, role in attributes.items()},
    }
    services.register_step(step=step_from_json(document))


def start(flow_id: str, *goals: str, **init: Any) -> None:
    services.start_flow(
        flow_id=flow_id, goals=goals, init={key: [value] for key, value in init.items()}
    )
    while runner.work_off(worker="test", kinds=["flow.invoke"]):
        pass


@pytest.fixture
def trip() -> str:
    """A flow that held a seat and waits to try again to pay."""
    register("hold", seat="output")
    register("pay", seat="required", card="required", receipt="output")
    register("ticket", receipt="required")
    start("trip", "ticket", card="4242")
    return "trip"


def page_of(client: Client, address: str, *, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response.content.decode()[:2000]
    return response.content.decode()


def part(page: str, name: str) -> str:
    """The text of one part, blanks as one."""
    _, _, rest = page.partition(f'data-part="{name}"')
    text = re.sub(r"<[^>]*>", " ", rest.partition("data-part=")[0].partition(">")[2])
    return re.sub(r"\s+", " ", html.unescape(text))


def graph_of(page: str) -> dict[str, str]:
    """The tone of each node."""
    found = re.search(r'data-graph-source="([^"]*)"', page)
    assert found is not None
    nodes = json.loads(html.unescape(found[1]))["nodes"]
    return {node["id"]: node["tone"] for node in nodes}


def flow(flow_id: str) -> Flow:
    found = engine.flow(flow_id)
    assert found is not None
    return found


class TestListing:
    def test_is_for_those_who_may_see_flows(self, client: Client, visitor: Visitor) -> None:
        assert client.get("/flows")["Location"] == "/login/?next=/flows"
        page_of(visitor("step.read", name="bob"), "/flows", status=403)
        assert "No flow was started yet" in page_of(visitor(*READERS), "/flows")

    def test_keeps_to_the_filters_of_its_address(self, visitor: Visitor) -> None:
        register("hold", seat="output")
        register("fail")
        services.start_flow(flow_id="a", goals=["hold"], init={}, labels={"env": "prod"})
        start("b", "fail")
        client = visitor(*READERS)

        def shown(query: str) -> list[str]:
            return re.findall(r'data-key="flow:(\w)"', page_of(client, f"/flows?{query}"))

        assert shown("") == ["b", "a"]
        assert shown("status=failed") == ["b"]
        assert shown("goal=hold") == ["a"]
        assert shown("label=env%3Dprod") == ["a"]
        assert shown("label=env%3Dtest") == []
        assert shown("id=b") == ["b"]
        assert shown("since=1h") == ["b", "a"]
        assert shown("until=1h") == []
        assert shown("before=b") == ["a"]
        assert shown("before=unknown") == []

    @pytest.mark.parametrize("query", ["label=prod", "since=soon", "status=lost"])
    def test_marks_filters_that_cannot_be_used(self, visitor: Visitor, query: str) -> None:
        page = page_of(visitor(*READERS), f"/flows?{query}", status=400)

        assert "These filters cannot be used" in page

    def test_goes_back_page_by_page(self, visitor: Visitor) -> None:
        register("hold", seat="output")
        for number in range(51):
            services.start_flow(flow_id=f"f{number}", goals=["hold"], init={})
        client = visitor(*READERS)

        first = page_of(client, "/flows")
        older = re.search(r'href="(\?[^"]*before=[^"]*)" rel="next"', first)
        assert older is not None
        second = page_of(client, "/flows" + html.unescape(older[1]))

        assert re.findall(r'data-key="flow:(\w+)"', second) == ["f0"]


class TestDetail:
    def test_says_why_it_waits_and_when_it_is_tried_again(
        self, visitor: Visitor, trip: str
    ) -> None:
        page = page_of(visitor(*READERS), f"/flows/{trip}")

        assert "Step pay is tried again at" in part(page, "head")
        assert "the till is closed" in part(page, "head")
        assert "Next wake-up:" in part(page, "head")
        assert "data-countdown" in page
        assert graph_of(page) == {
            "step:hold": "ok",
            "step:pay": "wait",
            "step:ticket": "wait",
            "attribute:seat": "ok",
            "attribute:card": "ok",
            "attribute:receipt": "mute",
        }

    def test_says_in_words_what_the_graph_shows(self, visitor: Visitor, trip: str) -> None:
        steps = part(page_of(visitor(*READERS), f"/flows/{trip}"), "steps")

        assert "hold gives seat completed" in steps
        assert "pay takes seat, card; gives receipt retrying try 2" in steps
        assert "ticket goal takes receipt pending" in steps

    def test_shows_what_one_step_took_and_why_it_ended(self, visitor: Visitor, trip: str) -> None:
        picked = part(page_of(visitor(*READERS), f"/flows/{trip}?step=hold"), "picked")

        assert "step completed at event" in picked
        assert "work_succeeded (hold)" in picked
        assert '{ "seat": "12A" }' in picked

    def test_traces_an_attribute_to_its_step_item_and_inputs(
        self, visitor: Visitor, trip: str
    ) -> None:
        client = visitor(*READERS)

        given = part(page_of(client, f"/flows/{trip}?attribute=card"), "picked")
        made = part(page_of(client, f"/flows/{trip}?attribute=seat"), "picked")

        assert "Given when the flow was started" in given
        assert '"4242"' in given
        assert "From step hold" in made
        assert flow(trip).executions["hold"].order[0][:8] in made

    def test_shows_an_event_with_its_step(self, visitor: Visitor, trip: str) -> None:
        page = page_of(visitor(*READERS), f"/flows/{trip}?event=2")

        assert "Event 2 Close step_started of hold" in part(page, "picked")
        assert 'data-step="hold" aria-current="true"' in page

    def test_shows_the_flow_as_it_was(self, visitor: Visitor, trip: str) -> None:
        client = visitor(*OPERATORS)

        page = page_of(client, f"/flows/{trip}?at=2")

        assert "You look at the past: as it was after event 2 of" in part(page, "head")
        assert graph_of(page) == {
            "step:hold": "run",
            "step:pay": "wait",
            "step:ticket": "wait",
            "attribute:seat": "mute",
            "attribute:card": "ok",
            "attribute:receipt": "mute",
        }
        assert "hold gives seat active" in part(page, "steps")
        assert f'action="/flows/{trip}/' not in page

    def test_takes_an_event_that_is_still_to_come_for_now(
        self, visitor: Visitor, trip: str
    ) -> None:
        page = page_of(visitor(*READERS), f"/flows/{trip}?at=9999")

        assert "You look at the past" not in page

    @pytest.mark.parametrize("query", ["at=0", "at=x", "event=-1", f"at={'9' * 30}"])
    def test_knows_no_event_that_cannot_be(self, visitor: Visitor, trip: str, query: str) -> None:
        page_of(visitor(*READERS), f"/flows/{trip}?{query}", status=404)

    def test_knows_no_other_flow(self, visitor: Visitor) -> None:
        page_of(visitor(*READERS), "/flows/nothing", status=404)

    def test_never_lets_an_error_or_an_input_become_markup(self, visitor: Visitor) -> None:
        register("fail", card="required", **{HOSTILE: "output"})
        start("bad", "fail", card=HOSTILE)
        client = visitor(*READERS)

        for query in ("", "?step=fail", "?attribute=card", "?event=1"):
            page = page_of(client, f"/flows/bad{query}")
            assert "<script>alert" not in page
            assert "\u202e" not in page

    @pytest.mark.parametrize("flow_id", ["steps", "new", "..", "a+b"])
    def test_is_found_whatever_its_id(self, visitor: Visitor, flow_id: str) -> None:
        register("hold", seat="output")
        start(flow_id, "hold")
        client = visitor(*READERS)

        link = re.search(r'data-row data-key="[^"]*" href="([^"]*)"', page_of(client, "/flows"))

        assert link is not None
        assert f"<h1>{html.escape(flow_id)}</h1>" in page_of(client, html.unescape(link[1]))

    def test_leads_from_a_child_to_its_parent_and_back(self, visitor: Visitor) -> None:
        register("pay", receipt="output")
        parent = {"id": "sub", "name": "sub", "type": "flow", "flow": {"goals": ["pay"]}}
        services.register_step(step=step_from_json(parent))
        start("outer", "sub")
        child = FlowSummary.objects.get(parent_flow_id="outer").flow_id
        client = visitor(*READERS)

        outer = page_of(client, "/flows/outer?step=sub")
        inner = page_of(client, f"/flows/{quote(child)}")

        assert f'href="/flows/{child}"' in outer
        assert "Step sub waits for its child flow" in part(outer, "head")
        assert 'href="/flows/outer?step=sub"' in inner


class TestActions:
    def test_are_offered_as_state_and_visitor_allow(self, visitor: Visitor, trip: str) -> None:
        operator, reader = visitor(*OPERATORS), visitor(*READERS, name="bob")

        def offers(client: Client, query: str = "") -> set[str]:
            page = page_of(client, f"/flows/{trip}{query}")
            return set(re.findall(rf'action="/flows/{trip}/([\w/]+)"', page))

        assert offers(operator) == {"pause", "cancel"}
        assert offers(operator, "?step=hold") == {"pause", "cancel"}
        assert offers(operator, "?step=pay") == {
            "pause",
            "cancel",
            "steps/pay/skip",
            "steps/pay/force",
            "steps/pay/retry",
        }
        assert offers(reader, "?step=pay") == set()

    def test_pause_and_resume_hold_it_and_let_it_go(self, visitor: Visitor, trip: str) -> None:
        client = visitor(*OPERATORS)

        paused = client.post(f"/flows/{trip}/pause", {"reason": "the till"}, follow=True)
        assert flow(trip).is_paused
        assert "It is paused; somebody has to resume it." in paused.content.decode()
        client.post(f"/flows/{trip}/resume", {"reason": "the till is back"})

        assert not flow(trip).is_paused

    def test_cancel_ends_it_with_the_reason(self, visitor: Visitor, trip: str) -> None:
        visitor(*OPERATORS).post(f"/flows/{trip}/cancel", {"reason": "Ordered twice"})

        assert flow(trip).status == "failed"
        assert "Ordered twice" in flow(trip).error

    def test_retry_does_not_wait_any_longer(self, visitor: Visitor, trip: str) -> None:
        [token] = flow(trip).executions["pay"].order

        visitor(*OPERATORS).post(
            f"/flows/{trip}/steps/pay/retry", {"reason": "It is back", "token": token}
        )

        assert flow(trip).executions["pay"].items[token].status == "active"

    def test_force_says_what_the_step_gave(self, visitor: Visitor, trip: str) -> None:
        visitor(*OPERATORS).post(
            f"/flows/{trip}/steps/pay/force",
            {"reason": "Paid in cash", "outputs": '{"receipt": "r1"}'},
        )

        assert flow(trip).values("receipt")[0].value == "r1"

    @pytest.mark.parametrize("outputs", ["[1]", "{", '{"a": NaN}'])
    def test_force_marks_what_is_no_object_and_does_nothing(
        self, visitor: Visitor, trip: str, outputs: str
    ) -> None:
        response = visitor(*OPERATORS).post(
            f"/flows/{trip}/steps/pay/force", {"reason": "Cash", "outputs": outputs}
        )

        assert response.status_code == 400
        assert "JSON" in part(response.content.decode(), "picked")
        assert flow(trip).executions["pay"].status == "active"

    def test_skip_does_without_the_step(self, visitor: Visitor, trip: str) -> None:
        visitor(*OPERATORS).post(f"/flows/{trip}/steps/pay/skip", {"reason": "Free of charge"})

        assert flow(trip).executions["pay"].status == "skipped"

    def test_say_so_when_the_state_has_changed_meanwhile(self, visitor: Visitor, trip: str) -> None:
        services.cancel_flow(flow_id=trip, reason="Over", compensates=False)

        response = visitor(*OPERATORS).post(
            f"/flows/{trip}/pause", {"reason": "Hold on"}, follow=True
        )

        assert "fork it to try again with other inputs" in response.content.decode()

    @pytest.mark.parametrize(
        ("path", "capability"),
        [
            ("pause", "flow.pause"),
            ("cancel", "flow.cancel"),
            ("steps/pay/skip", "flow.intervene"),
            ("fork", "flow.fork"),
        ],
    )
    def test_need_a_capability_each_and_a_reason(
        self, visitor: Visitor, trip: str, path: str, capability: str
    ) -> None:
        others = [each for each in OPERATORS if each != capability]
        before = flow(trip)

        refused = visitor(*others).post(f"/flows/{trip}/{path}", {"reason": "Because"})
        incomplete = visitor(*OPERATORS, name="eve").post(f"/flows/{trip}/{path}", {"reason": " "})

        assert (refused.status_code, incomplete.status_code) == (403, 400)
        assert flow(trip) == before


class TestFork:
    def test_begins_anew_with_edited_inputs_and_keeps_the_original(
        self, visitor: Visitor, trip: str
    ) -> None:
        client = visitor(*OPERATORS)
        page = page_of(client, f"/flows/{trip}/fork?from=pay")
        assert '<option value="pay" selected>' in page

        response = client.post(
            f"/flows/{trip}/fork",
            {
                "from_step": "pay",
                "new_flow_id": "trip-2",
                "init.card": '["5151"]',
                "reason": "Another card",
            },
        )

        assert response["Location"] == "/flows/trip-2"
        assert flow("trip-2").values("card")[0].value == "5151"
        assert flow("trip-2").executions["hold"].status == "completed"
        assert flow(trip).values("card")[0].value == "4242"
        assert "forked from" in page_of(client, "/flows/trip-2")

    @pytest.mark.parametrize(
        ("asked", "says"),
        [
            ({"init.card": "5151"}, "Write a JSON array."),
            ({"new_flow_id": "a/b"}, "flow ID contains invalid characters"),
            ({"new_flow_id": "trip"}, "flow exists with different plan or init: trip"),
            ({"from_step": "nothing"}, "Select a valid choice."),
        ],
    )
    def test_marks_what_cannot_be_and_starts_nothing(
        self, visitor: Visitor, trip: str, asked: dict[str, str], says: str
    ) -> None:
        form = {"from_step": "pay", "new_flow_id": "trip-2", "reason": "x", **asked}
        form = {"init.card": '["5151"]', **form}

        response = visitor(*OPERATORS).post(f"/flows/{trip}/fork", form)

        assert response.status_code == 400
        assert says in html.unescape(response.content.decode())
        assert FlowSummary.objects.count() == 1
