"""Forks: which steps a fork keeps of its flow, and which run again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from events.domain.json_pointer import pointer_to
from workflows.flows.domain.decision import NOT_NEEDED
from workflows.flows.domain.errors import FlowInvalid, InputsMissing
from workflows.flows.domain.flow import Flow, StepStatus, WorkStatus
from workflows.flows.domain.step import Collect
from workflows.flows.domain.step_decisions import GATED_OUT, NOT_TRUE
from workflows.flows.domain.value_types import check_edited

_UNDONE = frozenset(
    {WorkStatus.COMPENSATING, WorkStatus.COMPENSATED, WorkStatus.COMPENSATION_FAILED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """`inherited` are the outputs of steps that are not run again, by step.

    `left_out` are steps that somebody skipped.
    """

    init: Mapping[str, list[Any]]
    inherited: Mapping[str, Mapping[str, Any]]
    left_out: tuple[str, ...]


def fork_of(flow: Flow, from_step: str, edited: Mapping[str, list[Any]]) -> Fork:
    """Return what a fork of `flow` from `from_step` begins with, `edited` replacing values.

    Run again are the step, whatever took an edited value, whatever was undone or had not
    completed, and all that depends on one of these; the step itself even if memory knows its
    answer. An edited value also stands in for what a kept step gave. What somebody skipped
    stays skipped, unless it is the step, depends on it, or took an edited value.

    :raises FlowInvalid: if the step is not in the plan, or an edited name means nothing to it,
        or its value is of another type than the steps declare.
    :raises InputsMissing: if an edit takes away what a step requires and none gives again.
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
    if missing := tuple(name for name in edited if _is_missed(flow, name, edited, again)):
        raise InputsMissing(missing, pointer=pointer_to("init", missing[0]))
    inherited = {
        step_id: _without(flow.executions[step_id].outputs or {}, edited)
        for step_id in flow.completed_steps
        if step_id not in again and flow.executions[step_id].status == StepStatus.COMPLETED
    }
    left_out = tuple(
        step_id
        for step_id in flow.plan.steps
        if step_id not in again and _is_skipped_by_hand(flow, step_id)
    )
    return Fork(init={**flow.init, **edited}, inherited=inherited, left_out=left_out)


def _run_again(flow: Flow, from_step: str, edited: Mapping[str, list[Any]]) -> set[str]:
    takers = {
        step_id
        for step_id, step in flow.plan.steps.items()
        if any(name in edited for name, _ in step.inputs())
    }
    undone = {
        step_id
        for step_id, execution in flow.executions.items()
        if execution.count(*_UNDONE) and not _is_skipped_by_hand(flow, step_id)
    }
    beginnings = {from_step} | takers | undone
    return {one for beginning in beginnings for one in flow.plan.downstream(beginning)}


_SKIPPED_BY_ITSELF = frozenset({GATED_OUT, NOT_TRUE, NOT_NEEDED})


def _is_skipped_by_hand(flow: Flow, step_id: str) -> bool:
    execution = flow.executions[step_id]
    return execution.status == StepStatus.SKIPPED and execution.error not in _SKIPPED_BY_ITSELF


def _is_missed(flow: Flow, name: str, edited: Mapping[str, list[Any]], again: set[str]) -> bool:
    """Return whether an edit leaves nothing of a value that a step which runs requires."""
    if edited[name] or not again.isdisjoint(flow.plan.providers(name)):
        return False
    takers = (flow.plan.steps[step_id].attributes[name] for step_id in flow.plan.consumers(name))
    return any(
        spec is not None and spec.is_required and spec.collect_mode != Collect.NONE
        for spec in takers
    )


def _without(outputs: Mapping[str, Any], edited: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {name: value for name, value in outputs.items() if name not in edited}
