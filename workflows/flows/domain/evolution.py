"""`evolve` of the flow aggregate: applies each event to the state. Never refuses."""

from collections.abc import Callable
from typing import Any

from rpds import HashTrieMap

from workflows.flows.domain import flow_events as happened
from workflows.flows.domain.flow import (
    ChildStatus,
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
    copy = WorkingCopy(flow)
    copy.apply(event)
    return copy.flow


class WorkingCopy:
    """A flow while events happen to it, one after the other.

    `flow` is written in place, and so are the executions that were touched: they are copies
    of its own, made at the first touch. Items are never written, only replaced.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = changed(
            flow,
            executions={**flow.executions},
            attributes={**flow.attributes},
            is_known_plain=False,
        )
        self._touched: set[str] = set()

    def apply(self, event: happened.FlowEvent) -> None:
        """Let `event` happen to the flow."""
        type_ = type(event)
        _APPLIERS[type_](self, event)
        # Argyll leaves the time of the last change alone when a compensation begins.
        if type_ not in _NO_CHANGE:
            self.flow.__dict__["last_updated"] = event.at

    def change(self, **members: Any) -> None:
        self.flow.__dict__.update(members)

    def put(self, step_id: str, execution: Execution) -> None:
        """Add an execution that this fold has made, and may change in place."""
        self._touched.add(step_id)
        self.flow.__dict__["executions"][step_id] = execution

    def change_step(self, step_id: str, **members: Any) -> None:
        self._members(step_id).update(members)

    def change_item(self, step_id: str, token: str, **members: Any) -> None:
        """Replace an item, and move the tally along."""
        execution = self._members(step_id)
        before = execution["items"][token]
        item: WorkItem = changed(before, **members)
        items = execution["items"] = execution["items"].insert(token, item)
        tally, order, cursor = execution["tally"], execution["order"], execution["cursor"]
        tally[before.status] -= 1
        tally[item.status] = tally.get(item.status, 0) + 1
        # Everything before the cursor was started: the search for the next is never repeated.
        while cursor < len(order) and not items[order[cursor]].is_fresh:
            cursor += 1
        execution["cursor"] = cursor

    def _members(self, step_id: str) -> dict[str, Any]:
        execution = self.flow.executions[step_id]
        if step_id not in self._touched:
            execution = changed(execution, tally={**execution.tally})
            self.put(step_id, execution)
        return execution.__dict__


_NO_CHANGE = frozenset({happened.CompStarted, happened.DispatchDeferred})


_PENDING = Execution()


def _flow_started(copy: WorkingCopy, event: happened.FlowStarted) -> None:
    copy.change(
        plan=event.plan,
        init=event.init,
        attributes={
            name: tuple(Value(value=value, set_at=event.at) for value in values)
            for name, values in event.init.items()
        },
        executions=dict.fromkeys(event.plan.steps, _PENDING),
        metadata=event.metadata,
        labels=event.labels,
        options=event.options,
        created_at=event.at,
    )


def _flow_completed(copy: WorkingCopy, event: happened.FlowCompleted) -> None:
    copy.change(status=FlowStatus.COMPLETED, completed_at=event.at, is_paused=False)


def _flow_failed(copy: WorkingCopy, event: happened.FlowFailed) -> None:
    copy.change(status=FlowStatus.FAILED, completed_at=event.at, error=event.error, is_paused=False)


def _flow_deactivated(copy: WorkingCopy, event: happened.FlowDeactivated) -> None:
    copy.change(deactivated_at=event.at)


def _flow_paused(copy: WorkingCopy, _event: happened.FlowPaused) -> None:
    copy.change(is_paused=True)


def _flow_resumed(copy: WorkingCopy, _event: happened.FlowResumed) -> None:
    copy.change(is_paused=False)


def _flow_cancelled(copy: WorkingCopy, event: happened.FlowCancelled) -> None:
    copy.change(is_paused=False, is_cancelled=True, compensates=event.compensates)


def _flow_released(copy: WorkingCopy, _event: happened.FlowReleased) -> None:
    copy.change(is_released=True)


def _flow_compensation_started(copy: WorkingCopy, _event: happened.FlowCompensationStarted) -> None:
    copy.change(is_undone=True)


def _child_released(copy: WorkingCopy, event: happened.ChildReleased) -> None:
    copy.change_item(event.step_id, event.token, child=ChildStatus.RELEASED)
    copy.change(open_children=copy.flow.open_children + 1)


def _child_deactivated(copy: WorkingCopy, event: happened.ChildDeactivated) -> None:
    copy.change_item(event.step_id, event.token, child=ChildStatus.DEACTIVATED)
    copy.change(open_children=copy.flow.open_children - 1)


def _step_started(copy: WorkingCopy, event: happened.StepStarted) -> None:
    items = {
        token: WorkItem(token=token, inputs=inputs) for token, inputs in event.work_items.items()
    }
    execution = Execution(
        status=StepStatus.ACTIVE,
        started_at=event.at,
        inputs=event.inputs,
        items=HashTrieMap(items),
        order=tuple(items),
        tally={WorkStatus.PENDING: len(items)} if items else {},
    )
    copy.put(event.step_id, execution)


def _step_completed(copy: WorkingCopy, event: happened.StepCompleted) -> None:
    copy.change_step(
        event.step_id,
        status=StepStatus.COMPLETED,
        completed_at=event.at,
        outputs=event.outputs,
        duration_ms=event.duration_ms,
    )
    copy.change(completed_steps=(*copy.flow.completed_steps, event.step_id))


def _step_failed(copy: WorkingCopy, event: happened.StepFailed) -> None:
    _ended(copy, event, StepStatus.FAILED, event.error)


def _step_skipped(copy: WorkingCopy, event: happened.StepSkipped) -> None:
    _ended(copy, event, StepStatus.SKIPPED, event.reason)


def _ended(
    copy: WorkingCopy,
    event: happened.StepFailed | happened.StepSkipped,
    status: StepStatus,
    why: str,
) -> None:
    copy.change_step(
        event.step_id,
        status=status,
        completed_at=event.at,
        error=why,
        # An ending that says nothing of them leaves what the step began with: whoever undoes
        # its items needs it.
        inputs=event.inputs or copy.flow.executions[event.step_id].inputs or {},
        unsatisfied=event.unsatisfied,
    )


def _attribute_set(copy: WorkingCopy, event: happened.AttributeSet) -> None:
    value = Value(value=event.value, set_at=event.at, step=event.step_id)
    attributes = copy.flow.__dict__["attributes"]
    attributes[event.key] = (*attributes.get(event.key, ()), value)


def _work_started(copy: WorkingCopy, event: happened.WorkStarted) -> None:
    copy.change_item(
        event.step_id,
        event.token,
        status=WorkStatus.ACTIVE,
        started_at=event.at,
        completed_at=None,
        next_retry_at=None,
    )


def _work_succeeded(copy: WorkingCopy, event: happened.WorkSucceeded) -> None:
    copy.change_item(
        event.step_id,
        event.token,
        status=WorkStatus.SUCCEEDED,
        completed_at=event.at,
        outputs=event.outputs,
    )


def _work_failed(copy: WorkingCopy, event: happened.WorkFailed) -> None:
    copy.change_item(
        event.step_id,
        event.token,
        status=WorkStatus.FAILED,
        completed_at=event.at,
        error=event.error,
    )


def _work_not_completed(copy: WorkingCopy, event: happened.WorkNotCompleted) -> None:
    copy.change_item(
        event.step_id,
        event.token,
        status=WorkStatus.NOT_COMPLETED,
        completed_at=event.at,
        error=event.error,
    )


def _work_retry_scheduled(copy: WorkingCopy, event: happened.WorkRetryScheduled) -> None:
    copy.change_item(
        event.step_id,
        event.token,
        status=WorkStatus.PENDING,
        retry_count=event.retry_count,
        next_retry_at=event.next_retry_at,
        error=event.error,
    )


def _comp_started(copy: WorkingCopy, event: happened.CompStarted) -> None:
    copy.change_item(event.step_id, event.token, status=WorkStatus.COMPENSATING, next_retry_at=None)


def _comp_succeeded(copy: WorkingCopy, event: happened.CompSucceeded) -> None:
    copy.change_item(
        event.step_id, event.token, status=WorkStatus.COMPENSATED, completed_at=event.at
    )


def _comp_failed(copy: WorkingCopy, event: happened.CompFailed) -> None:
    copy.change_item(
        event.step_id,
        event.token,
        status=WorkStatus.COMPENSATION_FAILED,
        completed_at=event.at,
        error=event.error,
    )


def _comp_retry_scheduled(copy: WorkingCopy, event: happened.CompRetryScheduled) -> None:
    copy.change_item(
        event.step_id,
        event.token,
        status=WorkStatus.COMPENSATING,
        retry_count=event.retry_count,
        next_retry_at=event.next_retry_at,
        error=event.error,
    )


def _unchanged(_copy: WorkingCopy, _event: happened.FlowEvent) -> None:
    pass


_APPLIERS: dict[type, Callable[[WorkingCopy, Any], None]] = {
    happened.FlowStarted: _flow_started,
    happened.FlowCompleted: _flow_completed,
    happened.FlowFailed: _flow_failed,
    happened.FlowDeactivated: _flow_deactivated,
    happened.FlowPaused: _flow_paused,
    happened.FlowResumed: _flow_resumed,
    happened.FlowCancelled: _flow_cancelled,
    happened.FlowReleased: _flow_released,
    happened.FlowCompensationStarted: _flow_compensation_started,
    happened.ChildReleased: _child_released,
    happened.ChildDeactivated: _child_deactivated,
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
