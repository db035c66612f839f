"""Expands the inputs of a step to work items, and collects their results to outputs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

from workflows.flows.domain.errors import FlowInvalid
from workflows.flows.domain.flow import Execution, Flow, StepStatus, WorkItem, WorkStatus
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Step, StepType, bound
from workflows.flows.domain.world import ABSENT, Absent, Languages

WORK_ITEMS_MAX = 10_000
"""Of one step, as in Argyll."""

ITEMS_OF_DECISION_MAX = 20_000
"""Of all steps that one decision begins (ours): its transaction is idle while it is made.

What a decision would begin, end, stop or let go beyond it is left to the next look."""

ITEMS_OF_FLOW_MAX = 100_000
"""Of all steps of a flow (ours): whoever decides has all of them in memory."""


class TooManyItems(FlowInvalid):
    code = "too_many_work_items"
    hint = "Split the input, or use a child flow for each part."

    def __init__(self, count: int, count_max: int = WORK_ITEMS_MAX) -> None:
        super().__init__(
            f"too many work items: {count} (max {count_max})",
            pointer="/init",
            count=count,
            count_max=count_max,
        )


def expand(step: Step, inputs: Mapping[str, Any], *, beside: int = 0) -> list[dict[str, Any]]:
    """Return the inputs of each work item alone: one per combination of for_each values.

    Names are looked up as the step knows them, so a renamed input expands too.
    A for_each input that is not an array is passed whole.

    `beside` counts the items of the steps that the same decision has begun already.

    :raises TooManyItems: if there would be more than 10,000, or with those more than 20,000.
    """
    lists: dict[str, list[Any]] = {}
    each = [(name, spec.inner_name(name)) for name, spec in step.inputs() if spec.for_each]
    for _, inner in sorted(each):
        value = inputs.get(inner)
        if isinstance(value, list):
            lists[inner] = value
    if not lists:
        return [{}]
    count = 1
    for values in lists.values():
        count *= len(values)
    if count > WORK_ITEMS_MAX:
        raise TooManyItems(count)
    if beside + count > ITEMS_OF_DECISION_MAX:
        raise TooManyItems(beside + count, ITEMS_OF_DECISION_MAX)
    return [dict(zip(lists, values, strict=True)) for values in product(*lists.values())]


def item_inputs(execution: Execution, item: WorkItem) -> dict[str, Any]:
    """Return all inputs of one item: those of the step, overlaid with its own."""
    return {**(execution.inputs or {}), **item.inputs}


def invocation_inputs(flow: Flow, step: Step, item: WorkItem, **extra: str) -> dict[str, Any]:
    """Return the arguments of an item's invocation: its inputs and the declared meta values."""
    inputs = item_inputs(flow.executions[step.id], item)
    return inputs | meta_values(flow, step, item.token, **extra) if step.metas() else inputs


def meta_values(flow: Flow, step: Step, token: str, **extra: str) -> dict[str, Any]:
    """Return what one item of a step is told of itself and its flow, as far as it is known."""
    known = {
        **flow.metadata,
        "flow_id": flow.id,
        "step_id": step.id,
        "receipt_token": token,
        **extra,
    }
    return {name: known[key] for name, key in step.metas() if key in known}


def parallelism(step: Step) -> int:
    """Return how many items of a step may be under way at once."""
    return max(step.work_config.parallelism if step.work_config else 0, 1)


def awaited_in_vain(flow: Flow) -> Iterator[tuple[Step, WorkItem]]:
    """Yield items that still wait for a time, an event or an approval, but are no longer needed."""
    for step in flow.plan.awaiting:
        execution = flow.executions[step.id]
        if execution.status == StepStatus.ACTIVE and not flow.is_terminal:
            continue
        if execution.count(WorkStatus.ACTIVE):
            for item in execution.in_order():
                if item.status == WorkStatus.ACTIVE:
                    yield step, item


def child_outputs(values: Mapping[str, Any], step: Step) -> dict[str, Any]:
    """Return the outputs of a finished child flow for its flow step.

    :raises ScriptFailed: if a declared output, renamed from one of the child's, is not there.
    """
    for name, spec in step.outputs():
        inner = spec.inner_name(name)
        if spec.mapping is not None and spec.mapping.name and inner not in values:
            raise ScriptFailed(f"flow output missing: {inner}")
    return dict(values)


def step_outputs(step: Step, execution: Execution, languages: Languages) -> dict[str, Any]:
    """Return the declared outputs of a step whose items have all succeeded, in input order."""
    raw = _raw_outputs(step, execution)
    found = {name: _mapped(step, name, raw, languages) for name, _ in step.outputs()}
    return {name: value for name, value in found.items() if not isinstance(value, Absent)}


def _raw_outputs(step: Step, execution: Execution) -> dict[str, Any]:
    if not execution.order:
        # An empty for_each has nothing to do and is done.
        return {spec.inner_name(name): [] for name, spec in step.outputs()}
    if len(execution.order) == 1:
        [token] = execution.order
        return dict(execution.items[token].outputs or {})
    done = [item for item in execution.in_order() if item.status == WorkStatus.SUCCEEDED]
    return _aggregated(step, done)


def _aggregated(step: Step, items: Sequence[WorkItem]) -> dict[str, Any]:
    """Return per output the list of `{for_each names: their values, output: value}`."""
    outer_of = {spec.inner_name(name): name for name, spec in step.inputs() if spec.for_each}
    lists: dict[str, Any] = {}
    for _, inner in _inner_outputs(step):
        lists[inner] = [
            {**{outer_of[key]: value for key, value in item.inputs.items()}, inner: outputs[inner]}
            for item in items
            if inner in (outputs := item.outputs or {})
        ]
    return lists


def _inner_outputs(step: Step) -> list[tuple[str, str]]:
    return [(name, spec.inner_name(name)) for name, spec in step.outputs()]


def _mapped(step: Step, name: str, raw: Mapping[str, Any], languages: Languages) -> Any:
    spec = step.attributes[name]
    assert spec is not None
    if spec.mapping is not None and spec.mapping.script is not None:
        seen = bound(spec.mapping.script, step.names_after_work(), raw)
        try:
            return languages.map_output(spec.mapping.script, seen)
        except ScriptFailed:
            return ABSENT
    return raw.get(spec.inner_name(name), ABSENT)


def can_be_compensated(flow: Flow, step: Step) -> bool:
    """Return whether what a step did can be undone; a child flow, if the flow asks for it."""
    if step.type != StepType.FLOW:
        return step.has_compensation
    child = flow.plan.children.get(step.id)
    is_wanted = flow.asks_for_compensation or flow.undoes
    return is_wanted and child is not None and child.can_be_undone


def next_pending(execution: Execution, count: int) -> list[WorkItem]:
    """Return up to `count` items that were never started, in input order."""
    found: list[WorkItem] = []
    for token in islice(execution.order, execution.cursor, None):
        item = execution.items[token]
        if item.is_fresh:
            found.append(item)
            if len(found) == count:
                break
    return found
