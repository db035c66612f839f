"""The events of a flow, as Argyll names and shapes them, and a few of ours.

A flow's state is the fold of these. Each carries `at`, which the log stores beside the data;
the data themselves are exactly what Argyll's clients know.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workflows.flows.domain.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfStep(_At):
    step_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfWork(_OfStep):
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStarted(_At):
    """`options` are ours: timeout, compensation, concurrency key, the flow it was forked from."""

    plan: Plan
    init: Mapping[str, list[Any]]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCompleted(_At):
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFailed(_At):
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDeactivated(_At):
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(_OfStep):
    """`work_items` maps each token to the inputs of that item alone, in input order."""

    inputs: Mapping[str, Any]
    work_items: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCompleted(_OfStep):
    outputs: Mapping[str, Any]
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed(_OfStep):
    error: str
    inputs: Mapping[str, Any] | None = None
    unsatisfied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSkipped(_OfStep):
    """`entry_id` is ours: the entry that has the words of who skipped it."""

    reason: str
    entry_id: str = ""
    inputs: Mapping[str, Any] | None = None
    unsatisfied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSet(_OfStep):
    key: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkStarted(_OfWork):
    """`inputs` are those of the step overlaid with those of the item."""

    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSucceeded(_OfWork):
    outputs: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFailed(_OfWork):
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkNotCompleted(_OfWork):
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRetryScheduled(_OfWork):
    retry_count: int
    next_retry_at: datetime
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompStarted(_OfWork):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CompSucceeded(_OfWork):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CompFailed(_OfWork):
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompRetryScheduled(_OfWork):
    retry_count: int
    next_retry_at: datetime
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchDeferred(_OfStep):
    """No worker may run this step now; it is tried again later. Changes no state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPaused(_At):
    """Ours: nothing new starts until it is resumed; results are still recorded."""

    reason: str
    entry_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowResumed(_At):
    """Ours."""

    entry_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCancelled(_At):
    """Ours: an operator or the deadline ended it. `flow_failed` follows at once."""

    reason: str
    entry_id: str = ""
    compensates: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowReleased(_At):
    """Ours: the parent of a completed flow will not compensate it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCompensationStarted(_At):
    """Ours: the parent of a completed flow compensates it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildReleased(_OfWork):
    """Ours: the child flow of an item will not be compensated, so it may end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildDeactivated(_OfWork):
    """Ours: a child flow that was released has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForced(_OfStep):
    """Ours: an operator completed the step. Its outputs follow at once."""

    reason: str
    entry_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRetryRequested(_OfWork):
    """Ours: an operator retried without waiting. `work_started` follows at once."""

    reason: str
    entry_id: str = ""


FlowEvent = (
    FlowStarted
    | FlowCompleted
    | FlowFailed
    | FlowDeactivated
    | StepStarted
    | StepCompleted
    | StepFailed
    | StepSkipped
    | AttributeSet
    | WorkStarted
    | WorkSucceeded
    | WorkFailed
    | WorkNotCompleted
    | WorkRetryScheduled
    | CompStarted
    | CompSucceeded
    | CompFailed
    | CompRetryScheduled
    | DispatchDeferred
    | FlowPaused
    | FlowResumed
    | FlowCancelled
    | FlowReleased
    | FlowCompensationStarted
    | ChildReleased
    | ChildDeactivated
    | StepForced
    | WorkRetryRequested
)
