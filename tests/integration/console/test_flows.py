"""The pages of flows: what they show, now and of the past."""

import html
import re
from urllib.parse import quote

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from tests.integration.console.conftest import Visitor
from tests.integration.console.flow_pages import (
    HOSTILE,
    OPERATORS,
    READERS,
    flow,
    graph_of,
    part,
    register,
    start,
)
from tests.integration.console.reading import page_of
from workflows.flows import selectors, services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import FlowSummary
from workflows.work import runner

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("step_functions")]


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

    @pytest.mark.parametrize(
        ("status", "is_undone", "is_partly_undone", "says"),
        [
            ("active", True, False, "compensating"),
            ("completed", True, False, "compensated"),
            ("completed", True, True, "partly undone"),
            ("completed", False, True, "completed not all undone"),
            ("failed", False, True, "failed not all undone"),
            ("failed", False, False, "failed"),
        ],
    )
    def test_says_how_much_of_a_flow_was_undone(
        self, *, status: str, is_undone: bool, is_partly_undone: bool, says: str
    ) -> None:
        outcome = "failed" if status == "failed" else "completed"
        row = FlowSummary(
            status=status,
            outcome=outcome,
            is_undone=is_undone,
            is_partly_undone=is_partly_undone,
        )

        shown = render_to_string("console/flows/_state.html", {"flow": row})

        assert re.sub("<[^>]*>", "", shown).strip() == says


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
            "step:ticket": "mute",
            "attribute:seat": "ok",
            "attribute:card": "ok",
            "attribute:receipt": "mute",
        }

    def test_says_in_words_what_the_graph_shows(self, visitor: Visitor, trip: str) -> None:
        steps = part(page_of(visitor(*READERS), f"/flows/{trip}"), "steps")

        assert "hold outputs: seat completed" in steps
        assert "pay inputs: seat, card; outputs: receipt retrying try 2" in steps
        assert "ticket goal inputs: receipt pending" in steps

    def test_names_the_input_that_nobody_can_give_any_more(
        self, visitor: Visitor, trip: str
    ) -> None:
        services.skip_step(flow_id=trip, step_id="pay", reason="No till")

        page = page_of(visitor(*READERS), f"/flows/{trip}?step=ticket")

        assert "required input no longer available: receipt<" in page

    def test_shows_many_items_page_by_page(self, visitor: Visitor) -> None:
        each = {
            "id": "each",
            "name": "Each",
            "type": "wait",
            "wait": {"for_ms": 60_000},
            "attributes": {"n": {"role": "required", "required": {"for_each": True}}},
        }
        services.register_step(step=step_from_json(each))
        services.start_flow(flow_id="many", goals=["each"], init={"n": [list(range(120))]})
        client = visitor(*READERS)

        first = page_of(client, "/flows/many?step=each")
        more = re.search(r'data-key="items:later" href="([^"]*)"', first)
        assert more is not None
        second = page_of(client, "/flows/many" + html.unescape(more[1]))
        beyond = page_of(client, "/flows/many?step=each&items=999999")

        assert "1 to 50 of 120, what wants attention first." in part(first, "picked")
        assert "items:earlier" not in first
        assert "51 to 100 of 120" in part(second, "picked")
        assert '{ "n": 50 }' in part(second, "picked")
        assert "101 to 120 of 120" in part(beyond, "picked")
        assert "items:later" not in beyond

    def test_says_that_there_were_more_reasons_than_it_shows(self, visitor: Visitor) -> None:
        each = {
            "id": "each",
            "name": "Each",
            "type": "script",
            "script": {"language": "ale", "script": "{}"},
            "attributes": {"n": {"role": "required", "required": {"for_each": True}}},
        }
        services.register_step(step=step_from_json(each))
        client = visitor(*READERS)

        for count, says in ((8, "work_succeeded (each) ."), (9, "work_succeeded (each) and more.")):
            flow_id = f"of-{count}"
            start(flow_id, "each", n=list(range(count)))
            picked = part(page_of(client, f"/flows/{flow_id}?step=each"), "picked")
            assert picked.count("work_succeeded (each)") == 8
            assert says in picked

    def test_says_why_no_step_had_to_run(self, visitor: Visitor) -> None:
        absent = {"role": "required", "required": {"collect": "none"}}
        ask = {"id": "ask", "name": "Ask", "type": "wait", "wait": {"for_ms": 60_000}}
        services.register_step(step=step_from_json({**ask, "attributes": {"address": absent}}))
        services.start_flow(flow_id="known", goals=["ask"], init={"address": ["here"]})

        assert (
            "Done: with what was given, no step had to run; ask runs only without address."
        ) in part(page_of(visitor(*READERS), "/flows/known"), "head")

    def test_promises_no_try_that_a_pause_holds(self, visitor: Visitor, trip: str) -> None:
        services.pause_flow(flow_id=trip, reason="storm")

        page = page_of(visitor(*OPERATORS), f"/flows/{trip}?step=pay")

        assert "outputs: receipt paused try 2 once it is resumed" in part(page, "steps")
        assert "pay paused" in part(page, "picked")
        assert "work not completed: the till is closed" in part(page, "picked")
        assert "try 2 once it is resumed" in part(page, "picked")
        assert "data-countdown" not in page
        assert "Retry now" in page

    def test_promises_no_try_once_the_flow_is_over(self, visitor: Visitor, trip: str) -> None:
        services.cancel_flow(flow_id=trip, reason="storm")

        page = page_of(visitor(*OPERATORS), f"/flows/{trip}?step=pay")

        assert "outputs: receipt stopped" in part(page, "steps")
        assert "pay stopped" in part(page, "picked")
        assert "data-countdown" not in page
        assert "Retry now" not in page

    def test_says_of_one_that_is_cancelled_what_still_has_to_end(
        self, visitor: Visitor, step_functions: None
    ) -> None:
        register("hold", seat="output")
        services.start_flow(flow_id="trip", goals=["hold"], init={})
        services.cancel_flow(flow_id="trip", reason="storm")

        head = part(page_of(visitor(*READERS), "/flows/trip"), "head")

        assert "failed, finishing" in head
        assert "flow cancelled: by an operator Still under way: Step hold" in head

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

        assert "You are viewing the past: the flow after event 2 of" in part(page, "head")
        assert graph_of(page) == {
            "step:hold": "run",
            "step:pay": "mute",
            "step:ticket": "mute",
            "attribute:seat": "mute",
            "attribute:card": "ok",
            "attribute:receipt": "mute",
        }
        assert "hold outputs: seat active" in part(page, "steps")
        assert f'action="/flows/{trip}/' not in page

    def test_takes_an_event_that_is_still_to_come_for_now(
        self, visitor: Visitor, trip: str
    ) -> None:
        page = page_of(visitor(*READERS), f"/flows/{trip}?at=9999")

        assert "You are viewing the past" not in page

    @pytest.mark.parametrize("query", ["at=0", "at=x", "event=-1", f"at={'9' * 30}"])
    def test_knows_no_event_that_cannot_be(self, visitor: Visitor, trip: str, query: str) -> None:
        page_of(visitor(*READERS), f"/flows/{trip}?{query}", status=404)

    def test_knows_no_other_flow(self, visitor: Visitor) -> None:
        page_of(visitor(*READERS), "/flows/nothing", status=404)

    @pytest.mark.parametrize("flow_id", ["x" * 600, "~=", "a%00b"])
    def test_is_not_there_under_an_id_that_no_flow_can_have(
        self, visitor: Visitor, flow_id: str
    ) -> None:
        page_of(visitor(*READERS), f"/flows/{flow_id}", status=404)

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

    def test_says_why_a_flow_failed_of_which_no_step_has(self, visitor: Visitor) -> None:
        match = {"match": {"language": "cel", "script": "value > 5"}}
        gated = {"n": {"role": "required", "required": match}}
        held = {"id": "hold", "name": "hold", "type": "python", "python": {"callable": "hold"}}
        services.register_step(step=step_from_json({**held, "attributes": gated}))
        start("trip", "hold", n=1)

        head = part(page_of(visitor(*READERS), "/flows/trip"), "head")

        assert flow("trip").error == "flow failed"
        assert "No goal had to run: what each requires did not match." in head

    def test_says_first_of_all_what_could_not_be_undone(self, visitor: Visitor) -> None:
        python = {"callable": "hold", "compensate": "fail"}
        held = {"id": "hold", "name": "hold", "type": "python", "python": python}
        services.register_step(step=step_from_json(held))
        register("pay")
        start("trip", "hold", "pay")
        services.cancel_flow(flow_id="trip", reason="storm", compensates=True)
        while runner.work_off(worker="test", kinds=["flow.compensate"]):
            pass
        client = visitor(*READERS)

        head = part(page_of(client, "/flows/trip"), "head")

        assert "flow cancelled: by an operator What hold did could not be undone." in head
        assert "could not be undone" not in part(page_of(client, "/flows/trip?at=1"), "head")
        assert "not all undone" in page_of(client, "/flows")

    def test_of_many_child_flows_names_what_failed_and_says_how_many_there_are(
        self, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        register("pay", receipt="output")
        start("trip", "pay")
        now = timezone.now()
        for status in ("completed", "active", "failed"):
            known = {"status": status, "outcome": status, "status_at": now, "started_at": now}
            FlowSummary.objects.create(flow_id=f"a-{status}", parent_flow_id="trip", **known)
        monkeypatch.setattr(selectors, "CHILDREN_SHOWN_MAX", 2)

        page = part(page_of(visitor(*READERS), "/flows/trip"), "children")

        assert "Child flows 2 of 3: what failed, then what is under way" in page
        assert re.findall(r"a-\w+", page) == ["a-active", "a-failed"]

    def test_says_of_child_flows_that_they_are_shown_as_they_are_now(
        self, visitor: Visitor
    ) -> None:
        register("pay", receipt="output")
        parent = {"id": "sub", "name": "sub", "type": "flow", "flow": {"goals": ["pay"]}}
        services.register_step(step=step_from_json(parent))
        start("outer", "sub")
        client = visitor(*READERS)

        then = part(page_of(client, "/flows/outer?at=1"), "children")

        assert "Child flows as they are now" in then
        assert "as they are now" not in part(page_of(client, "/flows/outer"), "children")

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
