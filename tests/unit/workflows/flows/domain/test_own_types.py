"""What the settings of python, approval and wait steps must be, before anything waits by them."""

from typing import Any

import pytest

from workflows.flows.domain.errors import StepInvalid
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.domain.validation import validate
from workflows.flows.languages import compile_script

YEAR_MS = 31_536_000_000
HELD = "booking.held"
CEL = {"language": "cel", "script": "value.ok"}

BROKEN: list[tuple[str, dict[str, Any], str, str]] = [
    ("python", {}, "python callable required", "/python/callable"),
    ("python", {"callable": 5}, "python callable must be a name", "/python/callable"),
    (
        "python",
        {"callable": "a", "compensate": 5},
        "python compensate must be a name",
        "/python/compensate",
    ),
    (
        "approval",
        {"ttl_ms": 0},
        "approval ttl_ms must be between 1 and 7776000000",
        "/approval/ttl_ms",
    ),
    ("wait", {}, "wait needs for_ms or event", "/wait"),
    ("wait", {"for_ms": "60000"}, "wait for_ms must be a number of milliseconds", "/wait/for_ms"),
    ("wait", {"for_ms": True}, "wait for_ms must be a number of milliseconds", "/wait/for_ms"),
    ("wait", {"for_ms": 1.5}, "wait for_ms must be a number of milliseconds", "/wait/for_ms"),
    ("wait", {"for_ms": -5}, f"wait for_ms must be between 0 and {YEAR_MS}", "/wait/for_ms"),
    (
        "wait",
        {"for_ms": YEAR_MS + 1},
        f"wait for_ms must be between 0 and {YEAR_MS}",
        "/wait/for_ms",
    ),
    ("wait", {"event": 5}, "wait event must be a name", "/wait/event"),
    ("wait", {"event": "flow_started"}, "wait for a dotted event name", "/wait/event"),
    ("wait", {"event": HELD, "unless": 1}, "wait has no member unless", "/wait/unless"),
    (
        "wait",
        {"event": HELD, "filter": "value.ok"},
        "wait filter must be a script and its language",
        "/wait/filter",
    ),
    ("wait", {"for_ms": 1, "filter": CEL}, "only an event can be filtered", "/wait/filter"),
    (
        "wait",
        {"event": HELD, "filter": {"script": "value.ok"}},
        "wait filter language empty",
        "/wait/filter/language",
    ),
    (
        "wait",
        {"event": HELD, "filter": {"language": "zz", "script": "1"}},
        "invalid script language: zz",
        "/wait/filter",
    ),
    (
        "wait",
        {"event": HELD, "filter": {"language": "jpath", "script": "$["}},
        "jpath compile error: $[",
        "/wait/filter",
    ),
]


@pytest.mark.parametrize(("type_", "settings", "message", "pointer"), BROKEN)
def test_each_broken_rule_is_told_with_its_place(
    type_: str, settings: dict[str, Any], message: str, pointer: str
) -> None:
    with pytest.raises(StepInvalid) as refusal:
        check(type_, **{type_: settings})

    assert (str(refusal.value), refusal.value.pointer) == (message, pointer)


@pytest.mark.parametrize(
    ("type_", "settings"),
    [
        ("python", {"callable": "a", "compensate": "b", "ours": 3}),
        ("approval", {}),
        ("wait", {"for_ms": YEAR_MS}),
        ("wait", {"event": HELD, "for_ms": 0, "filter": {}}),
        ("wait", {"event": HELD, "filter": CEL}),
    ],
)
def test_what_keeps_the_rules_is_accepted(type_: str, settings: dict[str, Any]) -> None:
    check(type_, **{type_: settings})


@pytest.mark.parametrize("timeout_ms", [-4, YEAR_MS + 1])
def test_a_callback_is_awaited_for_a_year_at_most(timeout_ms: int) -> None:
    with pytest.raises(StepInvalid, match=f"callback_timeout must be between 0 and {YEAR_MS}"):
        check("async", http={"endpoint": "http://peer.example/x", "callback_timeout": timeout_ms})


@pytest.mark.parametrize("url", ["http://peer.example/{held}", "http://peer.example/{other}"])
def test_a_look_up_goes_by_what_is_surely_there(url: str) -> None:
    attributes = {
        "key": {"role": "required"},
        "shop": {"role": "const", "const": {"value": "7"}},
        "other": {"role": "optional"},
        "held": {"role": "output"},
    }
    http = {"endpoint": "http://peer.example/x", "effect": "verify"}
    check(
        "sync", attributes=attributes, http={**http, "verify": "http://peer.example/{key}/{shop}"}
    )

    with pytest.raises(StepInvalid, match="verify URL contains unknown parameter") as refusal:
        check("sync", attributes=attributes, http={**http, "verify": url})

    assert refusal.value.pointer == "/http/verify"


def check(type_: str, **members: Any) -> None:
    step = step_from_json({"attributes": {}, **members, "id": "a", "name": "A", "type": type_})
    validate(step, compile_script=compile_script)
