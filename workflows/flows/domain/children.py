"""The protocol between a flow and its child flows. Pure, for either side.

A child flow reports its outcome, is stopped when nobody waits for it any more, and, if the flow
uses compensation, stays until it is released or compensated (ADR 0065).
"""

from typing import Any

from workflows.flows.domain import commands as asked
from workflows.flows.domain.flow import Flow, FlowStatus, StepStatus, WorkItem, WorkStatus
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Step
from workflows.flows.domain.work_items import child_outputs

_OPEN = frozenset({WorkStatus.PENDING, WorkStatus.ACTIVE, WorkStatus.NOT_COMPLETED})


def is_wanted(flow: Flow, step_id: str) -> bool:
    """Return whether a child flow that runs for a step of `flow` should continue.

    What ends one of Argyll's flows lets its children run on, as Argyll does. It is not wanted
    once somebody has cancelled the flow, or settled its step, and where what it does would
    only be undone.
    """
    if flow.is_cancelled or flow.is_to_be_undone:
        return False
    match flow.executions[step_id].status:
        case StepStatus.SKIPPED | StepStatus.COMPLETED:
            return False
        case StepStatus.FAILED:
            return not flow.asks_for_compensation
    return True


def said_to_parent(child: Flow, step: Step, item: WorkItem) -> asked.FlowCommand | None:
    """Return what a child flow that has completed, or is over, means to its item in the parent.

    None if it is not new: a held child has reported before.
    """
    if item.status in _OPEN:
        return outcome_of(child, step, item)
    if not child.is_over:
        return None
    if item.status == WorkStatus.COMPENSATING:
        return undoing_of(child, step, item)
    return asked.CloseChild(step_id=step.id, token=item.token)


def outcome_of(child: Flow, step: Step, item: WorkItem) -> asked.FlowCommand:
    """Return how the work item of a child flow went. What it gives are the first values."""
    at: dict[str, Any] = {"step_id": step.id, "token": item.token}
    if child.status == FlowStatus.FAILED:
        return asked.FailWork(**at, error=_error_of(child))
    first = {name: values[0].value for name, values in child.attributes.items() if values}
    try:
        return asked.SucceedWork(**at, outputs=child_outputs(first, step))
    except ScriptFailed as lacking:
        return asked.FailWork(**at, error=str(lacking), leaves=child.is_held)


def undoing_of(child: Flow, step: Step, item: WorkItem) -> asked.FlowCommand:
    """Return the outcome of compensating the item of a child flow that has ended."""
    at: dict[str, Any] = {"step_id": step.id, "token": item.token}
    if not child.is_to_be_undone:
        return asked.FailCompensation(**at, error="the child flow was over before, and stays done")
    if left := child.not_undone:
        return asked.FailCompensation(**at, error=f"not undone: {', '.join(left)}")
    return asked.SucceedCompensation(**at)


def _error_of(child: Flow) -> str:
    error = child.error or "child flow failed"
    left = child.not_undone if child.asks_for_compensation else []
    return f"{error}\nnot undone: {', '.join(left)}" if left else error
