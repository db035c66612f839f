"""Every rule that a step definition can break, each over HTTP, in Argyll's words."""

from typing import Any

import pytest

from tests.integration.workflows.flows.api.test_engine_api import ask

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("open_engine"),
]

HTTP = {"endpoint": "http://peer.example/x"}
ALE = {"language": "ale", "script": "1"}
BROKEN_ALE = {"language": "ale", "script": "(a"}


def sync(**members: Any) -> dict[str, Any]:
    return {"id": "a", "name": "a", "type": "sync", "attributes": {}, "http": HTTP, **members}


def script(language: str = "ale", text: str = "1", **members: Any) -> dict[str, Any]:
    body = {"language": language, "script": text}
    return {"id": "a", "name": "a", "type": "script", "attributes": {}, "script": body, **members}


def goals(*names: str, **members: Any) -> dict[str, Any]:
    flow = {"goals": list(names)}
    return {"id": "a", "name": "a", "type": "flow", "attributes": {}, "flow": flow, **members}


def attribute(role: str, type_: str = "", **config: Any) -> dict[str, Any]:
    spec = {"role": role, **({"type": type_} if type_ else {})}
    return sync(attributes={"x": {**spec, **({role: config} if config else {})}})


def renamed(role: str, name: str) -> dict[str, Any]:
    return {"role": role, role: {"mapping": {"name": name}}}


FOR_X = ' for attribute "x"'
LITERAL = f"invalid default value for type{FOR_X}: "
NO_CONST = f"const value required for const attribute: const{FOR_X}"
NO_KEY = f"meta key required for meta attribute: meta{FOR_X}"
DEADLINE = "deadline must be between 0 and 1 year in milliseconds: deadline"
MAPPING = f"invalid attribute mapping{FOR_X}: invalid mapping: "
UNCLOSED = "list not closed (line 1, column {})"

RULES: list[tuple[dict[str, Any], str]] = [
    (sync(id=""), "step ID empty"),
    (sync(id="!!"), "step ID empty"),
    (sync(name=""), "step name empty"),
    (sync(type="mail"), "invalid step type: mail"),
    (sync(type=""), "invalid step type: "),
    (sync(http=None), "http required"),
    (sync(type="async", http=None), "http required"),
    (sync(flow={"goals": ["b"]}), "flow not allowed for step type"),
    (sync(script=ALE), "script not allowed for step type"),
    (sync(http={"endpoint": ""}), "step endpoint empty"),
    (sync(http={**HTTP, "method": "PATCH"}), "invalid HTTP method: PATCH"),
    (sync(http={**HTTP, "method": "get"}), "invalid HTTP method: get"),
    (
        sync(http={**HTTP, "compensate": "http://peer.example/u"}, memoizable=True),
        "compensate not allowed for memoizable steps",
    ),
    (sync(http={"endpoint": "http://h/{q}"}), 'URL contains unknown parameter: "q"'),
    (
        sync(http={"endpoint": "http://h/{x}"}, attributes={"x": {"role": "optional"}}),
        'URL contains unknown parameter: "x"',
    ),
    (
        sync(http={"endpoint": "http://h/{x}"}, attributes={"x": renamed("required", "q")}),
        'URL contains unknown parameter: "x"',
    ),
    (
        sync(http={**HTTP, "compensate": "http://h/{q}"}),
        'compensate URL contains unknown parameter: "q"',
    ),
    (script(script=None), "script required"),
    (script(http=HTTP), "http not allowed for step type"),
    (script(flow={"goals": ["b"]}), "flow not allowed for step type"),
    (script(""), "script language empty"),
    (script("py"), "invalid script language: py"),
    (script("jpath", "$.x"), "invalid script language: jpath"),
    (script(text=""), "script empty"),
    (script("lua", "return {x"), "syntax error"),
    (script(text="(frob 1)"), "name not declared in namespace: frob"),
    (script(text="(a"), UNCLOSED.format(14)),
    (goals(flow=None), "flow required"),
    (goals("b", http=HTTP), "http not allowed for step type"),
    (goals("b", script=ALE), "script not allowed for step type"),
    (goals(), "flow goals required"),
    (sync(attributes={"": {"role": "required"}}), "argument name empty"),
    (sync(attributes={"x": None}), "attribute has nil definition"),
    (attribute("guess"), f"invalid attribute role: guess{FOR_X}"),
    (sync(attributes={"x": {}}), f"invalid attribute role: {FOR_X}"),
    (attribute("required", "text"), f"invalid attribute type: text{FOR_X}"),
    (
        sync(attributes={"x": {"role": "required", "optional": {"default": "1"}}}),
        'config type does not match attribute role: "x"',
    ),
    (
        attribute("required", "string", for_each=True),
        f"for_each processing requires an array attribute type: type string{FOR_X}",
    ),
    (attribute("required", collect="zz"), f"invalid input collect: zz{FOR_X}"),
    (attribute("optional", collect="zz"), f"invalid input collect: zz{FOR_X}"),
    *((attribute("optional", kind, default="abc"), f"{LITERAL}must be valid JSON")
      for kind in ("string", "number", "boolean", "object", "array", "null", "any")),
    (attribute("optional", "string", default="5"), f"{LITERAL}must be a valid JSON string"),
    (attribute("optional", "number", default='"x"'), f"{LITERAL}must be a valid number"),
    (attribute("optional", "boolean", default="5"), f'{LITERAL}must be "true" or "false"'),
    (attribute("optional", "object", default="[]"), f"{LITERAL}must be valid JSON object"),
    (attribute("optional", "array", default="{}"), f"{LITERAL}must be valid JSON array"),
    (attribute("optional", "null", default="5"), f'{LITERAL}must be "null"'),
    (attribute("const", "number", value="true"), f"{LITERAL}must be a valid number"),
    (attribute("const"), NO_CONST),
    (attribute("const", value=""), NO_CONST),
    (attribute("meta"), NO_KEY),
    (attribute("meta", key=""), NO_KEY),
    (attribute("optional", deadline=-1), f"{DEADLINE} -1{FOR_X}"),
    (attribute("optional", deadline=31_536_000_001), f"{DEADLINE} 31536000001{FOR_X}"),
    *((attribute(role, mapping={}), 'invalid attribute mapping: "x"')
      for role in ("required", "optional", "output")),
    (
        sync(attributes={"x": renamed("required", "q"), "y": renamed("optional", "q")}),
        'duplicate mapped parameter name: "q"',
    ),
    (
        sync(attributes={"x": renamed("output", "q"), "y": renamed("output", "q")}),
        'duplicate mapped parameter name: "q"',
    ),
    (sync(work_config={"parallelism": -1}), "parallelism cannot be negative"),
    (sync(work_config={"init_backoff": -1}), "backoff cannot be negative"),
    (sync(work_config={"init_backoff": 100_000}), "max_backoff must be >= backoff"),
    (
        sync(work_config={"init_backoff": 10, "max_backoff": 9}),
        "max_backoff must be >= backoff",
    ),
    (sync(work_config={"max_backoff": -1}), "max_backoff must be >= backoff"),
    (sync(work_config={"backoff_type": "random"}), "invalid backoff type"),
    (
        attribute("required", mapping={"script": {"language": "jpath", "script": "$..["}}),
        f"{MAPPING}$..[",
    ),
    (
        attribute("output", mapping={"script": {"language": "py", "script": "x"}}),
        f"{MAPPING}x",
    ),
    (
        attribute("required", match={"language": "jpath", "script": "$["}),
        f"invalid script language{FOR_X}: jpath compile error: $[",
    ),
    (
        attribute("required", match={"language": "zz", "script": "1"}),
        f"invalid script language{FOR_X}: invalid script language: zz",
    ),
    (sync(predicate={"language": "zz", "script": "1"}), "invalid script language: zz"),
    (sync(predicate={"language": "lua", "script": "return {"}), "syntax error"),
    (sync(predicate=BROKEN_ALE), UNCLOSED.format(14)),
    (sync(predicate={"language": "jpath", "script": "$["}), "jpath compile error: $["),
    (sync(predicate={"language": "ale", "script": ""}), "script empty"),
    (sync(attributes={"n": {"role": "required"}}), "attribute type conflict: n"),
    (sync(attributes={"n": {"role": "output", "type": "string"}}), "attribute type conflict: n"),
    (
        sync(attributes={"out": {"role": "required"}, "in": {"role": "output"}}),
        "circular dependency detected: step a",
    ),
    (goals("outer"), "circular dependency detected: step a"),
]  # fmt: skip

ORDER: list[tuple[dict[str, Any], str]] = [
    (sync(id="", name=""), "step ID empty"),
    (sync(name="", type="mail"), "step name empty"),
    (sync(type="mail", attributes={"x": None}), "attribute has nil definition"),
    (sync(type="mail", predicate=BROKEN_ALE), UNCLOSED.format(14)),
    (sync(type="mail", attributes={"n": {"role": "required"}}), "invalid step type: mail"),
    (sync(http=None, attributes={"x": None}), "http required"),
    (sync(attributes={"x": None}, work_config={"parallelism": -1}), "attribute has nil definition"),
    (
        sync(
            attributes={"x": renamed("required", "q"), "y": renamed("required", "q")},
            work_config={"parallelism": -1},
        ),
        'duplicate mapped parameter name: "q"',
    ),
    (sync(work_config={"parallelism": -1}, predicate=BROKEN_ALE), "parallelism cannot be negative"),
    (
        {**attribute("output", mapping={"script": BROKEN_ALE}), "predicate": BROKEN_ALE},
        f"{MAPPING}(a",
    ),
    (script(text="(b", predicate={"language": "zz", "script": "1"}), "invalid script language: zz"),
    (script(text="(b", attributes={"n": {"role": "required"}}), UNCLOSED.format(15)),
]
"""Definitions that break two rules, of which the first is told."""

NEIGHBOURS = [
    {
        **script(),
        "id": "counts",
        "attributes": {"n": {"role": "required", "type": "number"}},
    },
    {
        **script(),
        "id": "turns",
        "attributes": {"in": {"role": "required"}, "out": {"role": "output"}},
    },
    {**goals("a"), "id": "outer"},
]


def test_each_broken_rule_is_told_in_the_original_words_and_nothing_is_registered() -> None:
    for step in NEIGHBOURS:
        assert ask("POST", "/engine/step", step)[0] == 201

    answers = [ask("POST", "/engine/step", step) for step, _ in RULES + ORDER]

    assert [(status, body["error"]) for status, body in answers] == [
        (400, f"invalid step\n{message}") for _, message in RULES + ORDER
    ]
    assert ask("GET", "/engine/catalog/events")[1]["count"] == len(NEIGHBOURS)


def test_an_update_is_held_to_the_same_rules() -> None:
    ask("POST", "/engine/step", sync())

    answers = [
        ask("PUT", "/engine/step/a", step)
        for step in (sync(name=""), sync(work_config={"parallelism": -1}))
    ]

    assert answers == [
        (400, {"error": "invalid step\nstep name empty", "status": 400}),
        (400, {"error": "invalid step\nparallelism cannot be negative", "status": 400}),
    ]
    assert ask("GET", "/engine/catalog/events")[1]["count"] == 1


ODD = [
    goals("nobody"),
    attribute("required", for_each=True),
    attribute("required", "any", for_each=True),
    attribute("optional", default="no JSON"),
    attribute("optional", "string", default='"x"', deadline=31_536_000_000),
    sync(work_config={"max_retries": -1}),
    sync(http={"endpoint": "http://h/{q}"}, attributes={"x": renamed("required", "q")}),
    sync(attributes={"x": renamed("required", "y"), "y": {"role": "required"}}),
    sync(unknown={"member": 1}, http={**HTTP, "unknown": 1}),
]


def test_what_is_odd_is_accepted_as_in_the_original() -> None:
    for number, step in enumerate(ODD):
        status, answer = ask("POST", "/engine/step", {**step, "id": f"odd-{number}"})

        assert (status, answer["message"]) == (201, "Step registered")
        ask("DELETE", f"/engine/step/odd-{number}")


KIND = "invalid JSON request: json: cannot unmarshal {} into Go struct field Step.{} of type {}"
TYPES: list[tuple[dict[str, Any], str]] = [
    ({"id": 1}, KIND.format("number", "id", "api.StepID")),
    ({"name": True}, KIND.format("bool", "name", "api.Name")),
    ({"type": []}, KIND.format("array", "type", "api.StepType")),
    ({"attributes": []}, KIND.format("array", "attributes", "api.AttributeSpecs")),
    ({"attributes": {"x": 1}}, KIND.format("number", "attributes.x", "api.AttributeSpec")),
    (
        {"attributes": {"x": {"role": 1}}},
        KIND.format("number", "attributes.x.role", "api.AttributeRole"),
    ),
    ({"labels": {"k": 1}}, KIND.format("number", "labels.k", "string")),
    ({"predicate": "x"}, KIND.format("string", "predicate", "api.ScriptConfig")),
    ({"work_config": 1}, KIND.format("number", "work_config", "api.WorkConfig")),
    (
        {"work_config": {"max_retries": 1.5}},
        KIND.format("number 1.5", "work_config.max_retries", "int"),
    ),
    ({"http": []}, KIND.format("array", "http", "api.HTTPConfig")),
    (
        {"http": {"timeout": "5"}},
        KIND.format("string", "http.timeout", "int64"),
    ),
    ({"script": 1}, KIND.format("number", "script", "api.ScriptConfig")),
    (
        {"flow": {"goals": "b"}},
        KIND.format("string", "flow.goals", "[]api.StepID"),
    ),
    ({"memoizable": "yes"}, KIND.format("string", "memoizable", "bool")),
]


def test_members_of_another_type_are_refused_in_the_words_of_the_original_decoder() -> None:
    answers = [ask("POST", "/engine/step", {**sync(), **change}) for change, _ in TYPES]

    assert [(status, body["error"]) for status, body in answers] == [
        (400, message) for _, message in TYPES
    ]
