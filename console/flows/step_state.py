"""The state of a step of a flow, in one word, and how far its items are."""

from dataclasses import dataclass
from datetime import datetime

from console.templatetags.console import tone
from workflows.flows.domain.flow import Execution, Flow, StepStatus, WorkItem, WorkStatus

_DONE = (
    WorkStatus.SUCCEEDED,
    WorkStatus.FAILED,
    WorkStatus.COMPENSATING,
    WorkStatus.COMPENSATED,
    WorkStatus.COMPENSATION_FAILED,
)
_UNDONE = (
    (WorkStatus.COMPENSATING, "compensating"),
    (WorkStatus.COMPENSATION_FAILED, "compensation_failed"),
    (WorkStatus.COMPENSATED, "compensated"),
)


FAILED_AND_UNDONE = "failed, compensated"
"""Of a step that failed, so that those of its items that had succeeded were undone."""
STOPPED = "stopped"
"""Of a step that had begun when the outcome of its flow became known, and is left at that."""

NOT_BEGUN = "not begun"
"""Of a step that had not begun then, and never will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    """`state` is a status of the step, what is happening to what it did, or what is not.

    `retry_at` is when the next try of an item is due; `is_held` if a pause keeps it back.
    """

    state: str
    done: int
    total: int
    retry_at: datetime | None = None
    retry_count: int = 0
    is_held: bool = False

    @property
    def tone(self) -> str:
        """The colour of the state. What has not begun is no cause for concern."""
        if self.state == FAILED_AND_UNDONE:
            return tone(StepStatus.FAILED)
        return "mute" if self.state in {StepStatus.PENDING, NOT_BEGUN} else tone(self.state)


def step_state(flow: Flow, step_id: str) -> StepState:
    """Return the state of a step of a flow."""
    execution = flow.executions[step_id]
    waiting = _next_retry(flow, step_id)
    return StepState(
        state=_state(flow, execution, waiting),
        done=execution.count(*_DONE),
        total=len(execution.order),
        retry_at=waiting.next_retry_at if waiting else None,
        retry_count=waiting.retry_count if waiting else 0,
        is_held=waiting is not None and is_held(flow, waiting),
    )


def is_held(flow: Flow, item: WorkItem) -> bool:
    """Return whether a pause keeps an item back. Undoing goes on."""
    return flow.is_paused and item.status == WorkStatus.PENDING


def _state(flow: Flow, execution: Execution, waiting: WorkItem | None) -> str:
    for status, word in _UNDONE:
        if execution.count(status):
            is_why_it_failed = execution.status is StepStatus.FAILED
            is_undone = status is WorkStatus.COMPENSATED
            return FAILED_AND_UNDONE if is_undone and is_why_it_failed else word
    if execution.status == StepStatus.PENDING and flow.is_terminal:
        return NOT_BEGUN
    if execution.status == StepStatus.ACTIVE and not execution.count(WorkStatus.ACTIVE):
        if flow.is_terminal:
            return STOPPED
        if waiting is not None:
            return "paused" if is_held(flow, waiting) else "retrying"
    return execution.status.value


def _next_retry(flow: Flow, step_id: str) -> WorkItem | None:
    execution = flow.executions[step_id]
    if not execution.count(WorkStatus.PENDING, WorkStatus.COMPENSATING):
        return None
    waiting = [item for item in execution.in_order() if flow.will_retry(step_id, item)]
    return min(waiting, key=lambda item: (item.next_retry_at, item.token), default=None)
