"""The catalogue of steps: the plan for chosen goals, starting a flow, and the step editor."""

import html
import json
import re
from typing import Any

import pytest
from django.test import Client

from tests.integration.console.conftest import Visitor
from workflows.flows import engine, services
from workflows.flows.domain.cluster import Health, HealthStatus
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import FlowSummary

pytestmark = pytest.mark.django_db(transaction=True)

STARTERS = ("step.read", "flow.read", "flow.start")
KEEPERS = ("step.read", "step.manage")
HOSTILE = "</script><script>alert(1)</script>\u202e"

PAY = {
    "id": "pay",
    "name": "Charge the card",
    "type": "sync",
    "http": {"endpoint": "http://bank.example/{seat}", "compensate": "http://bank.example/undo"},
    "labels": {"team": "sales"},
    "attributes": {
        "seat": {"role": "required", "type": "string", "required": {"for_each": False}},
        "price": {"role": "optional", "type": "number", "optional": {"default": "5"}},
        "receipt": {"role": "output"},
    },
    "predicate": {"language": "lua", "script": "return true"},
}


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


def page_of(client: Client, address: str, *, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status
    return response.content.decode()


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
    register("pay", seat="required", card="required", tip="optional", receipt="output")
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

    def test_plans_without_what_the_visitor_gives(self, visitor: Visitor) -> None:
        page = page_of(visitor("step.read"), "/flows/steps?goal=pay&given=seat")

        assert "Runs 1 step: pay Missing card" in words(page, "plan")
        assert marks_of(page)["step:hold"] == ["out"]
        assert "not needed: what it gives is there" in words(page, "steps")

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

        response = visitor(*STARTERS).post("/flows/start", self.FORM | options)

        assert response["Location"] == "/flows/t1"
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
            ({"init.card": "4242x"}, "This is not JSON"),
            ({"labels": "env"}, "Say a label as key=value"),
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

    def test_asks_for_a_goal_first(self, visitor: Visitor) -> None:
        response = visitor(*STARTERS).post("/flows/start", {"flow_id": "t1"}, follow=True)

        assert "Choose a goal first" in response.content.decode()

    def test_needs_the_capability_and_more_than_a_link(self, visitor: Visitor) -> None:
        assert visitor("step.read").post("/flows/start", self.FORM).status_code == 403
        assert visitor(*STARTERS, name="bob").get("/flows/start").status_code == 405
        assert not FlowSummary.objects.exists()

    def test_suggests_an_id_that_is_not_taken(self, visitor: Visitor) -> None:
        client = visitor(*STARTERS)
        client.post("/flows/start", self.FORM | {"flow_id": "pay-1"})

        assert 'value="pay-2"' in page_of(client, "/flows/steps?goal=pay")


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


def filled(page: str) -> dict[str, str]:
    """The form of the editor as a browser would send it."""
    _, _, form = page.partition('<form method="post" class="stack step-form">')
    form = re.sub(r"<template.*?</template>", "", form.partition("</form>")[0], flags=re.DOTALL)
    values: dict[str, str] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        facts = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        is_box = facts.get("type") == "checkbox"
        if not is_box or " checked" in tag:
            values[facts["name"]] = html.unescape(facts.get("value", "on" if is_box else ""))
    for name, inner in re.findall(
        r'<textarea name="([^"]*)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL
    ):
        values[name] = html.unescape(inner)
    for name, inner in re.findall(r'<select name="([^"]*)".*?>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', inner)
        values[name] = chosen[1] if chosen else re.findall(r'<option value="([^"]*)"', inner)[0]
    return values


DEFINITIONS: list[dict[str, Any]] = [
    PAY,
    {
        "id": "s",
        "name": "s",
        "type": "script",
        "script": {"language": "lua", "script": "return {}"},
    },
    {"id": "f", "name": "f", "type": "flow", "flow": {"goals": ["a", "b"]}},
    {"id": "p", "name": "p", "type": "python", "python": {"callable": "x.y", "retries": 3}},
    {
        "id": "w",
        "name": "w",
        "type": "wait",
        "wait": {"event": "booking.held", "filter": {"language": "cel", "script": "value.ok"}},
    },
    {
        "id": "m",
        "name": "m",
        "type": "async",
        "memoizable": True,
        "http": {"endpoint": "http://bank.example/", "method": "PUT", "callback_timeout": 9},
        "work_config": {"max_retries": -1, "parallelism": 4},
        "attributes": {
            "all": {
                "role": "required",
                "type": "array",
                "required": {
                    "collect": "last",
                    "for_each": True,
                    "match": {"language": "lua", "script": "return true"},
                    "mapping": {"name": "one", "script": {"language": "jpath", "script": "$"}},
                },
            },
            "rate": {"role": "const", "type": "number", "const": {"value": "1.5"}},
            "me": {"role": "meta", "meta": {"key": "flow_id"}},
            "late": {"role": "optional", "optional": {"deadline": 100}},
            "out": {"role": "output", "output": {"mapping": {"name": "inner"}}},
        },
    },
]


class TestEditor:
    @pytest.mark.parametrize("document", DEFINITIONS, ids=lambda one: one["id"])
    def test_form_loses_nothing_of_a_definition(
        self, visitor: Visitor, document: dict[str, Any]
    ) -> None:
        stored = services.register_step(step=step_from_json(document))
        client = visitor(*KEEPERS)
        form = filled(page_of(client, f"/flows/steps/{stored.id}/edit"))

        answer = client.post(f"/flows/steps/{stored.id}/edit", form | {"do": "keep"})

        assert answer["Location"] == f"/flows/steps/{stored.id}"
        assert engine.catalog().steps[stored.id] == stored

    def test_form_registers_a_step(self, visitor: Visitor) -> None:
        client = visitor(*KEEPERS)
        form = filled(page_of(client, "/flows/steps/new"))
        form |= {"id": "hold", "name": "Hold", "http.endpoint": "http://seats.example/{trip}"}
        form |= {"a-0-name": "trip", "a-0-role": "required", "a-0-type": "string"}

        answer = client.post("/flows/steps/new", form | {"do": "keep"})

        assert answer["Location"] == "/flows/steps/hold"
        step = engine.catalog().steps["hold"]
        assert step.http is not None
        assert step.http.endpoint == "http://seats.example/{trip}"
        assert step.attributes["trip"] is not None

    @pytest.mark.parametrize(
        ("changed", "field", "says"),
        [
            ({"id": ""}, "id", "step ID empty"),
            ({"name": ""}, "name", "step name empty"),
            ({"http.endpoint": ""}, "http.endpoint", "http required"),
            (
                {"http.endpoint": "http://x/{nothing}"},
                "http.endpoint",
                'URL contains unknown parameter: "nothing"',
            ),
            (
                {"a-0-name": "x", "a-0-role": "const"},
                "a-0-name",
                'const value required for const attribute: const for attribute "x"',
            ),
            (
                {"predicate.language": "lua", "predicate.script": "return ("},
                "predicate.script",
                "syntax error",
            ),
            (
                {"work_config.init_backoff": "100000"},
                "work_config.max_backoff",
                "max_backoff must be >= backoff",
            ),
            ({"type": "python"}, "python.callable", "python callable required"),
            ({"type": "wait"}, "wait.for_ms", "wait needs for_ms or event"),
            ({"type": "flow"}, "flow.goals", "flow goals required"),
            ({"type": "script"}, "script.script", "script required"),
        ],
    )
    def test_form_shows_the_engines_words_at_the_field(
        self, visitor: Visitor, changed: dict[str, str], field: str, says: str
    ) -> None:
        client = visitor(*KEEPERS)
        form = filled(page_of(client, "/flows/steps/new"))
        form |= {"id": "s", "name": "s", "http.endpoint": "http://x.example/"}

        answer = client.post("/flows/steps/new", form | changed | {"do": "keep"})

        assert answer.status_code == 400
        shown = re.search(
            rf'name="{re.escape(field)}".*?<ul class="errorlist"[^>]*>(.*?)</ul>',
            answer.content.decode(),
            re.DOTALL,
        )
        assert shown is not None
        assert says in html.unescape(shown[1])
        assert 'class="field wrong"' in answer.content.decode()
        assert engine.catalog().steps == {}

    def test_says_at_the_id_that_it_is_taken(self, visitor: Visitor) -> None:
        register("pay", seat="output")
        client = visitor(*KEEPERS)
        form = filled(page_of(client, "/flows/steps/new"))
        form |= {"id": "pay", "name": "s", "http.endpoint": "http://x.example/"}

        answer = client.post("/flows/steps/new", form | {"do": "keep"})

        assert "step exists: pay" in answer.content.decode()

    def test_check_changes_nothing(self, visitor: Visitor) -> None:
        document = json.dumps(PAY)

        answer = visitor(*KEEPERS).post("/flows/steps/new", {"document": document, "do": "check"})

        assert "The definition is good. Nothing was changed." in answer.content.decode()
        assert engine.catalog().steps == {}

    def test_check_knows_the_other_steps(self, visitor: Visitor) -> None:
        register("hold", seat={"role": "output", "type": "number"})

        answer = visitor(*KEEPERS).post(
            "/flows/steps/new", {"document": json.dumps(PAY), "do": "check"}
        )

        assert answer.status_code == 400
        assert "attribute type conflict: seat" in answer.content.decode()
        assert "/attributes/seat" in answer.content.decode()

    @pytest.mark.parametrize(
        ("document", "says"),
        [
            ("{", "The JSON is malformed"),
            ("[1]", "cannot unmarshal array"),
            ('{"id": 1}', "cannot unmarshal number"),
            ('{"id": "s", "name": "s", "type": "magic"}', "invalid step type: magic"),
        ],
    )
    def test_json_shows_what_is_wrong_and_keeps_what_was_written(
        self, visitor: Visitor, document: str, says: str
    ) -> None:
        answer = visitor(*KEEPERS).post("/flows/steps/new", {"document": document, "do": "keep"})

        page = html.unescape(answer.content.decode())
        assert answer.status_code == 400
        assert says in page
        assert document in page

    def test_json_changes_the_step_of_the_address_only(self, visitor: Visitor) -> None:
        register("pay", seat="output")
        client = visitor(*KEEPERS)
        assert '"for_ms": 60000' in html.unescape(page_of(client, "/flows/steps/pay/edit?as=json"))

        answer = client.post(
            "/flows/steps/pay/edit", {"document": json.dumps({**PAY, "id": "x"}), "do": "keep"}
        )

        assert "the id is not that of the address" in answer.content.decode()
        assert list(engine.catalog().steps) == ["pay"]
