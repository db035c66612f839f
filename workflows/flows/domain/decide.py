"""`decide` of the flow aggregate: dispatches each command to its rule in `decision`."""

from collections.abc import Callable
from typing import Any

from events.domain.errors import Rejected
from workflows.flows.domain import commands as asked
from workflows.flows.domain import flow_events as happened
from workflows.flows.domain import plain, work_items
from workflows.flows.domain.decision import Decision
from workflows.flows.domain.effects import Consequences, effects_of
from workflows.flows.domain.errors import InputsMissing, StepNotInFlow
from workflows.flows.domain.flow import (
    NO_LONGER_AWAITED,
    ChildStatus,
    Flow,
    WorkStatus,
)
from workflows.flows.domain.step import StepType
from workflows.flows.domain.value_types import check_forced
from workflows.flows.domain.world import World

PARENT_KEYS = frozenset({"parent_flow_id", "parent_step_id", "parent_work_item_token"})


class FlowSettled(Rejected):
    code = "flow_settled"
    hint = "Its outcome is final; fork it to try again with other inputs."

    def __init__(self, flow: Flow) -> None:
        super().__init__(f"flow {flow.id} is {flow.status}", flow_id=flow.id, status=flow.status)


class StepSettled(Rejected):
    code = "step_settled"
    hint = "Fork the flow from this step to run it again."

    def __init__(self, flow: Flow, step_id: str) -> None:
        super().__init__(
            f"step {step_id} of flow {flow.id} is not pending or active",
            flow_id=flow.id,
            step_id=step_id,
        )


class NothingToRetry(Rejected):
    code = "nothing_to_retry"
    hint = "Only a work item or compensation that waits for its next attempt can be retried now."

    def __init__(self, flow_id: str, step_id: str) -> None:
        super().__init__(
            f"step {step_id} of flow {flow_id} waits for no retry",
            flow_id=flow_id,
            step_id=step_id,
        )


class ParentIncomplete(Rejected):
    code = "partial_parent"
    hint = "Give all three parent_* keys, or none."

    def __init__(self) -> None:
        super().__init__("partial parent metadata", pointer="/metadata")


def decide(flow: Flow, command: asked.FlowCommand, world: World) -> Consequences:
    """Return what `command` comes to in `flow`: no events if it changes nothing.

    Results are recorded whatever the state: only what is not a result can be refused.

    :raises Rejected: if an operator asks for what the state does not allow.
    """
    if type(command) is asked.SucceedWork:
        led = plain.succeeded(flow, command, world)
        if led is not None:
            return led
    decision = _handled(flow, command, world)
    if type(command) is asked.StartFlow and not (command.inherited or command.left_out):
        led = plain.started(decision.flow, decision.events, world)
        if led is not None:
            return led
    return _settled(decision, command)


def decide_at_length(flow: Flow, command: asked.FlowCommand, world: World) -> Consequences:
    """Return what `decide` returns, by the rules for all plans."""
    return _settled(_handled(flow, command, world), command)


def _handled(flow: Flow, command: asked.FlowCommand, world: World) -> Decision:
    decision = Decision(flow, world)
    _HANDLERS[type(command)](decision, command)
    return decision


def _settled(decision: Decision, command: asked.FlowCommand) -> Consequences:
    decision.settle()
    flow, events = decision.flow, decision.events
    past = command.past if isinstance(command, asked.Continue) else ""
    return Consequences(events, flow, effects_of(flow, events, decision.world, past=past))


def _start(decision: Decision, command: asked.StartFlow) -> None:
    parents = PARENT_KEYS & command.metadata.keys()
    if parents and parents != PARENT_KEYS:
        raise ParentIncomplete
    missing = tuple(name for name in command.plan.required if not command.init.get(name))
    if missing:
        raise InputsMissing(missing)
    decision.begin(
        happened.FlowStarted(
            at=decision.world.at,
            plan=command.plan,
            init={name: list(values) for name, values in command.init.items() if values},
            labels=command.labels,
            metadata=command.metadata,
            options=command.options,
        ),
        inherited=command.inherited,
        left_out=command.left_out,
    )


def _begin_attempt(decision: Decision, command: asked.BeginAttempt) -> None:
    flow = decision.flow
    item = decision.item(command.step_id, command.token)
    if item is None or flow.is_paused or not flow.will_try_again(command.step_id, item):
        return
    if item.next_retry_at is not None and item.next_retry_at > decision.world.at:
        return
    step = flow.step(command.step_id)
    if flow.executions[step.id].count(WorkStatus.ACTIVE) < work_items.parallelism(step):
        if decision.world.is_healthy(step):
            decision.start_item(step, item)
        elif not command.is_second_look:
            decision.defer(step)


_ACCEPTS_RESULT = frozenset({WorkStatus.PENDING, WorkStatus.ACTIVE, WorkStatus.NOT_COMPLETED})


def _awaits_result(decision: Decision, command: Any) -> bool:
    """Return whether a result can still count: the first one wins, later ones change nothing."""
    item = decision.item(command.step_id, command.token)
    is_open = item is not None and item.status in _ACCEPTS_RESULT
    return is_open and not decision.flow.is_over


def _succeed_work(decision: Decision, command: asked.SucceedWork) -> None:
    if _awaits_result(decision, command):
        step = decision.flow.step(command.step_id)
        decision.succeed_item(step, command.token, command.outputs)


def _fail_work(decision: Decision, command: asked.FailWork) -> None:
    if _awaits_result(decision, command):
        step = decision.flow.step(command.step_id)
        decision.fail_item(step, command.token, command.error)
        if command.leaves:
            decision.compensate_item(step, command.token)


def _not_complete_work(decision: Decision, command: asked.NotCompleteWork) -> None:
    item = decision.item(command.step_id, command.token)
    if item is not None and item.status == WorkStatus.ACTIVE and not decision.flow.is_over:
        step = decision.flow.step(command.step_id)
        decision.retry_or_fail_item(step, item, command.error)


def _is_compensating(decision: Decision, command: Any) -> bool:
    item = decision.item(command.step_id, command.token)
    return item is not None and item.status == WorkStatus.COMPENSATING


def _begin_compensation(decision: Decision, command: asked.BeginCompensation) -> None:
    item = decision.item(command.step_id, command.token)
    if item is None or not _is_compensating(decision, command) or item.next_retry_at is None:
        return
    if item.next_retry_at > decision.world.at:
        return
    step = decision.flow.step(command.step_id)
    if decision.world.is_healthy(step):
        decision.raise_event(
            happened.CompStarted(at=decision.world.at, step_id=step.id, token=command.token)
        )
    elif not command.is_second_look:
        decision.defer(step)


def _succeed_compensation(decision: Decision, command: asked.SucceedCompensation) -> None:
    if _is_compensating(decision, command):
        decision.raise_event(
            happened.CompSucceeded(
                at=decision.world.at, step_id=command.step_id, token=command.token
            )
        )


def _fail_compensation(decision: Decision, command: asked.FailCompensation) -> None:
    if _is_compensating(decision, command):
        decision.fail_compensation(command.step_id, command.token, command.error)


def _not_complete_compensation(decision: Decision, command: asked.NotCompleteCompensation) -> None:
    item = decision.item(command.step_id, command.token)
    if item is not None and _is_compensating(decision, command):
        decision.retry_or_fail_compensation(command.step_id, item, command.error)


def _continue(decision: Decision, _command: asked.Continue) -> None:
    # The rest is what settling does anyway.
    decision.look_at_all()


def _pause(decision: Decision, command: asked.PauseFlow) -> None:
    _demand_active(decision.flow)
    if not decision.flow.is_paused:
        decision.raise_event(
            happened.FlowPaused(
                at=decision.world.at, reason=command.reason, entry_id=command.entry_id
            )
        )


def _resume(decision: Decision, command: asked.ResumeFlow) -> None:
    _demand_active(decision.flow)
    if decision.flow.is_paused:
        decision.raise_event(happened.FlowResumed(at=decision.world.at, entry_id=command.entry_id))
        decision.look_at_all()


def _cancel(decision: Decision, command: asked.CancelFlow) -> None:
    _demand_active(decision.flow)
    decision.raise_event(
        happened.FlowCancelled(
            at=decision.world.at,
            reason=command.reason,
            entry_id=command.entry_id,
            compensates=command.compensates,
        )
    )
    decision.fail_flow(f"flow cancelled: {command.reason}")


def _release(decision: Decision, _command: asked.ReleaseFlow) -> None:
    if decision.flow.is_held:
        decision.raise_event(happened.FlowReleased(at=decision.world.at))


def _undo(decision: Decision, _command: asked.UndoFlow) -> None:
    if decision.flow.is_held:
        decision.raise_event(happened.FlowCompensationStarted(at=decision.world.at))


def _close_child(decision: Decision, command: asked.CloseChild) -> None:
    item = decision.item(command.step_id, command.token)
    if item is not None and item.child == ChildStatus.RELEASED:
        decision.raise_event(
            happened.ChildDeactivated(
                at=decision.world.at, step_id=command.step_id, token=command.token
            )
        )


def _skip(decision: Decision, command: asked.SkipStep) -> None:
    if awaited := called_back_never(decision.flow, command.step_id):
        step = decision.flow.step(command.step_id)
        for token in awaited:
            decision.fail_item(step, token, f"{NO_LONGER_AWAITED}\n{command.reason}")
        return
    _demand_open_step(decision.flow, command.step_id)
    decision.skip_step(command.step_id, command.reason, entry_id=command.entry_id)
    decision.compensate_step(decision.flow.step(command.step_id))


def _force(decision: Decision, command: asked.ForceStep) -> None:
    _demand_open_step(decision.flow, command.step_id)
    check_forced(decision.flow.step(command.step_id), command.outputs)
    decision.raise_event(
        happened.StepForced(
            at=decision.world.at,
            step_id=command.step_id,
            reason=command.reason,
            entry_id=command.entry_id,
        )
    )
    decision.complete_step_with(decision.flow.step(command.step_id), command.outputs)


def _retry_now(decision: Decision, command: asked.RetryNow) -> None:
    _demand_planned(decision.flow, command.step_id)
    item = decision.item(command.step_id, command.token)
    is_undoing = item is not None and item.status == WorkStatus.COMPENSATING
    if not is_undoing:
        _demand_active(decision.flow)
    if item is None or not decision.flow.will_retry(command.step_id, item):
        raise NothingToRetry(decision.flow.id, command.step_id)
    at, of_item = decision.world.at, {"step_id": command.step_id, "token": command.token}
    decision.raise_event(
        happened.WorkRetryRequested(
            at=at, **of_item, reason=command.reason, entry_id=command.entry_id
        )
    )
    if is_undoing:
        decision.raise_event(happened.CompStarted(at=at, **of_item))
    else:
        decision.start_item(decision.flow.step(command.step_id), item)


def called_back_never(flow: Flow, step_id: str) -> list[str]:
    """Return the items that alone keep a flow of known outcome from its end: a callback may
    never come, and only somebody who knows can say so."""
    execution = flow.executions.get(step_id)
    if execution is None or not flow.is_terminal or flow.step(step_id).type != StepType.ASYNC:
        return []
    return [item.token for item in execution.in_order() if item.status == WorkStatus.ACTIVE]


def _demand_active(flow: Flow) -> None:
    if flow.is_terminal:
        raise FlowSettled(flow)


def _demand_open_step(flow: Flow, step_id: str) -> None:
    _demand_planned(flow, step_id)
    _demand_active(flow)
    if flow.executions[step_id].status.is_terminal:
        raise StepSettled(flow, step_id)


def _demand_planned(flow: Flow, step_id: str) -> None:
    if step_id not in flow.plan.steps:
        raise StepNotInFlow(flow.id, step_id)


_HANDLERS: dict[type, Callable[[Decision, Any], None]] = {
    asked.StartFlow: _start,
    asked.BeginAttempt: _begin_attempt,
    asked.SucceedWork: _succeed_work,
    asked.FailWork: _fail_work,
    asked.NotCompleteWork: _not_complete_work,
    asked.BeginCompensation: _begin_compensation,
    asked.SucceedCompensation: _succeed_compensation,
    asked.FailCompensation: _fail_compensation,
    asked.NotCompleteCompensation: _not_complete_compensation,
    asked.Continue: _continue,
    asked.PauseFlow: _pause,
    asked.ResumeFlow: _resume,
    asked.CancelFlow: _cancel,
    asked.ReleaseFlow: _release,
    asked.UndoFlow: _undo,
    asked.CloseChild: _close_child,
    asked.SkipStep: _skip,
    asked.ForceStep: _force,
    asked.RetryNow: _retry_now,
}
