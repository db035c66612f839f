"""The step editor: nothing is lost in it, and every message stands at its field."""

import html
import json
import re
from typing import Any

import pytest

from tests.integration.console.conftest import Visitor
from tests.integration.console.reading import page_of
from tests.integration.console.test_steps import KEEPERS, register
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import engine

pytestmark = pytest.mark.django_db(transaction=True)

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
        values[name] = html.unescape(inner).replace("\n", "\r\n")
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
        "script": {"language": "lua", "script": "local a = 1\nreturn {}\n"},
        "labels": {"team": "sales, EMEA", "note": " a=b ", "void": ""},
    },
    {
        "id": "a",
        "name": "a",
        "type": "approval",
        "approval": {
            "title": "Refund it?",
            "reason": "It is a lot.",
            "policy": "refunds",
            "risk": "high",
            "quorum": 2,
            "ttl_ms": 60_000,
        },
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
                    "match": {"language": "lua", "script": "return\ntrue"},
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
                {"http.endpoint": "htp:/seats.example"},
                "http.endpoint",
                "Give a URL that begins with http:// or https://.",
            ),
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
            (
                {"type": "approval", "approval.quorum": "0"},
                "approval.quorum",
                "approval quorum must be between 1 and",
            ),
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


def test_an_approval_that_nobody_could_be_asked_for_is_told_beforehand(visitor: Visitor) -> None:
    client = visitor(*KEEPERS)
    form = {
        "id": "sign",
        "name": "Sign",
        "type": "approval",
        "approval.policy": "nobody",
        "a-TOTAL_FORMS": "0",
        "a-INITIAL_FORMS": "0",
    }
    says = "As things are it would fail: no approval policy nobody is in force."

    checked = client.post("/flows/steps/new", form | {"do": "check"})
    kept = client.post("/flows/steps/new", form | {"do": "keep"}, follow=True)

    assert says in checked.content.decode()
    assert says in kept.content.decode()
    assert says in page_of(client, "/flows/steps/sign")
    assert engine.catalog().steps["sign"].settings == {"policy": "nobody"}


def test_a_function_that_nobody_has_registered_is_told_beforehand(visitor: Visitor) -> None:
    client = visitor(*KEEPERS)
    document = {"id": "py", "name": "Py", "type": "python", "python": {"callable": "no.such"}}
    says = "Flows wait at it: no worker here has registered no.such."

    kept = client.post(
        "/flows/steps/new?as=json", {"document": json.dumps(document), "do": "keep"}, follow=True
    )

    assert kept.content.decode().count(says) == 2  # As the answer, and on the page of the step.
    assert "no.such, which py calls" in page_of(client, "/flows/steps?goal=py")
