"""The provenance of a flow's values: which step and work item produced them, from which inputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from workflows.flows.domain.flow import Flow, Value, WorkItem

ITEMS_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Giver:
    """A work item that gave a part of a value, with what it was given itself."""

    token: str
    status: str
    inputs: dict[str, Any]
    gave: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One value of an attribute. Without `step` it was given when the flow started.

    `taken` are the attributes that the step took, `items_hidden` how many more items gave.
    """

    value: Any
    set_at: datetime
    step: str | None
    taken: list[str]
    items: list[Giver]
    items_hidden: int


def origins(flow: Flow, name: str) -> list[Origin]:
    """Return where each value of an attribute comes from, in the order in which they came."""
    return [_origin(flow, name, value) for value in flow.values(name)]


def _origin(flow: Flow, name: str, value: Value) -> Origin:
    if value.step is None:
        return Origin(
            value=value.value, set_at=value.set_at, step=None, taken=[], items=[], items_hidden=0
        )
    step = flow.step(value.step)
    spec = step.attributes.get(name)
    inner = spec.inner_name(name) if spec else name
    givers = list(_givers(flow, value.step, inner))
    return Origin(
        value=value.value,
        set_at=value.set_at,
        step=value.step,
        taken=[taken for taken, _ in step.inputs() if flow.values(taken)],
        items=givers[:ITEMS_SHOWN_MAX],
        items_hidden=max(len(givers) - ITEMS_SHOWN_MAX, 0),
    )


def _givers(flow: Flow, step_id: str, inner: str) -> Iterator[Giver]:
    execution = flow.executions[step_id]
    is_only = len(execution.order) == 1
    for item in execution.in_order():
        outputs = item.outputs or {}
        # A script may make the value of all that the only item gave.
        if inner in outputs or is_only:
            yield _giver(item, outputs.get(inner, dict(outputs)), dict(execution.inputs or {}))


def _giver(item: WorkItem, gave: Any, shared: dict[str, Any]) -> Giver:
    return Giver(
        token=item.token,
        status=item.status.value,
        inputs={**shared, **item.inputs},
        gave=gave,
    )


def attributes(flow: Flow) -> list[tuple[str, tuple[Value, ...]]]:
    """Return every attribute of a flow with its values: those that have some first."""
    names = {*flow.plan.attributes, *flow.attributes, *flow.plan.required}
    return sorted(
        ((name, tuple(islice(flow.values(name), ITEMS_SHOWN_MAX))) for name in names),
        key=lambda pair: (not pair[1], pair[0]),
    )
