"""Encodes events of a flow to their stored names and data, and decodes them.

Names and shapes are permanent. The older engine's names are read and upcast, never written;
those without meaning for a flow's state are dropped.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from events.domain.canonical import filled
from workflows.flows.domain import flow_events as happened
from workflows.flows.domain.plan import plan_from_json
from workflows.flows.domain.times import read, written

NAMES: dict[type, str] = {
    happened.FlowStarted: "flow_started",
    happened.FlowCompleted: "flow_completed",
    happened.FlowFailed: "flow_failed",
    happened.FlowDeactivated: "flow_deactivated",
    happened.StepStarted: "step_started",
    happened.StepCompleted: "step_completed",
    happened.StepFailed: "step_failed",
    happened.StepSkipped: "step_skipped",
    happened.AttributeSet: "attribute_set",
    happened.WorkStarted: "work_started",
    happened.WorkSucceeded: "work_succeeded",
    happened.WorkFailed: "work_failed",
    happened.WorkNotCompleted: "work_not_completed",
    happened.WorkRetryScheduled: "work_retry_scheduled",
    happened.CompStarted: "comp_started",
    happened.CompSucceeded: "comp_succeeded",
    happened.CompFailed: "comp_failed",
    happened.CompRetryScheduled: "comp_retry_scheduled",
    happened.DispatchDeferred: "dispatch_deferred",
    happened.FlowPaused: "flow_paused",
    happened.FlowResumed: "flow_resumed",
    happened.FlowCancelled: "flow_cancelled",
    happened.FlowReleased: "flow_released",
    happened.FlowCompensationStarted: "flow_compensation_started",
    happened.ChildReleased: "child_released",
    happened.ChildDeactivated: "child_deactivated",
    happened.StepForced: "step_forced",
    happened.WorkRetryRequested: "work_retry_requested",
}

UPCAST_NAMES = {"retry_scheduled": "work_retry_scheduled"}
"""Names of the older log that mean the same as a newer one."""

FORGOTTEN_NAMES = frozenset(
    {"flow_activated", "flow_archiving", "flow_archived", "flow_digest_updated"}
)
"""Names of the older log that were about its index, not about the flow."""


def encode(flow_id: str, event: happened.FlowEvent) -> tuple[str, dict[str, Any]]:
    """Return the stored name and data of an event."""
    name, data_of = _STORED[type(event)]
    return name, {"flow_id": flow_id, **data_of(event)}


def decode(name: str, data: Mapping[str, Any], at: datetime) -> happened.FlowEvent | None:
    """Return the event that was stored, None for one that says nothing any more."""
    if name in FORGOTTEN_NAMES:
        return None
    return _DECODERS[UPCAST_NAMES.get(name, name)]({**data, "at": at})


def _flow_started(event: happened.FlowStarted) -> dict[str, Any]:
    return {
        "plan": event.plan.stored,
        "init": dict(event.init),
        **filled(
            metadata=dict(event.metadata), labels=dict(event.labels), options=dict(event.options)
        ),
    }


def _of_work_failed(event: Any) -> dict[str, Any]:
    return {"step_id": event.step_id, "token": event.token, "error": event.error}


def _retry(event: happened.WorkRetryScheduled | happened.CompRetryScheduled) -> dict[str, Any]:
    return {
        "step_id": event.step_id,
        "token": event.token,
        "next_retry_at": written(event.next_retry_at),
        "error": event.error,
        "retry_count": event.retry_count,
    }


def _failed_step(event: happened.StepFailed) -> dict[str, Any]:
    return {
        "step_id": event.step_id,
        "error": event.error,
        **filled(inputs=event.inputs, unsatisfied=list(event.unsatisfied)),
    }


def _skipped_step(event: happened.StepSkipped) -> dict[str, Any]:
    return {
        "step_id": event.step_id,
        **_reason_of(event),
        **filled(inputs=event.inputs, unsatisfied=list(event.unsatisfied)),
    }


def _reason_of(event: Any) -> dict[str, Any]:
    return {"reason": event.reason, **filled(entry_id=event.entry_id)}


def _step_only(event: Any) -> dict[str, Any]:
    return {"step_id": event.step_id}


def _work_only(event: Any) -> dict[str, Any]:
    return {"step_id": event.step_id, "token": event.token}


# Each written out: a flow of ten steps says fifty events, and every call counts.
_ENCODERS: dict[type, Callable[[Any], dict[str, Any]]] = {
    happened.FlowStarted: _flow_started,
    happened.FlowCompleted: lambda event: {"result": event.result},
    happened.FlowFailed: lambda event: {"error": event.error},
    happened.FlowDeactivated: lambda event: {"status": event.status},
    happened.FlowPaused: _reason_of,
    happened.FlowResumed: lambda event: filled(entry_id=event.entry_id),
    happened.FlowCancelled: lambda event: {
        **_reason_of(event),
        "compensates": event.compensates,
    },
    happened.FlowReleased: lambda _event: {},
    happened.FlowCompensationStarted: lambda _event: {},
    happened.ChildReleased: _work_only,
    happened.ChildDeactivated: _work_only,
    happened.StepStarted: lambda event: {
        "step_id": event.step_id,
        "inputs": event.inputs,
        "work_items": event.work_items,
    },
    happened.StepCompleted: lambda event: {
        "step_id": event.step_id,
        "outputs": event.outputs,
        "duration": event.duration_ms,
    },
    happened.StepFailed: _failed_step,
    happened.StepSkipped: _skipped_step,
    happened.AttributeSet: lambda event: {
        "step_id": event.step_id,
        "key": event.key,
        "value": event.value,
    },
    happened.WorkStarted: lambda event: {
        "step_id": event.step_id,
        "token": event.token,
        "inputs": event.inputs,
    },
    happened.WorkSucceeded: lambda event: {
        "step_id": event.step_id,
        "token": event.token,
        "outputs": event.outputs,
    },
    happened.WorkFailed: _of_work_failed,
    happened.WorkNotCompleted: _of_work_failed,
    happened.WorkRetryScheduled: _retry,
    happened.CompStarted: _work_only,
    happened.CompSucceeded: _work_only,
    happened.CompFailed: _of_work_failed,
    happened.CompRetryScheduled: _retry,
    happened.DispatchDeferred: _step_only,
    happened.StepForced: lambda event: {"step_id": event.step_id, **_reason_of(event)},
    happened.WorkRetryRequested: lambda event: {
        "step_id": event.step_id,
        "token": event.token,
        **_reason_of(event),
    },
}


_STORED = {type_: (name, _ENCODERS[type_]) for type_, name in NAMES.items()}


def _of_step(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": data["at"], "step_id": data["step_id"]}


def _of_work(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**_of_step(data), "token": data["token"]}


def _why(data: Mapping[str, Any]) -> dict[str, Any]:
    # Before entries had the words of operators, the reason had.
    return {"reason": data["reason"], "entry_id": data.get("entry_id", "")}


def _settled(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_of_step(data),
        "inputs": data.get("inputs"),
        "unsatisfied": tuple(data.get("unsatisfied") or ()),
    }


def _retried(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_of_work(data),
        "retry_count": data["retry_count"],
        "next_retry_at": read(data["next_retry_at"]),
        "error": data["error"],
    }


_DECODERS: dict[str, Callable[[Mapping[str, Any]], happened.FlowEvent]] = {
    "flow_started": lambda data: happened.FlowStarted(
        at=data["at"],
        plan=plan_from_json(data["plan"]),
        init=data.get("init") or {},
        metadata=data.get("metadata") or {},
        labels=data.get("labels") or {},
        options=data.get("options") or {},
    ),
    "flow_completed": lambda data: happened.FlowCompleted(at=data["at"], result=data["result"]),
    "flow_failed": lambda data: happened.FlowFailed(at=data["at"], error=data["error"]),
    "flow_deactivated": lambda data: happened.FlowDeactivated(at=data["at"], status=data["status"]),
    "flow_paused": lambda data: happened.FlowPaused(at=data["at"], **_why(data)),
    "flow_resumed": lambda data: happened.FlowResumed(
        at=data["at"], entry_id=data.get("entry_id", "")
    ),
    "flow_cancelled": lambda data: happened.FlowCancelled(
        at=data["at"], **_why(data), compensates=data["compensates"]
    ),
    "flow_released": lambda data: happened.FlowReleased(at=data["at"]),
    "flow_compensation_started": lambda data: happened.FlowCompensationStarted(at=data["at"]),
    "child_released": lambda data: happened.ChildReleased(**_of_work(data)),
    "child_deactivated": lambda data: happened.ChildDeactivated(**_of_work(data)),
    "step_started": lambda data: happened.StepStarted(
        **_of_step(data), inputs=data.get("inputs") or {}, work_items=data.get("work_items") or {}
    ),
    "step_completed": lambda data: happened.StepCompleted(
        **_of_step(data), outputs=data.get("outputs") or {}, duration_ms=data.get("duration") or 0
    ),
    "step_failed": lambda data: happened.StepFailed(**_settled(data), error=data["error"]),
    "step_skipped": lambda data: happened.StepSkipped(**_settled(data), **_why(data)),
    "attribute_set": lambda data: happened.AttributeSet(
        **_of_step(data), key=data["key"], value=data["value"]
    ),
    "work_started": lambda data: happened.WorkStarted(
        **_of_work(data), inputs=data.get("inputs") or {}
    ),
    "work_succeeded": lambda data: happened.WorkSucceeded(
        **_of_work(data), outputs=data.get("outputs")
    ),
    "work_failed": lambda data: happened.WorkFailed(**_of_work(data), error=data["error"]),
    "work_not_completed": lambda data: happened.WorkNotCompleted(
        **_of_work(data), error=data["error"]
    ),
    "work_retry_scheduled": lambda data: happened.WorkRetryScheduled(**_retried(data)),
    "comp_started": lambda data: happened.CompStarted(**_of_work(data)),
    "comp_succeeded": lambda data: happened.CompSucceeded(**_of_work(data)),
    "comp_failed": lambda data: happened.CompFailed(**_of_work(data), error=data["error"]),
    "comp_retry_scheduled": lambda data: happened.CompRetryScheduled(**_retried(data)),
    "dispatch_deferred": lambda data: happened.DispatchDeferred(**_of_step(data)),
    "step_forced": lambda data: happened.StepForced(**_of_step(data), **_why(data)),
    "work_retry_requested": lambda data: happened.WorkRetryRequested(
        **_of_work(data), **_why(data)
    ),
}
