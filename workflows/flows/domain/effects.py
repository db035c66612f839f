"""The effects of a decision: what must be done outside of it. Pure: effects are only named.

Every effect becomes one row of work, in the transaction of the events. Only approvals are
requested and withdrawn in that transaction itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from events.domain.aggregate import EventsWithState
from workflows.flows.domain import children, work_items
from workflows.flows.domain import flow_events as happened
from workflows.flows.domain import inputs as given
from workflows.flows.domain.flow import (
    NO_LONGER_AWAITED,
    PARENT,
    Flow,
    StepStatus,
    WorkItem,
    WorkStatus,
)
from workflows.flows.domain.step import Step, StepType
from workflows.flows.domain.work_items import awaited_in_vain, parallelism
from workflows.flows.domain.world import World

DEFERRED_FOR = timedelta(seconds=1)
"""How long a step that no healthy worker can run is left alone."""
CLOCKS_DIFFER_MAX = timedelta(seconds=5)
"""How far the clocks of our machines and of PostgreSQL are apart, at most."""


class EffectKind(StrEnum):
    INVOKE = "invoke"
    """Call the step for one item (again)."""
    ASK = "ask"
    """Ask for the approval that one item is. Done at once, with the events: no row of work."""
    COMPENSATE = "compensate"
    """Call the compensation of one item (again)."""
    LOOK = "look"
    """Decide again: a deadline passes, or more can start."""
    TIME_OUT = "time_out"
    """End the flow if it is still active."""
    WITHDRAW = "withdraw"
    """Withdraw the request for an approval that the flow no longer waits for, in the same
    transaction: what has ended must not be approved."""
    TELL_PARENT = "tell_parent"
    """Give the outcome of a child flow, or its end, to the work item that waits for it."""
    STOP_CHILD = "stop_child"
    """End a child flow whose parent no longer waits for it."""
    RELEASE_CHILD = "release_child"
    """Tell a completed child flow that it will not be undone."""
    GO_ON = "go_on"
    """Do for the items after this one what the decision had no room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """`due_at` may lie in the future. `step_id` and `token` are there for one item's work.

    `retry` is the number of the attempt to begin then; 0 if it has begun.
    """

    kind: EffectKind
    due_at: datetime
    step_id: str = ""
    token: str = ""
    retry: int = 0


class Consequences(EventsWithState[happened.FlowEvent, Flow]):
    """All that a decision comes to: events, the state after them, and effects."""

    def __init__(
        self, events: Iterable[happened.FlowEvent], after: Flow, effects: Sequence[Effect]
    ) -> None:
        super().__init__(events, after)
        self.effects = effects


def effects_of(
    flow: Flow, events: Sequence[happened.FlowEvent], world: World, *, past: str = ""
) -> list[Effect]:
    """Return what follows from `events`, after which the flow is `flow`.

    `past` is the token of the last item that an earlier decision had room for (`GO_ON`).
    """
    found = effects_of_events(flow, events)
    found.extend(_of_items_without_event(flow, events, world, past))
    found.extend(_of_state(flow, world))
    return found


def effects_of_events(flow: Flow, events: Iterable[happened.FlowEvent]) -> list[Effect]:
    """Return those of `effects_of` that an event says."""
    found = []
    for event in events:
        following = _FOLLOWING.get(type(event))
        if following is not None and (effect := following(flow, event)) is not None:
            found.append(effect)
    return found


_STOPPING = (
    happened.FlowCancelled,
    happened.FlowFailed,
    happened.StepCompleted,
    happened.StepSkipped,
    happened.StepFailed,
)


def _of_items_without_event(
    flow: Flow, events: Sequence[happened.FlowEvent], world: World, past: str
) -> Iterator[Effect]:
    """Yield what follows for items that no event is about, in their order.

    Of no more of them than one decision may begin: a look goes on after the last.
    """
    is_resumed = bool(past) or any(type(event) is happened.FlowResumed for event in events)
    resumes = is_resumed and not (flow.is_paused or flow.is_terminal)
    stopped = _stopped(flow, events, is_rest=bool(past)) if flow.plan.nesting else frozenset()
    if not (resumes or stopped):
        return
    left, last = work_items.ITEMS_OF_DECISION_MAX, None
    for step_id, item in _items_after(flow, past):
        if step_id in stopped and item.status is WorkStatus.ACTIVE:
            effect = _stop_child(step_id, item, world)
        elif resumes and flow.will_try_again(step_id, item) and _came_due(item, world):
            effect = _begun_again(step_id, item, world)
        else:
            continue
        if last is not None and not left:
            yield replace(last, kind=EffectKind.GO_ON, due_at=world.at, retry=0)
            return
        left, last = left - 1, effect
        yield effect


def _items_after(flow: Flow, past: str) -> Iterator[tuple[str, WorkItem]]:
    items = (
        (step_id, item)
        for step_id, execution in flow.executions.items()
        if past or execution.count(WorkStatus.PENDING, WorkStatus.ACTIVE)
        for item in execution.in_order()
    )
    if past:
        next((item for _, item in items if item.token == past), None)
    return items


def _came_due(item: WorkItem, world: World) -> bool:
    """Return whether a try was due while the flow was paused: its row has come and gone.

    Also by a clock that was ahead of ours; a second row for one try does no harm.
    """
    due = item.next_retry_at
    return due is not None and due <= world.at + CLOCKS_DIFFER_MAX


def _begun_again(step_id: str, item: WorkItem, world: World) -> Effect:
    return Effect(
        kind=EffectKind.INVOKE,
        due_at=max(item.next_retry_at or world.at, world.at),
        step_id=step_id,
        token=item.token,
        retry=item.retry_count,
    )


def _stop_child(step_id: str, item: WorkItem, world: World) -> Effect:
    return Effect(kind=EffectKind.STOP_CHILD, due_at=world.at, step_id=step_id, token=item.token)


def _stopped(flow: Flow, events: Sequence[happened.FlowEvent], *, is_rest: bool) -> frozenset[str]:
    """Return the steps whose child flows are not wanted any more, as these events say."""
    ended = [event for event in events if isinstance(event, _STOPPING)]
    steps = {getattr(event, "step_id", None) for event in ended} | ({None} if is_rest else set())
    return frozenset(
        step.id
        for step in flow.plan.nesting
        if steps & {None, step.id} and not children.is_wanted(flow, step.id)
    )


def _of_started_work(flow: Flow, event: happened.WorkStarted) -> Effect | None:
    # An item that is not under way any more is that of a script that ran in place.
    if flow.executions[event.step_id].items[event.token].status is not WorkStatus.ACTIVE:
        return None
    is_approval = flow.step(event.step_id).type == StepType.APPROVAL
    return _of_item(EffectKind.ASK if is_approval else EffectKind.INVOKE, event, event.at)


def _of_failed_work(flow: Flow, event: happened.WorkFailed) -> Effect | None:
    if event.error != NO_LONGER_AWAITED or flow.step(event.step_id).type != StepType.APPROVAL:
        return None
    return _of_item(EffectKind.WITHDRAW, event, event.at)


def _of_start(_flow: Flow, event: happened.FlowStarted) -> Effect | None:
    timeout_ms = event.options.get("timeout_ms")
    if not timeout_ms:
        return None
    return Effect(kind=EffectKind.TIME_OUT, due_at=event.at + timedelta(milliseconds=timeout_ms))


def _of_end(flow: Flow, event: happened.FlowDeactivated) -> Effect | None:
    if PARENT not in flow.metadata:
        return None
    return Effect(kind=EffectKind.TELL_PARENT, due_at=event.at)


def _of_completion(flow: Flow, event: happened.FlowCompleted) -> Effect | None:
    # Its outcome can be used at once; others tell it with their end.
    return Effect(kind=EffectKind.TELL_PARENT, due_at=event.at) if flow.is_held else None


def _of_item(kind: EffectKind, event: Any, due_at: datetime) -> Effect:
    return Effect(kind=kind, due_at=due_at, step_id=event.step_id, token=event.token)


def _of_retry(kind: EffectKind, event: Any) -> Effect:
    return Effect(
        kind=kind,
        due_at=event.next_retry_at,
        step_id=event.step_id,
        token=event.token,
        retry=event.retry_count,
    )


_FOLLOWING: dict[type, Callable[[Flow, Any], Effect | None]] = {
    happened.FlowStarted: _of_start,
    happened.FlowCompleted: _of_completion,
    happened.FlowDeactivated: _of_end,
    happened.ChildReleased: lambda _flow, event: _of_item(
        EffectKind.RELEASE_CHILD, event, event.at
    ),
    happened.WorkStarted: _of_started_work,
    happened.WorkFailed: _of_failed_work,
    happened.WorkRetryScheduled: lambda _flow, event: _of_retry(EffectKind.INVOKE, event),
    happened.CompStarted: lambda _flow, event: _of_item(EffectKind.COMPENSATE, event, event.at),
    happened.CompRetryScheduled: lambda _flow, event: _of_retry(EffectKind.COMPENSATE, event),
}


def _of_state(flow: Flow, world: World) -> Iterator[Effect]:
    if flow.is_paused:
        return
    held = [] if flow.is_terminal else list(_held(flow))
    # A decision stopped at its limit of items, or of scripts that are run in place.
    if any(map(world.is_healthy, _with_room(flow, held))) or any(awaited_in_vain(flow)):
        yield Effect(kind=EffectKind.LOOK, due_at=world.at)
    if flow.is_terminal:
        return
    # An item could start but for the health of its step.
    if not all(world.is_healthy(step) for step in held):
        yield Effect(kind=EffectKind.LOOK, due_at=world.at + DEFERRED_FOR)
    deadline = next_deadline(flow, world) if flow.plan.has_deadlines else None
    if deadline is not None:
        yield Effect(kind=EffectKind.LOOK, due_at=deadline)


def _held(flow: Flow) -> Iterator[Step]:
    """Yield the steps with items that have not begun."""
    for step_id, execution in flow.executions.items():
        if execution.status is StepStatus.ACTIVE and execution.cursor < len(execution.order):
            yield flow.step(step_id)


def _with_room(flow: Flow, steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        if flow.executions[step.id].count(WorkStatus.ACTIVE) < parallelism(step):
            yield step


def next_deadline(flow: Flow, world: World) -> datetime | None:
    """Return when the next wait of a pending step for an optional input ends; None if none."""
    waits = given.optional_waits(flow, world.languages, now=world.at)
    return min((until for _, _, until in waits), default=None)
