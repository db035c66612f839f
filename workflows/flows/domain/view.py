"""The JSON of a flow for Argyll's clients, including its empty lists, maps and zero times."""

from typing import Any

from events.domain.canonical import filled
from workflows.flows.domain.flow import Execution, Flow, Value, WorkItem
from workflows.flows.domain.times import written


def flow_as_json(flow: Flow) -> dict[str, Any]:
    """Return the FlowState of the wire."""
    return {
        "id": flow.id,
        "status": flow.status.value,
        "plan": flow.plan.as_json(),
        "attributes": {
            name: [_value(one) for one in values] for name, values in flow.attributes.items()
        },
        "executions": {step: _execution(one) for step, one in flow.executions.items()},
        "created_at": written(flow.created_at),
        "completed_at": written(flow.completed_at),
        "deactivated_at": written(flow.deactivated_at),
        "last_updated": written(flow.last_updated),
        **filled(
            metadata=dict(flow.metadata),
            labels=dict(flow.labels),
            error=flow.error,
            paused=flow.is_paused,
            released=flow.is_released,
            undone=flow.is_undone,
        ),
    }


def _value(value: Value) -> dict[str, Any]:
    return {
        "set_at": written(value.set_at),
        "value": value.value,
        **({"step": value.step} if value.step is not None else {}),
    }


def _execution(execution: Execution) -> dict[str, Any]:
    return {
        "status": execution.status.value,
        "started_at": written(execution.started_at),
        "completed_at": written(execution.completed_at),
        "inputs": execution.inputs,
        **filled(
            outputs=execution.outputs,
            work_items={item.token: _work_item(item) for item in execution.in_order()},
            error=execution.error,
            unsatisfied=list(execution.unsatisfied),
            duration=execution.duration_ms,
        ),
    }


def _work_item(item: WorkItem) -> dict[str, Any]:
    return {
        "status": item.status.value,
        "started_at": written(item.started_at),
        "completed_at": written(item.completed_at),
        "next_retry_at": written(item.next_retry_at),
        "inputs": item.inputs,
        **filled(
            outputs=item.outputs,
            error=item.error,
            retry_count=item.retry_count,
            child=item.child and item.child.value,
        ),
    }
