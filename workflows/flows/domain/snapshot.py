"""The snapshot form of a flow: its wire form, and the state that the wire does not show."""

from collections.abc import Mapping
from typing import Any

from workflows.flows.domain.flow import (
    ChildStatus,
    Execution,
    Flow,
    FlowStatus,
    StepStatus,
    Value,
    WorkItem,
    WorkStatus,
)
from workflows.flows.domain.plan import Plan, plan_from_json
from workflows.flows.domain.times import read
from workflows.flows.domain.view import flow_as_json

_NO_PLAN = Plan(goals=(), steps={}, attributes={})


def not_started(flow_id: str) -> Flow:
    """Return the flow before its first event."""
    return Flow(id=flow_id, plan=_NO_PLAN)


def dump(flow: Flow) -> dict[str, Any]:
    """Return all of `flow` as JSON."""
    return {
        **flow_as_json(flow),
        "init": dict(flow.init),
        "options": dict(flow.options),
        "completed_steps": list(flow.completed_steps),
        "cancelled": flow.is_cancelled,
        "compensates": flow.compensates,
        "open_children": flow.open_children,
    }


def load(document: Mapping[str, Any]) -> Flow:
    """Return the flow that `dump` wrote."""
    return Flow(
        id=document["id"],
        plan=plan_from_json(document["plan"]),
        status=FlowStatus(document["status"]),
        attributes={
            name: tuple(_value(one) for one in values)
            for name, values in document["attributes"].items()
        },
        executions={step: _execution(one) for step, one in document["executions"].items()},
        completed_steps=tuple(document["completed_steps"]),
        metadata=document.get("metadata") or {},
        labels=document.get("labels") or {},
        init=document["init"],
        options=document["options"],
        created_at=read(document["created_at"]),
        completed_at=read(document["completed_at"]),
        deactivated_at=read(document["deactivated_at"]),
        last_updated=read(document["last_updated"]),
        error=document.get("error") or "",
        is_paused=bool(document.get("paused")),
        is_cancelled=document["cancelled"],
        compensates=document["compensates"],
        is_released=bool(document.get("released")),
        is_undone=bool(document.get("undone")),
        open_children=document["open_children"],
    )


def _value(body: Mapping[str, Any]) -> Value:
    set_at = read(body["set_at"])
    assert set_at is not None, "every value was set at some time"
    return Value(value=body["value"], set_at=set_at, step=body.get("step"))


def _execution(body: Mapping[str, Any]) -> Execution:
    bare = Execution(
        status=StepStatus(body["status"]),
        started_at=read(body["started_at"]),
        completed_at=read(body["completed_at"]),
        inputs=body["inputs"],
        outputs=body.get("outputs"),
        error=body.get("error") or "",
        unsatisfied=tuple(body.get("unsatisfied") or ()),
        duration_ms=body.get("duration") or 0,
    )
    items = {token: _item(token, one) for token, one in (body.get("work_items") or {}).items()}
    return bare.with_known_items(items)


def _item(token: str, body: Mapping[str, Any]) -> WorkItem:
    return WorkItem(
        token=token,
        inputs=body["inputs"],
        status=WorkStatus(body["status"]),
        started_at=read(body["started_at"]),
        completed_at=read(body["completed_at"]),
        next_retry_at=read(body["next_retry_at"]),
        outputs=body.get("outputs"),
        error=body.get("error") or "",
        retry_count=body.get("retry_count") or 0,
        child=ChildStatus(body["child"]) if body.get("child") else None,
    )
