"""The state of a step of a flow, in one word, and how far its items are."""

from dataclasses import dataclass
from datetime import datetime

from console.templatetags.console import tone
from workflows.flows.domain.flow import Execution, StepStatus, WorkItem, WorkStatus

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    """`state` is a status of the step, or what is happening to what it did."""

    state: str
    done: int
    total: int
    retry_at: datetime | None = None
    retry_count: int = 0

    @property
    def tone(self) -> str:
        """The colour of the state. What has not begun is no cause for concern."""
        return "mute" if self.state == StepStatus.PENDING else tone(self.state)


def step_state(execution: Execution) -> StepState:
    """Return the state of a step."""
    waiting = _next_retry(execution)
    return StepState(
        state=_state(execution, is_waiting=waiting is not None),
        done=execution.count(*_DONE),
        total=len(execution.order),
        retry_at=waiting.next_retry_at if waiting else None,
        retry_count=waiting.retry_count if waiting else 0,
    )


def _state(execution: Execution, *, is_waiting: bool) -> str:
    for status, word in _UNDONE:
        if execution.count(status):
            return word
    is_idle = not execution.count(WorkStatus.ACTIVE)
    if execution.status == StepStatus.ACTIVE and is_waiting and is_idle:
        return "retrying"
    return execution.status.value


def _next_retry(execution: Execution) -> WorkItem | None:
    if not execution.count(WorkStatus.PENDING, WorkStatus.COMPENSATING):
        return None
    waiting = [item for item in execution.in_order() if item.waits_for_retry]
    return min(waiting, key=lambda item: (item.next_retry_at, item.token), default=None)
