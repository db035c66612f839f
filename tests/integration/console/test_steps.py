"""The catalogue of steps: the plan for chosen goals, and starting a flow."""

import html
import json
import re
from typing import Any

import pytest
from django.test import Client

from tests.integration.console.conftest import Visitor
from tests.integration.console.reading import page_of
from workflows.flows import services
from workflows.flows.domain.cluster import Health, HealthStatus
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import engine
from workflows.flows.models import FlowSummary

pytestmark = pytest.mark.django_db(transaction=True)

STARTERS = ("step.read", "flow.read", "flow.start")
KEEPERS = ("step.read", "step.manage")
HOSTILE = "</script><script>alert(1)</script>\u202e"


def register(id_: str, *, name: str = "", **attributes: Any) -> None:
    document = {
        "id": id_,
        "name": name or id_,
        "type": "wait",
        "wait": {"for_ms": 60_000},
        "attributes": {
            key: spec if isinstance(spec, dict) else {"role": spec}
            for key, spec in attributes.items()
        },
    }
    services.register_step(step=step_from_json(document))


def words(page: str, name: str) -> str:
    """The text of one part, blanks as one."""
    _, _, rest = page.partition(f'data-part="{name}"')
    text = re.sub(r"<[^>]*>", " ", rest.partition("data-part=")[0].partition(">")[2])
    return re.sub(r"\s+", " ", html.unescape(text))


def marks_of(page: str) -> dict[str, list[str]]:
    found = re.search(r'data-graph-source="([^"]*)"', page)
    assert found is not None
    return {one["id"]: one["marks"] for one in json.loads(html.unescape(found[1]))["nodes"]}


@pytest.fixture
def _trip() -> None:
    register("hold", trip={"role": "required", "type": "string"}, seat="output")
    tip = {"role": "optional", "type": "number"}
    register("pay", seat="required", card="required", tip=tip, receipt="output")
    register("other", thing="output")


@pytest.mark.usefixtures("_trip")
class TestCatalogue:
    def test_is_for_those_who_may_see_steps(self, client: Client, visitor: Visitor) -> None:
        assert client.get("/flows/steps")["Location"] == "/login/?next=/flows/steps"
        page_of(visitor("flow.read"), "/flows/steps", status=403)

    def test_shows_every_step_with_its_health(self, visitor: Visitor) -> None:
        sick = Health(status=HealthStatus.UNHEALTHY, error="HTTP 500")
        services.report_health(step_id="pay", health=sick)

        page = page_of(visitor("step.read"), "/flows/steps")

        assert "pay wait pay seat, card, tip receipt unhealthy" in words(page, "steps")
        assert "HTTP 500" in words(page, "steps")
        assert "No goal yet" in words(page, "plan")
        assert "step:other" in marks_of(page)

    def test_shows_the_plan_and_what_it_lacks(self, visitor: Visitor) -> None:
        page = page_of(visitor("step.read"), "/flows/steps?goal=pay")

        plan = words(page, "plan")
        assert "Runs 2 steps" in plan
        assert "Missing trip, card" in plan or "Missing card, trip" in plan
        assert marks_of(page) == {
            "step:hold": [],
            "step:pay": ["goal"],
            "step:other": ["out"],
            "attribute:trip": ["missing"],
            "attribute:seat": [],
            "attribute:card": ["missing"],
            "attribute:tip": ["out"],
            "attribute:receipt": [],
            "attribute:thing": ["out"],
        }
        assert "lacks" not in words(page, "steps")

    def test_says_that_a_goal_runs_only_without_what_is_given(self, visitor: Visitor) -> None:
        absent = {"role": "required", "required": {"collect": "none"}}
        ask = {"id": "ask", "name": "Ask", "type": "wait", "wait": {"for_ms": 60_000}}
        services.register_step(step=step_from_json({**ask, "attributes": {"address": absent}}))

        page = page_of(visitor("step.read"), "/flows/steps?goal=ask&given=address")

        assert "Runs nothing: ask runs only without address" in words(page, "plan")

    def test_plans_without_what_the_visitor_gives(self, visitor: Visitor) -> None:
        page = page_of(visitor("step.read"), "/flows/steps?goal=pay&given=seat")

        assert "Runs 1 step: pay Missing card" in words(page, "plan")
        assert marks_of(page)["step:hold"] == ["out"]
        assert "not needed: what it gives is there" in words(page, "steps")

    def test_asks_for_nothing_that_an_optional_input_could_be_made_of(
        self, visitor: Visitor
    ) -> None:
        register(
            "guess",
            trip={"role": "required", "type": "string"},
            tip={"role": "output", "type": "number"},
        )

        plan = words(page_of(visitor(*STARTERS), "/flows/steps?goal=pay&given=seat"), "plan")

        assert "Runs 1 step: pay Missing card" in plan
        assert " trip " not in plan

    def test_says_what_the_flow_of_a_flow_step_will_lack(self, visitor: Visitor) -> None:
        nest = {"id": "nest", "name": "nest", "type": "flow", "flow": {"goals": ["hold"]}}
        services.register_step(step=step_from_json(nest))

        plan = words(page_of(visitor("step.read"), "/flows/steps?goal=nest"), "plan")

        assert "Would fail nest: its flow lacks trip" in plan

    def test_leaves_out_goals_that_there_are_not(self, visitor: Visitor) -> None:
        page = page_of(visitor("step.read"), "/flows/steps?goal=gone&given=nothing")

        assert "No goal yet" in words(page, "plan")

    def test_offers_to_start_only_to_who_may(self, visitor: Visitor) -> None:
        reader, starter = visitor("step.read"), visitor(*STARTERS, name="bob")

        assert 'action="/flows/start"' not in page_of(reader, "/flows/steps?goal=pay")
        form = page_of(starter, "/flows/steps?goal=pay")
        assert set(re.findall(r'name="init\.(\w+)"', form)) == {"trip", "card", "tip"}

    def test_never_lets_a_name_become_markup(self, visitor: Visitor) -> None:
        register("evil", name=HOSTILE, **{HOSTILE: "required"})
        client = visitor(*STARTERS, "step.manage")

        for address in ("", "?goal=evil", "/evil", "/evil/edit"):
            page = page_of(client, f"/flows/steps{address}")
            assert "<script>alert" not in page


@pytest.mark.usefixtures("_trip")
class TestStart:
    FORM = {"goal": "pay", "flow_id": "t1", "init.trip": "Rome", "init.card": '"4242"'}

    def test_starts_a_flow_with_the_values_of_the_form(self, visitor: Visitor) -> None:
        options = {"labels": "env=prod, team=sales", "timeout_s": "60", "compensate": "on"}

        client = visitor(*STARTERS)
        response = client.post("/flows/start", self.FORM | options)

        assert response["Location"] == "/flows/t1"
        assert "Timeout 1.0 min after the start" in words(page_of(client, "/flows/t1"), "facts")
        flow = engine.flow("t1")
        assert flow is not None
        assert flow.plan.goals == ("pay",)
        assert flow.init == {"trip": ["Rome"], "card": ["4242"]}
        assert flow.labels == {"env": "prod", "team": "sales"}
        assert flow.options == {"timeout_ms": 60_000, "compensate": True}

    @pytest.mark.parametrize(
        ("asked", "says"),
        [
            ({"init.trip": ""}, "This field is required."),
            ({"init.card": "[4242"}, "This is not JSON"),
            ({"init.tip": "null"}, "Write a number."),
            ({"labels": "env"}, "Give a label as key=value"),
            ({"flow_id": "a/b"}, "flow ID contains invalid characters"),
            ({"timeout_s": "0"}, "greater than or equal to 1"),
        ],
    )
    def test_marks_what_cannot_be_and_starts_nothing(
        self, visitor: Visitor, asked: dict[str, str], says: str
    ) -> None:
        response = visitor(*STARTERS).post("/flows/start", self.FORM | asked)

        assert response.status_code == 400
        assert says in words(response.content.decode(), "plan")
        assert not FlowSummary.objects.exists()

    @pytest.mark.parametrize(
        ("written", "value"),
        [("Rome", "Rome"), ("7", 7), ('"7"', "7"), ("[1]", [1]), ("null", None), ('""', "")],
    )
    def test_takes_what_is_no_json_as_text(
        self, visitor: Visitor, written: str, value: object
    ) -> None:
        visitor(*STARTERS).post("/flows/start", self.FORM | {"init.card": written, "init.tip": " "})

        flow = engine.flow("t1")
        assert flow is not None
        assert flow.init == {"trip": ["Rome"], "card": [value]}

    def test_asks_for_a_goal_first(self, visitor: Visitor) -> None:
        response = visitor(*STARTERS).post("/flows/start", {"flow_id": "t1"}, follow=True)

        assert "Choose a goal first" in response.content.decode()

    def test_needs_the_capability(self, visitor: Visitor) -> None:
        assert visitor("step.read").post("/flows/start", self.FORM).status_code == 403
        assert not FlowSummary.objects.exists()

    @pytest.mark.parametrize("query", ["", "?goal=pay&goal=ship&given=trip&flow_id=t1"])
    def test_needs_more_than_a_link_which_leads_to_the_form(
        self, visitor: Visitor, query: str
    ) -> None:
        client = visitor(*STARTERS)

        assert client.get(f"/flows/start{query}")["Location"] == f"/flows/steps{query}"
        assert client.put("/flows/start", {}).status_code == 405
        assert not FlowSummary.objects.exists()

    def test_suggests_an_id_that_is_not_taken(self, visitor: Visitor) -> None:
        client = visitor(*STARTERS)
        client.post("/flows/start", self.FORM | {"flow_id": "pay-1"})
        assert 'value="pay-2"' in page_of(client, "/flows/steps?goal=pay")

        client.post("/flows/start", self.FORM | {"flow_id": "pay-3"})

        assert 'value="pay-4"' in page_of(client, "/flows/steps?goal=pay")


class TestStep:
    def test_shows_who_gives_and_who_takes(self, visitor: Visitor) -> None:
        register("hold", seat="output")
        register("pay", seat="required")
        client = visitor("step.read")

        assert re.search(r'to <a href="/flows/steps/pay">', page_of(client, "/flows/steps/hold"))
        assert re.search(r'from <a href="/flows/steps/hold">', page_of(client, "/flows/steps/pay"))
        assert "Edit" not in words(page_of(client, "/flows/steps/pay"), "nothing")
        page_of(client, "/flows/steps/gone", status=404)

    @pytest.mark.parametrize("path", ["new", "pay/edit", "pay/unregister"])
    def test_is_changed_only_by_who_may(self, visitor: Visitor, path: str) -> None:
        register("pay", seat="output")

        answer = visitor("step.read").post(f"/flows/steps/{path}", {"reason": "x"})

        assert answer.status_code == 403
        assert "pay" in engine.catalog().steps

    def test_leaves_the_catalogue_for_a_reason(self, visitor: Visitor) -> None:
        register("pay", seat="output")
        client = visitor(*KEEPERS)

        assert client.post("/flows/steps/pay/unregister", {"reason": ""}).status_code == 400
        assert "pay" in engine.catalog().steps
        client.post("/flows/steps/pay/unregister", {"reason": "Replaced"})

        assert engine.catalog().steps == {}
