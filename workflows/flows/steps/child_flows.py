"""Flow steps: starting, stopping, releasing and compensating child flows, and their outcomes.

Parent and child are two streams. A message between them is a row of work, enqueued in the
transaction of the sender and completed in that of the receiver.
"""

from django.db import transaction

from events.domain.errors import Rejected
from workflows.flows import services
from workflows.flows.domain import children, ids
from workflows.flows.domain import commands as asked
from workflows.flows.domain.decide import FlowSettled
from workflows.flows.domain.flow import NO_LONGER_AWAITED, PARENT, Flow, WorkItem, WorkStatus
from workflows.flows.domain.step import Step
from workflows.flows.domain.work_items import invocation_inputs
from workflows.flows.execution import engine, memoization
from workflows.work import queue
from workflows.work.domain.claim import Claim, Snooze

_NOT_BEGUN_S = 0.25


def begin(*, claim: Claim, flow: Flow, step: Step, item: WorkItem) -> None:
    """Start the child of a work item, and complete the row that started the item.

    If the child was started before, take its outcome as far as it has one.
    """
    child_id = _id_of(flow, step, item)
    child = engine.flow(child_id)
    if child is not None:
        if child.is_over or child.is_held:
            _record(claim, flow, step, item, children.outcome_of(child, step, item))
        return
    if not children.is_wanted(flow, step.id):
        _record(claim, flow, step, item, _failed(step, item, NO_LONGER_AWAITED))
        return
    try:
        with transaction.atomic(durable=True):
            services.start_child(
                flow_id=child_id,
                plan=flow.plan.children[step.id],
                init=invocation_inputs(flow, step, item),
                parent=flow,
                parent_step_id=step.id,
                parent_work_item_token=item.token,
            )
            queue.complete(claim)
    except Rejected as refusal:
        _record(claim, flow, step, item, _failed(step, item, str(refusal)))


def tell_parent(claim: Claim, child_id: str) -> None:
    """Give what a child flow has come to, to the work item that stands for it."""
    child = engine.flow(child_id)
    assert child is not None, "only a flow that was can tell"
    parent = engine.flow(str(child.metadata[PARENT]))
    if parent is None:
        return
    step = parent.step(str(child.metadata["parent_step_id"]))
    item = parent.executions[step.id].items[str(child.metadata["parent_work_item_token"])]
    command = children.said_to_parent(child, step, item)
    if command is not None:
        _record(claim, parent, step, item, command)


def stop(claim: Claim, flow: Flow, step: Step, item: WorkItem) -> None:
    """Cancel a child flow that is no longer waited for; it compensates if `flow` would."""
    if item.status != WorkStatus.ACTIVE:
        return
    child_id = _id_of(flow, step, item)
    child = engine.flow(child_id)
    if child is None:
        # The process that starts it may not know yet that it is not wanted.
        raise Snooze(_NOT_BEGUN_S)
    if child.is_terminal:
        return
    compensates = flow.undoes if flow.is_terminal else flow.asks_for_compensation
    command = asked.CancelFlow(reason=NO_LONGER_AWAITED, compensates=compensates)
    try:
        engine.handle(child_id, command, completes=claim)
    except FlowSettled:
        return  # It has reported its outcome meanwhile.


def release(claim: Claim, flow: Flow, step: Step, item: WorkItem) -> None:
    """Let a completed child flow end: it will not be undone."""
    child_id = _id_of(flow, step, item)
    child = engine.flow(child_id)
    if child is None or child.is_over:
        close = asked.CloseChild(step_id=step.id, token=item.token)
        engine.handle(flow.id, close, completes=claim)
    else:
        engine.handle(child_id, asked.ReleaseFlow(), completes=claim)


def undo(claim: Claim, flow: Flow, step: Step, item: WorkItem) -> None:
    """Have a completed child flow undone; it tells when it is over how that went."""
    child_id = _id_of(flow, step, item)
    child = engine.flow(child_id)
    if child is None or child.is_over:
        command = children.undoing_of(child, step, item) if child else None
        undone = asked.SucceedCompensation(step_id=step.id, token=item.token)
        engine.handle(flow.id, command or undone, completes=claim)
    else:
        engine.handle(child_id, asked.UndoFlow(), completes=claim)


def _record(
    claim: Claim, flow: Flow, step: Step, item: WorkItem, command: asked.FlowCommand
) -> None:
    # What may yet be undone is nothing to answer others with.
    is_kept = step.memoizable and not flow.holds(step)
    if not (is_kept and isinstance(command, asked.SucceedWork)):
        engine.handle(flow.id, command, completes=claim)
        return
    with transaction.atomic(durable=True):
        after = engine.handle_in_transaction(flow.id, command, completes=claim).state
        memoization.keep_outputs(after, step, item.token)


def _failed(step: Step, item: WorkItem, error: str) -> asked.FailWork:
    return asked.FailWork(step_id=step.id, token=item.token, error=error)


def _id_of(flow: Flow, step: Step, item: WorkItem) -> str:
    return ids.child_flow_id(parent=flow.id, step=step.id, token=item.token)
