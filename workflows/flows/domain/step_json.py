"""Parses a step definition from JSON: types here, rules in `validation`."""

from collections.abc import Mapping
from typing import Any

from workflows.flows.domain import shapes
from workflows.flows.domain.errors import StepInvalid
from workflows.flows.domain.shapes import ANYTHING, FLAG, INTEGER, INTEGER_64, TEXT, Shape
from workflows.flows.domain.step import (
    Attribute,
    Http,
    Rename,
    Role,
    Script,
    Step,
    StepType,
    WorkConfig,
)


def step_from_json(document: Any) -> Step:
    """Read a step definition. Absent and null members count as empty.

    :raises MalformedRequest: if a member has another type than it must have.
    """
    body = shapes.check(document, STEP_SHAPE)
    type_ = body.get("type") or ""
    own = {StepType.PYTHON, StepType.APPROVAL, StepType.WAIT}
    return Step(
        id=body.get("id") or "",
        name=body.get("name") or "",
        type=type_,
        attributes={
            name: None if spec is None else _attribute(spec)
            for name, spec in (body.get("attributes") or {}).items()
        },
        labels=body.get("labels") or {},
        predicate=_script(body.get("predicate")),
        work_config=_work_config(body.get("work_config")),
        http=_http(body.get("http")),
        script=_script(body.get("script")),
        flow_goals=_flow_goals(body.get("flow")),
        settings=(body.get(type_) or {}) if type_ in own else None,
        memoizable=bool(body.get("memoizable")),
    )


def strict_step_from_json(document: Any) -> Step:
    """Read a step definition and refuse members without effect, which Argyll accepts.

    :raises MalformedRequest: as `step_from_json` does.
    :raises StepInvalid: if a member has no effect.
    """
    step = step_from_json(document)
    for pointer in shapes.unknown_members(document, STEP_SHAPE):
        raise StepInvalid(f"a step has no member {pointer}", pointer=pointer)
    return step


def beyond_argyll_unnamed(document: Any) -> frozenset[str]:
    """Return the fields of `Http` that Argyll's form has not and this definition does not name.

    To name one with an empty value is to name it; null is as good as absent, as it is there.

    :raises MalformedRequest: as `step_from_json` does.
    """
    named = shapes.check(document, STEP_SHAPE).get("http") or {}
    return frozenset(field for name, field in _BEYOND_ARGYLL.items() if named.get(name) is None)


def _attribute(body: Mapping[str, Any]) -> Attribute:
    present = {role.value: body[role] for role in Role if body.get(role) is not None}
    config: dict[str, Any] = {}
    for part in present.values():
        config |= part
    return Attribute(
        role=body.get("role") or "",
        type=body.get("type") or "",
        config_keys=frozenset(present),
        collect=config.get("collect") or "",
        for_each=bool(config.get("for_each")),
        match=_script(config.get("match")),
        mapping=_mapping(config.get("mapping")),
        default=config.get("default") or "",
        deadline_ms=int(config.get("deadline") or 0),
        value=config.get("value") or "",
        key=config.get("key") or "",
    )


def _script(body: Mapping[str, Any] | None) -> Script | None:
    if body is None:
        return None
    return Script(language=body.get("language") or "", text=body.get("script") or "")


def _mapping(body: Mapping[str, Any] | None) -> Rename | None:
    if body is None:
        return None
    return Rename(name=body.get("name") or "", script=_script(body.get("script")))


def _http(body: Mapping[str, Any] | None) -> Http | None:
    if body is None:
        return None
    return Http(
        endpoint=body.get("endpoint") or "",
        method=body.get("method") or "",
        compensate=body.get("compensate") or "",
        health_check=body.get("health_check") or "",
        timeout_ms=int(body.get("timeout") or 0),
        effect=body.get("effect") or "",
        verify=body.get("verify") or "",
        callback_timeout_ms=int(body.get("callback_timeout") or 0),
    )


def _work_config(body: Mapping[str, Any] | None) -> WorkConfig | None:
    if body is None:
        return None
    return WorkConfig(
        max_retries=int(body.get("max_retries") or 0),
        init_backoff_ms=int(body.get("init_backoff") or 0),
        max_backoff_ms=int(body.get("max_backoff") or 0),
        backoff_type=body.get("backoff_type") or "",
        parallelism=int(body.get("parallelism") or 0),
    )


def _flow_goals(body: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    return None if body is None else tuple(body.get("goals") or ())


_SCRIPT = shapes.Struct("ScriptConfig", {"language": TEXT, "script": TEXT})
_MAPPING = shapes.Struct("MappingConfig", {"name": TEXT, "script": _SCRIPT})
_INPUT: dict[str, Shape] = {"collect": TEXT, "for_each": FLAG, "mapping": _MAPPING}
_ATTRIBUTE = shapes.Struct(
    "AttributeSpec",
    {
        "role": shapes.Scalar("string", "api.AttributeRole"),
        "type": shapes.Scalar("string", "api.AttributeType"),
        "required": shapes.Struct("RequiredConfig", {**_INPUT, "match": _SCRIPT}),
        "optional": shapes.Struct(
            "OptionalConfig", {**_INPUT, "default": TEXT, "deadline": INTEGER_64}
        ),
        "const": shapes.Struct("ConstConfig", {"value": TEXT}),
        "meta": shapes.Struct("MetaConfig", {"key": TEXT}),
        "output": shapes.Struct("OutputConfig", {"mapping": _MAPPING}),
    },
)
_BEYOND_ARGYLL: Mapping[str, str] = {
    "effect": "effect",
    "verify": "verify",
    "callback_timeout": "callback_timeout_ms",
}
"""Members of `http` that only we have, each with its field of `Http`."""

_HTTP = shapes.Struct(
    "HTTPConfig",
    {
        "method": TEXT,
        "endpoint": TEXT,
        "compensate": TEXT,
        "health_check": TEXT,
        "timeout": INTEGER_64,
        "effect": TEXT,
        "verify": TEXT,
        "callback_timeout": INTEGER_64,
    },
)
_WORK = shapes.Struct(
    "WorkConfig",
    {
        "max_retries": INTEGER,
        "init_backoff": INTEGER_64,
        "max_backoff": INTEGER_64,
        "backoff_type": TEXT,
        "parallelism": INTEGER,
    },
)
_GOALS = shapes.ListOf(shapes.Scalar("string", "api.StepID"), "[]api.StepID")
STEP_SHAPE = shapes.Struct(
    "Step",
    {
        "id": shapes.Scalar("string", "api.StepID"),
        "name": shapes.Scalar("string", "api.Name"),
        "type": shapes.Scalar("string", "api.StepType"),
        "attributes": shapes.MapOf(_ATTRIBUTE, "api.AttributeSpecs"),
        "labels": shapes.MapOf(TEXT, "api.Labels"),
        "predicate": _SCRIPT,
        "work_config": _WORK,
        "http": _HTTP,
        "script": _SCRIPT,
        "flow": shapes.Struct("FlowConfig", {"goals": _GOALS}),
        "python": shapes.MapOf(ANYTHING, "api.PythonConfig"),
        "approval": shapes.MapOf(ANYTHING, "api.ApprovalConfig"),
        "wait": shapes.MapOf(ANYTHING, "api.WaitConfig"),
        "memoizable": FLAG,
    },
)
