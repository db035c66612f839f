"""Forks: which steps a fork keeps of its flow, and which run again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from events.domain.json_pointer import pointer_to
from workflows.flows.domain.errors import FlowInvalid
from workflows.flows.domain.flow import Flow, StepStatus, WorkStatus
from workflows.flows.domain.value_types import check_edited

_UNDONE = frozenset(
    {WorkStatus.COMPENSATING, WorkStatus.COMPENSATED, WorkStatus.COMPENSATION_FAILED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """`inherited` are the outputs of steps that are not run again, by step."""

    init: Mapping[str, list[Any]]
    inherited: Mapping[str, Mapping[str, Any]]


def fork_of(flow: Flow, from_step: str, edited: Mapping[str, list[Any]]) -> Fork:
    """Return what a fork of `flow` from `from_step` begins with, `edited` replacing values.

    Run again are the step, whatever took an edited value, whatever was undone, and all that
    depends on one of these; the step itself even if memory knows its answer. An edited value
    also stands in for what a kept step gave.

    :raises FlowInvalid: if the step is not in the plan, or an edited name means nothing to it,
        or its value is of another type than the steps declare.
    """
    if from_step not in flow.plan.steps:
        raise FlowInvalid(f"step {from_step} is not in the plan", pointer="/from_step")
    for name in edited:
        if name not in flow.plan.attributes and name not in flow.init:
            raise FlowInvalid(
                f"attribute {name} is not in the plan", pointer=pointer_to("init", name)
            )
    check_edited(flow.plan, edited)
    again = _run_again(flow, from_step, edited)
    inherited = {
        step_id: _without(flow.executions[step_id].outputs or {}, edited)
        for step_id in flow.completed_steps
        if step_id not in again and flow.executions[step_id].status == StepStatus.COMPLETED
    }
    return Fork(init={**flow.init, **edited}, inherited=inherited)


def _run_again(flow: Flow, from_step: str, edited: Mapping[str, list[Any]]) -> set[str]:
    takers = {
        step_id
        for step_id, step in flow.plan.steps.items()
        if any(name in edited for name, _ in step.inputs())
    }
    undone = {
        step_id for step_id, execution in flow.executions.items() if execution.count(*_UNDONE)
    }
    beginnings = {from_step} | takers | undone
    return {one for beginning in beginnings for one in flow.plan.downstream(beginning)}


def _without(outputs: Mapping[str, Any], edited: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {name: value for name, value in outputs.items() if name not in edited}
