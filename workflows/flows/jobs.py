"""The kinds of work of flows. Each handler may run more than once.

A handler checks the flow first: if the item has moved on since the row was enqueued, there is
nothing to do. The external call happens outside any transaction; its result and the completion
of the row are one commit.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from events.domain.errors import Unavailable
from workflows.flows.domain import commands as asked
from workflows.flows.domain.effects import DEFERRED_FOR
from workflows.flows.domain.flow import NO_LONGER_AWAITED, Flow, WorkItem, WorkStatus
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Effect, Step, StepType
from workflows.flows.domain.work_items import invocation_inputs, item_inputs
from workflows.flows.execution import engine, memoization, reading
from workflows.flows.languages import LANGUAGES
from workflows.flows.languages.lua import LuaStarved
from workflows.flows.steps import (
    approval_decisions,
    callables,
    child_flows,
    health,
    invocation,
    receipts,
    waiting,
)
from workflows.flows.steps.invocation import Done, Failed, NotCompleted, Result
from workflows.work import queue
from workflows.work.domain.claim import AttemptTimedOut, Claim, Snooze
from workflows.work.domain.retry import RetryPolicy
from workflows.work.registry import job

_TEXT = {"type": "string"}
_OF_FLOW = {"type": "object", "properties": {"flow_id": _TEXT}, "required": ["flow_id"]}
_OF_ITEM = {
    "type": "object",
    "properties": {
        "flow_id": _TEXT,
        "step_id": _TEXT,
        "token": _TEXT,
        "retry": {"type": "integer"},
    },
    "required": ["flow_id", "step_id", "token"],
}

# Retries of a step are the flow's own, with events. These are for our own trouble alone
# (the database went away), and must outlast any: a flow must not wait for nothing.
_OUR_TROUBLE = (OperationalError, InterfaceError)
_OURS = RetryPolicy(max_attempts=1_000, base_s=1, factor=2, cap_s=30, jitter=0.2)
_CRASHES_MAX = 1_000
_CALL_TIMEOUT_S = 3_600
_NO_ROOM_S = 0.25

_flow_job = partial(
    job,
    capability="flow.start",
    retry=_OURS,
    crash_budget=_CRASHES_MAX,
    part_of="a flow",
    reads=reading.flow_of,
)


@_flow_job("flow.invoke", input_schema=_OF_ITEM, timeout_s=_CALL_TIMEOUT_S)
def invoke(claim: Claim) -> None:
    """Do one work item of a step, or find out that it is done already."""
    flow, step, item = _item(claim)
    if _is_begun_by_another(claim, item):
        return
    if item.status == WorkStatus.PENDING and item.retry_count:
        flow, item = _begun(claim, flow, step, item)
    if item.status == WorkStatus.ACTIVE:
        _invoked(claim, flow, step, item)


def _is_begun_by_another(claim: Claim, item: WorkItem) -> bool:
    retry = claim.input.get("retry")
    return retry is not None and item.has_begun_otherwise(retry, is_taken_first=claim.attempt == 1)


def _begun(claim: Claim, flow: Flow, step: Step, item: WorkItem) -> tuple[Flow, WorkItem]:
    """Start the next attempt of an item whose wait is over."""
    command = asked.BeginAttempt(
        step_id=step.id, token=item.token, is_second_look=claim.attempt > 1
    )
    # The row that the new attempt makes is this one.
    outcome = engine.handle(flow.id, command, but_not=item.token)
    after = outcome.state
    current = after.executions[step.id].items[item.token]
    if after.will_try_again(step.id, current) and not after.is_paused:
        raise Snooze(_NO_ROOM_S if engine.is_healthy(step.id) else DEFERRED_FOR.total_seconds())
    return after, current


def _invoked(claim: Claim, flow: Flow, step: Step, item: WorkItem) -> None:
    match step.type:
        case StepType.SYNC | StepType.ASYNC:
            result = _called(claim, flow, step, item)
            if step.type == StepType.ASYNC and isinstance(result, Done):
                receipts.begin(claim=claim, flow=flow, step=step, item=item)
            else:
                _settle(claim, flow, step, item, result)
        case StepType.PYTHON:
            _settle(claim, flow, step, item, _run_function(claim, flow, step, item))
        case StepType.SCRIPT:
            _settle(claim, flow, step, item, _run_script(flow, step, item))
        case StepType.FLOW:
            child_flows.begin(claim=claim, flow=flow, step=step, item=item)
        case StepType.WAIT:
            waiting.begin(claim=claim, flow=flow, step=step, item=item)
        case StepType.APPROVAL:
            approval_decisions.begin(claim=claim, flow=flow, step=step, item=item)


def _called(claim: Claim, flow: Flow, step: Step, item: WorkItem) -> Result:
    """Call an HTTP step as its declared effect allows when an earlier call may have worked."""
    assert step.http is not None, "only HTTP steps are called"
    is_repeat = claim.attempt > 1 or item.retry_count > 0
    is_once = step.http.effect == Effect.AT_MOST_ONCE
    if is_repeat and is_once:
        return Failed(_OUTCOME_UNKNOWN)
    if is_repeat and step.http.effect == Effect.VERIFY:
        known = invocation.verify_step(flow, step, item)
        if known is not None:
            return known
    result = invocation.call_step(flow, step, item)
    if is_once and isinstance(result, NotCompleted):
        # Nobody waits for a second try that will not be made.
        return Failed(f"{_OUTCOME_UNKNOWN}\n{result.error}")
    return result


_OUTCOME_UNKNOWN = "outcome unknown: the step may take effect at most once"


def _run_script(flow: Flow, step: Step, item: WorkItem) -> Result:
    """Run a script that was too slow to be run within a decision."""
    assert step.script is not None, "only scripts are run"
    seen = step.seen_by(step.script, invocation_inputs(flow, step, item))
    try:
        return Done(LANGUAGES.execute(step.script, seen))
    except ScriptFailed as broken:
        return Failed(str(broken))
    except LuaStarved as starved:
        raise Snooze(_BUSY_MACHINE_S) from starved


_BUSY_MACHINE_S = 5.0


def _run_function(claim: Claim, flow: Flow, step: Step, item: WorkItem) -> Result:
    try:
        function = callables.get(callables.name_of(step))
    except callables.CallableUnknown as unknown:
        is_settled = flow.is_terminal or flow.executions[step.id].status.is_terminal
        if is_settled and not claim.budget.crashes:
            # Nobody has begun it, and nobody may ever have the function: the flow is to end.
            return Failed(NO_LONGER_AWAITED)
        raise Snooze(_CALLABLE_ELSEWHERE_S) from unknown
    return _outcome_of(claim, function, invocation_inputs(flow, step, item), flow, step)


_CALLABLE_ELSEWHERE_S = 5.0


def _outcome_of(
    claim: Claim,
    function: callables.StepFunction,
    inputs: Mapping[str, Any],
    flow: Flow,
    step: Step,
) -> Result:
    """Call a function of a step, which acts as the flow, and say how it went."""
    try:
        with engine.acting(flow.id, step.id):
            outputs: Any = function(inputs)
    except _OUR_TROUBLE:
        raise
    except (callables.TryAgain, Unavailable) as error:
        return NotCompleted.because(str(error))
    except Exception as error:  # noqa: BLE001 (an edge: a step may raise whatever it likes)
        return Failed(f"{type(error).__name__}: {error}")
    if claim.watch.overdue:
        # It caught being interrupted, and went on.
        return Failed(f"{AttemptTimedOut.__name__}: {AttemptTimedOut()}")
    if outputs is not None and not isinstance(outputs, Mapping):
        return Failed(f"the function gave no mapping of outputs, but {type(outputs).__name__}")
    return Done(dict(outputs) if outputs is not None else None)


def _settle(claim: Claim, flow: Flow, step: Step, item: WorkItem, result: Result) -> None:
    """Record how a call went, together with the completion of its row."""
    command = _command_for(step, item, result)
    if not (step.memoizable and isinstance(result, Done)):
        engine.handle(flow.id, command, completes=claim)
        return
    with transaction.atomic(durable=True):
        after = engine.handle_in_transaction(flow.id, command, completes=claim).state
        memoization.keep_outputs(after, step, item.token)


def _command_for(step: Step, item: WorkItem, result: Result) -> asked.FlowCommand:
    match result:
        case Done(outputs=outputs):
            return asked.SucceedWork(step_id=step.id, token=item.token, outputs=outputs)
        case Failed(error=error):
            return asked.FailWork(step_id=step.id, token=item.token, error=error)
        case NotCompleted(error=error):
            return asked.NotCompleteWork(step_id=step.id, token=item.token, error=error)


@_flow_job("flow.callback_timeout", input_schema=_OF_ITEM)
def callback_timeout(claim: Claim) -> None:
    """Stop waiting for a callback: the attempt did not work out."""
    flow, step, item = _item(claim)
    if item.status == WorkStatus.ACTIVE:
        late = NotCompleted.because("no callback in time")
        _settle(claim, flow, step, item, late)


@_flow_job("flow.tell_parent", input_schema=_OF_FLOW)
def tell_parent(claim: Claim) -> None:
    """Give what a child flow has come to, to the work item that stands for it."""
    child_flows.tell_parent(claim, claim.input["flow_id"])


@_flow_job("flow.stop_child", input_schema=_OF_ITEM)
def stop_child(claim: Claim) -> None:
    """End a child flow whose parent no longer waits for it."""
    child_flows.stop(claim, *_item(claim))


@_flow_job("flow.release_child", input_schema=_OF_ITEM)
def release_child(claim: Claim) -> None:
    """Let a completed child flow end."""
    child_flows.release(claim, *_item(claim))


@_flow_job("flow.compensate", input_schema=_OF_ITEM, timeout_s=_CALL_TIMEOUT_S)
def compensate(claim: Claim) -> None:
    """Undo one item, with its token, until the peer says that it is undone."""
    flow, step, item = _item(claim)
    if _is_begun_by_another(claim, item):
        return
    if item.status == WorkStatus.COMPENSATING and item.next_retry_at is not None:
        begin = asked.BeginCompensation(
            step_id=step.id, token=item.token, is_second_look=claim.attempt > 1
        )
        flow = engine.handle(flow.id, begin, but_not=item.token).state
        item = flow.executions[step.id].items[item.token]
        if item.next_retry_at is not None:
            # Its step is not healthy; or this machine's clock is behind PostgreSQL's, by which
            # the row was due. Done with now, nobody would come back for it.
            left = item.next_retry_at - timezone.now()
            raise Snooze(max(left, DEFERRED_FOR).total_seconds())
    if item.status != WorkStatus.COMPENSATING:
        return
    if step.type == StepType.FLOW:
        child_flows.undo(claim, flow, step, item)
        return
    result = _undone(claim, flow, step, item)
    engine.handle(flow.id, _compensation_command(step, item, result), completes=claim)


def _undone(claim: Claim, flow: Flow, step: Step, item: WorkItem) -> Result:
    if step.type != StepType.PYTHON:
        return invocation.call_compensation(flow, step, item)
    try:
        function = callables.get(callables.undoing_of(step))
    except callables.CallableUnknown as unknown:
        raise Snooze(_CALLABLE_ELSEWHERE_S) from unknown
    body: dict[str, Any] = {
        "input": item_inputs(flow.executions[step.id], item),
        "output": dict(item.outputs or {}),
    }

    def undo(inputs: Mapping[str, Any]) -> None:
        function(inputs)  # What it gives means nothing.

    return _outcome_of(claim, undo, body, flow, step)


def _compensation_command(step: Step, item: WorkItem, result: Result) -> asked.FlowCommand:
    match result:
        case Done():
            return asked.SucceedCompensation(step_id=step.id, token=item.token)
        case Failed(error=error):
            return asked.FailCompensation(step_id=step.id, token=item.token, error=error)
        case NotCompleted(error=error):
            return asked.NotCompleteCompensation(step_id=step.id, token=item.token, error=error)


@_flow_job("flow.look", input_schema=_OF_FLOW)
def look(claim: Claim) -> None:
    """Let a flow decide again: time has passed, or there is more to start."""
    command = asked.Continue(past=claim.input.get("token", ""))
    engine.handle(claim.input["flow_id"], command, completes=claim)


@_flow_job("flow.time_out", input_schema=_OF_FLOW)
def time_out(claim: Claim) -> None:
    """End a flow whose time is up, if it is still active."""
    flow_id = claim.input["flow_id"]
    with transaction.atomic(durable=True):
        flow = engine.flow(flow_id)
        if flow is not None and not flow.is_terminal:
            compensates = bool(flow.options.get("compensate"))
            command = asked.CancelFlow(reason="timed out", compensates=compensates)
            engine.handle_in_transaction(flow_id, command)
        queue.complete(claim)


@_flow_job("flow.waited", input_schema=_OF_ITEM)
def waited(claim: Claim) -> None:
    """A wait step is over: its time has come, or its event."""
    flow, step, item = _item(claim)
    data = claim.input.get("outputs")
    if item.status == WorkStatus.ACTIVE and waiting.is_accepted(item, data):
        _settle(claim, flow, step, item, Done(dict(data or {})))


@_flow_job(approval_decisions.DECIDED, input_schema=_OF_ITEM)
def decided(claim: Claim) -> None:
    """An approval has ended: the step with it, one way or the other."""
    flow, step, item = _item(claim)
    how, approval_id, by = (claim.input[name] for name in ("how", "approval_id", "by"))
    if item.status == WorkStatus.ACTIVE:
        gave = {"approved": True, "approval_id": approval_id, "decided_by": by}
        result = Done(gave) if how == approval_decisions.APPROVED else Failed(f"approval {how}")
        _settle(claim, flow, step, item, result)


@job(
    health.CHECK_HEALTH,
    capability="flow.start",
    input_schema={"type": "object", "maxProperties": 0},
    timeout_s=300,
    housekeeping=True,
)
def check_health(claim: Claim) -> dict[str, int]:
    """Check the health of every step that can be checked."""
    return {"changed": health.check_all()}


def _item(claim: Claim) -> tuple[Flow, Step, WorkItem]:
    known = engine.flow_last_seen if reading.is_known(claim) else engine.flow
    flow = known(claim.input["flow_id"])
    assert flow is not None, "a row of work is made with its flow"
    step = flow.step(claim.input["step_id"])
    return flow, step, flow.executions[step.id].items[claim.input["token"]]
