"""What must be done in the world because of what was decided. Pure: it only names it.

Every effect becomes one row of the to-do list, in the transaction of the events; only
approvals are asked for, and taken back, in that transaction itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from workflows.flows.domain import history as happened
from workflows.flows.domain import inputs as given
from workflows.flows.domain.flow import NO_LONGER_AWAITED, Flow, StepStatus, WorkStatus
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Step, StepType
from workflows.flows.domain.world import World

DEFERRED_FOR = timedelta(seconds=1)
"""How long a step that no healthy worker can run is left alone."""


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
    """Take back the request for an approval that nobody waits for any more, at once too:
    nobody can approve what has ended."""
    TELL_PARENT = "tell_parent"
    """Give the outcome of a child flow to the work item that waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """`due_at` may lie in the future. `step_id` and `token` are there for one item's work."""

    kind: EffectKind
    due_at: datetime
    step_id: str = ""
    token: str = ""

    @classmethod
    def of_item(cls, kind: EffectKind, step_id: str, token: str, due_at: datetime) -> "Effect":
        """Return an effect that is about one item."""
        return cls(kind=kind, due_at=due_at, step_id=step_id, token=token)


def effects_of(flow: Flow, events: Sequence[happened.FlowEvent], world: World) -> list[Effect]:
    """Return what follows from `events`, after which the flow is `flow`."""
    return [*_of_events(flow, events), *_of_state(flow, world)]


def _of_events(flow: Flow, events: Sequence[happened.FlowEvent]) -> Iterator[Effect]:
    for event in events:
        match event:
            case happened.WorkStarted(step_id=step_id, token=token, at=at):
                if _is_active(flow, step_id, token):
                    yield Effect.of_item(_begun_by(flow.step(step_id)), step_id, token, at)
            case happened.WorkRetryScheduled(step_id=step_id, token=token, next_retry_at=due_at):
                yield Effect.of_item(EffectKind.INVOKE, step_id, token, due_at)
            case happened.CompStarted(step_id=step_id, token=token, at=at):
                yield Effect.of_item(EffectKind.COMPENSATE, step_id, token, at)
            case happened.CompRetryScheduled(step_id=step_id, token=token, next_retry_at=due_at):
                yield Effect.of_item(EffectKind.COMPENSATE, step_id, token, due_at)
            case happened.WorkFailed(step_id=step_id, token=token, error=error, at=at):
                if error == NO_LONGER_AWAITED and flow.step(step_id).type == StepType.APPROVAL:
                    yield Effect.of_item(EffectKind.WITHDRAW, step_id, token, at)
            case happened.FlowStarted(options=options, at=at):
                if options.get("timeout_ms"):
                    due_at = at + timedelta(milliseconds=options["timeout_ms"])
                    yield Effect(kind=EffectKind.TIME_OUT, due_at=due_at)
            case happened.FlowDeactivated(at=at):
                if "parent_flow_id" in flow.metadata:
                    yield Effect(kind=EffectKind.TELL_PARENT, due_at=at)


def _begun_by(step: Step) -> EffectKind:
    return EffectKind.ASK if step.type == StepType.APPROVAL else EffectKind.INVOKE


def _is_active(flow: Flow, step_id: str, token: str) -> bool:
    """Tell whether an item is still under way: a script that ran in place is not."""
    return flow.executions[step_id].items[token].status == WorkStatus.ACTIVE


def _of_state(flow: Flow, world: World) -> Iterator[Effect]:
    if flow.is_terminal or flow.is_paused:
        return
    steps = flow.plan.steps
    held = [
        steps[step_id]
        for step_id, execution in flow.executions.items()
        if execution.status == StepStatus.ACTIVE and execution.cursor < len(execution.order)
    ]
    # A decision stopped at its limit of scripts run in place.
    if any(step.type == StepType.SCRIPT for step in held):
        yield Effect(kind=EffectKind.LOOK, due_at=world.at)
    # An item could start but for the health of its step.
    if not all(world.is_healthy(step) for step in held):
        yield Effect(kind=EffectKind.LOOK, due_at=world.at + DEFERRED_FOR)
    deadline = next_deadline(flow, world) if flow.plan.has_deadlines else None
    if deadline is not None:
        yield Effect(kind=EffectKind.LOOK, due_at=deadline)


def next_deadline(flow: Flow, world: World) -> datetime | None:
    """Return when a pending step next stops to wait for an optional input, if one does."""
    waits = []
    for step_id in flow.pending_steps():
        if not any(spec.deadline_ms > 0 for _, spec in flow.step(step_id).inputs()):
            continue
        try:
            ready = given.readiness(flow, flow.step(step_id), world.languages, now=world.at)
        except ScriptFailed:
            continue
        if ready.wake_at is not None:
            waits.append(ready.wake_at)
    return min(waits, default=None)
