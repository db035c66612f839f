"""What each event does to a flow. Never refuses."""

from collections.abc import Callable
from typing import Any

from workflows.flows.domain import history as happened
from workflows.flows.domain.flow import (
    Execution,
    Flow,
    FlowStatus,
    StepStatus,
    Value,
    WorkItem,
    WorkStatus,
    changed,
)


def evolve(flow: Flow, event: happened.FlowEvent) -> Flow:
    """Return `flow` as it is after `event`."""
    type_ = type(event)
    after = _APPLIERS[type_](flow, event)
    # Argyll leaves the time of the last change alone when a compensation begins.
    if type_ in _NO_CHANGE:
        return after
    if after is flow:
        return changed(after, last_updated=event.at)
    # Nobody else has seen the new state yet, so it need not be copied once more.
    after.__dict__["last_updated"] = event.at
    return after


_NO_CHANGE = frozenset({happened.CompStarted, happened.DispatchDeferred})


def _flow_started(flow: Flow, event: happened.FlowStarted) -> Flow:
    return changed(
        flow,
        plan=event.plan,
        init=event.init,
        attributes={
            name: tuple(Value(value=value, set_at=event.at) for value in values)
            for name, values in event.init.items()
        },
        executions={step_id: Execution() for step_id in event.plan.steps},
        metadata=event.metadata,
        labels=event.labels,
        options=event.options,
        created_at=event.at,
    )


def _flow_completed(flow: Flow, event: happened.FlowCompleted) -> Flow:
    return changed(flow, status=FlowStatus.COMPLETED, completed_at=event.at)


def _flow_failed(flow: Flow, event: happened.FlowFailed) -> Flow:
    return changed(flow, status=FlowStatus.FAILED, completed_at=event.at, error=event.error)


def _flow_deactivated(flow: Flow, event: happened.FlowDeactivated) -> Flow:
    return changed(flow, deactivated_at=event.at)


def _flow_paused(flow: Flow, _event: happened.FlowPaused) -> Flow:
    return changed(flow, is_paused=True)


def _flow_resumed(flow: Flow, _event: happened.FlowResumed) -> Flow:
    return changed(flow, is_paused=False)


def _flow_cancelled(flow: Flow, event: happened.FlowCancelled) -> Flow:
    return changed(flow, is_paused=False, compensates=event.compensates)


def _step_started(flow: Flow, event: happened.StepStarted) -> Flow:
    execution = Execution(status=StepStatus.ACTIVE, started_at=event.at, inputs=event.inputs)
    return _with_step(flow, event.step_id, execution.with_items(event.work_items))


def _step_completed(flow: Flow, event: happened.StepCompleted) -> Flow:
    execution = changed(
        flow.executions[event.step_id],
        status=StepStatus.COMPLETED,
        completed_at=event.at,
        outputs=event.outputs,
        duration_ms=event.duration_ms,
    )
    after = _with_step(flow, event.step_id, execution)
    return changed(after, completed_steps=(*flow.completed_steps, event.step_id))


def _step_failed(flow: Flow, event: happened.StepFailed) -> Flow:
    return _ended(flow, event, StepStatus.FAILED, event.error)


def _step_skipped(flow: Flow, event: happened.StepSkipped) -> Flow:
    return _ended(flow, event, StepStatus.SKIPPED, event.reason)


def _ended(
    flow: Flow, event: happened.StepFailed | happened.StepSkipped, status: StepStatus, why: str
) -> Flow:
    execution = changed(
        flow.executions[event.step_id],
        status=status,
        completed_at=event.at,
        error=why,
        inputs=event.inputs or {},
        unsatisfied=event.unsatisfied,
    )
    return _with_step(flow, event.step_id, execution)


def _attribute_set(flow: Flow, event: happened.AttributeSet) -> Flow:
    value = Value(value=event.value, set_at=event.at, step=event.step_id)
    values = (*flow.values(event.key), value)
    return changed(flow, attributes={**flow.attributes, event.key: values})


def _work_started(flow: Flow, event: happened.WorkStarted) -> Flow:
    return _with_work(
        flow,
        event,
        status=WorkStatus.ACTIVE,
        started_at=event.at,
        completed_at=None,
        next_retry_at=None,
    )


def _work_succeeded(flow: Flow, event: happened.WorkSucceeded) -> Flow:
    return _with_work(
        flow, event, status=WorkStatus.SUCCEEDED, completed_at=event.at, outputs=event.outputs
    )


def _work_failed(flow: Flow, event: happened.WorkFailed) -> Flow:
    return _with_work(
        flow, event, status=WorkStatus.FAILED, completed_at=event.at, error=event.error
    )


def _work_not_completed(flow: Flow, event: happened.WorkNotCompleted) -> Flow:
    return _with_work(
        flow, event, status=WorkStatus.NOT_COMPLETED, completed_at=event.at, error=event.error
    )


def _work_retry_scheduled(flow: Flow, event: happened.WorkRetryScheduled) -> Flow:
    return _with_work(
        flow,
        event,
        status=WorkStatus.PENDING,
        retry_count=event.retry_count,
        next_retry_at=event.next_retry_at,
        error=event.error,
    )


def _comp_started(flow: Flow, event: happened.CompStarted) -> Flow:
    return _with_work(flow, event, status=WorkStatus.COMPENSATING, next_retry_at=None)


def _comp_succeeded(flow: Flow, event: happened.CompSucceeded) -> Flow:
    return _with_work(flow, event, status=WorkStatus.COMPENSATED, completed_at=event.at)


def _comp_failed(flow: Flow, event: happened.CompFailed) -> Flow:
    return _with_work(
        flow, event, status=WorkStatus.COMPENSATION_FAILED, completed_at=event.at, error=event.error
    )


def _comp_retry_scheduled(flow: Flow, event: happened.CompRetryScheduled) -> Flow:
    return _with_work(
        flow,
        event,
        status=WorkStatus.COMPENSATING,
        retry_count=event.retry_count,
        next_retry_at=event.next_retry_at,
        error=event.error,
    )


def _unchanged(flow: Flow, _event: happened.FlowEvent) -> Flow:
    return flow


def _with_step(flow: Flow, step_id: str, execution: Execution) -> Flow:
    return changed(flow, executions={**flow.executions, step_id: execution})


def _with_work(flow: Flow, event: Any, **changes: Any) -> Flow:
    execution = flow.executions[event.step_id]
    item: WorkItem = changed(execution.items[event.token], **changes)
    return _with_step(flow, event.step_id, execution.with_item(item))


_APPLIERS: dict[type, Callable[[Flow, Any], Flow]] = {
    happened.FlowStarted: _flow_started,
    happened.FlowCompleted: _flow_completed,
    happened.FlowFailed: _flow_failed,
    happened.FlowDeactivated: _flow_deactivated,
    happened.FlowPaused: _flow_paused,
    happened.FlowResumed: _flow_resumed,
    happened.FlowCancelled: _flow_cancelled,
    happened.StepStarted: _step_started,
    happened.StepCompleted: _step_completed,
    happened.StepFailed: _step_failed,
    happened.StepSkipped: _step_skipped,
    happened.AttributeSet: _attribute_set,
    happened.WorkStarted: _work_started,
    happened.WorkSucceeded: _work_succeeded,
    happened.WorkFailed: _work_failed,
    happened.WorkNotCompleted: _work_not_completed,
    happened.WorkRetryScheduled: _work_retry_scheduled,
    happened.CompStarted: _comp_started,
    happened.CompSucceeded: _comp_succeeded,
    happened.CompFailed: _comp_failed,
    happened.CompRetryScheduled: _comp_retry_scheduled,
    happened.DispatchDeferred: _unchanged,
    happened.StepForced: _unchanged,
    happened.WorkRetryRequested: _unchanged,
}
