"""The rules by which a flow answers a command: the core of the engine.

A decision ends when nothing more can start, be skipped or fail by itself; then the
outcome, the compensations and the end are settled.

The one rule for skipped goals: a skipped goal is settled, the flow completes
without its outputs; only when the gates pruned every goal has the flow failed.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from workflows.flows.domain import flow_events as happened
from workflows.flows.domain import inputs as given
from workflows.flows.domain import reachability, work_items
from workflows.flows.domain.flow import NO_LONGER_AWAITED, StepStatus, WorkStatus
from workflows.flows.domain.step import Step, StepType
from workflows.flows.domain.step_decisions import GATED_OUT, UNRECORDABLE, StepDecisions
from workflows.flows.domain.work_items import awaited_in_vain

NOT_NEEDED = "outputs not needed"
LEFT_OUT = "skipped before the fork"
UNREACHABLE = "required input no longer available"
NO_GOAL_RAN = "flow failed"
"""The error of a flow whose goals were all pruned by gates, in the words of Argyll."""


class Decision(StepDecisions):
    """One decision about a whole flow."""

    def begin(
        self,
        started: happened.FlowStarted,
        *,
        inherited: Mapping[str, Mapping[str, Any]],
        left_out: Sequence[str] = (),
    ) -> None:
        """Start the flow; steps that a fork inherits are done with their earlier outputs, and
        those that it leaves out are skipped."""
        self._is_starting = True
        self.raise_event(started)
        self.look_at_all()
        for step_id, outputs in inherited.items():
            self.complete_step_with(self.flow.step(step_id), outputs)
        for step_id in left_out:
            self.skip_step(step_id, LEFT_OUT)

    def settle(self) -> None:
        """Apply all consequences, then close the flow if nothing is left to do."""
        while not self.flow.is_terminal:
            self._fail_unreachable()
            if self._conclude():
                break
            if self.flow.is_paused:
                return
            self._skip_unneeded()
            settled = self.settled
            moved = self._start_ready()
            if self.settled != settled:
                continue  # What that means for the others comes before they start.
            if self._conclude() or not (self._dispatch() or self._may_leave_unneeded(moved)):
                break
        self._stop_waiting()
        if self.flow.is_terminal and not self.flow.is_over:
            self._compensate_further()
            self._release_children()
            self._deactivate_when_done()

    def _stop_waiting(self) -> None:
        """End the items of waiting steps that were settled otherwise, or with the flow."""
        # All of it is taken note of first: the end of an item may settle its step.
        for step, item in list(islice(awaited_in_vain(self.flow), self.items_left)):
            self.items_left -= 1
            self.fail_item(step, item.token, NO_LONGER_AWAITED)

    def _fail_unreachable(self) -> None:
        languages = self.world.languages
        while self._may_have_lost() and (lost := reachability.unreachable(self.flow, languages)):
            for step_id in lost:
                step = self.flow.step(step_id)
                known = given.resolve_available(self.flow, step, languages)
                self.fail_step(step_id, UNREACHABLE, known or None)

    def _may_have_lost(self) -> bool:
        """Return whether a pending step may not be able to complete any more.

        Once something is lost, every look is at all steps.
        """
        may_have = not reachability.nothing_is_lost(self.flow, self.ended)
        if not may_have:
            self.ended.clear()
        return may_have

    def _skip_unneeded(self) -> None:
        while suspects := self._perhaps_unneeded():
            for step_id in suspects:
                if not reachability.is_needed(self.flow, step_id, self.world.languages):
                    self.skip_step(step_id, NOT_NEEDED)

    def _perhaps_unneeded(self) -> list[str]:
        """Return the pending steps that may have become unneeded since they were looked at.

        After a decision all pending steps are needed, unless the flow is paused.
        """
        moved, self.moved = self.moved, set()
        if self.looks_at_all:
            self.looks_at_all = False
            return list(self.flow.pending_steps())
        return reachability.perhaps_unneeded(self.flow, moved)

    def _start_ready(self) -> list[Step]:
        """Start the pending steps whose inputs are there, until one is settled instead.

        Returns those that moved.
        """
        moved: list[Step] = []
        flow, fed, settled = self.flow, self.fed, self.settled
        if flow.plan.has_deadlines:
            fed.update(flow.executions)
        if not fed:
            return moved
        for step_id, execution in flow.executions.items():
            # A step may feed one that comes later, which has its turn then.
            if step_id in fed and execution.status is StepStatus.PENDING:
                fed.discard(step_id)
                step = flow.step(step_id)
                if given.may_be_ready(flow, step) and self.prepare_step(step):
                    moved.append(step)
                    if self.settled != settled:
                        break
        return moved

    def _may_leave_unneeded(self, started: Sequence[Step]) -> bool:
        """Return whether one of these has a supplier left that may no longer be needed.

        For others a start changes nothing, so there is no need to look at all steps again.
        """
        return bool(reachability.perhaps_unneeded(self.flow, [step.id for step in started]))

    def _dispatch(self) -> bool:
        """Start pending items as far as parallelism allows; tell whether a step settled."""
        before = self.settled
        for step_id, execution in self.flow.executions.items():
            # As `has_waiting` tells, without a call for every step of every decision.
            if execution.status is StepStatus.ACTIVE and execution.cursor < len(execution.order):
                self._dispatch_step(self.flow.step(step_id))
        return self.settled != before

    def _dispatch_step(self, step: Step) -> None:
        limit = work_items.parallelism(step)
        while (execution := self.flow.executions[step.id]).has_waiting:
            room = min(limit - execution.count(WorkStatus.ACTIVE), self.items_left)
            is_healthy = self.world.is_healthy(step)
            if is_healthy and step.type == StepType.SCRIPT:
                # More would be looked for, of a long list, in every decision anew.
                room = min(room, self.inline_left)
            waiting = work_items.next_pending(execution, room) if room > 0 else []
            if not waiting:
                return
            if not is_healthy:
                # What is taken from memory needs no worker.
                waiting = [item for item in waiting if self.recall(step, item) is not None]
                if not waiting:
                    # As in Argyll, what has not begun is put off without a word.
                    if step.id in self.went_on:
                        self.defer(step)
                    return
            for item in waiting:
                if step.type == StepType.SCRIPT and self.inline_left <= 0:
                    return  # The rest follows in a transaction of its own.
                if self.flow.executions[step.id].status is StepStatus.ACTIVE:
                    self.items_left -= 1
                    self.start_item(step, item)

    def _conclude(self) -> bool:
        """Raise the outcome once it is certain."""
        if self.flow.is_terminal:
            return True
        executions = self.flow.executions
        goals = [executions[goal] for goal in self.flow.plan.goals if goal in executions]
        for goal in goals:
            if goal.status == StepStatus.FAILED:
                self.fail_flow(self._root_cause())
                return True
        if goals and all(goal.error == GATED_OUT for goal in goals):
            self.fail_flow(NO_GOAL_RAN)
            return True
        # Asked twice by every decision: all() over a generator is a third as fast.
        for one in executions.values():
            if not one.status.is_terminal:
                return False
        self._complete_flow()
        return True

    def _complete_flow(self) -> None:
        result = self._result()
        if why := self.world.why_unrecordable(result):
            self.fail_flow(f"{UNRECORDABLE}\n{why}")
        else:
            self.raise_event(happened.FlowCompleted(at=self.world.at, result=result))

    def _result(self) -> dict[str, Any]:
        """Return the outputs of all goals; init answers for a goal that had nothing to do."""
        result: dict[str, Any] = {}
        for goal in self.flow.plan.goals:
            execution = self.flow.executions.get(goal)
            if execution is not None:
                result |= execution.outputs or {}
            for name in self.flow.plan.excluded.satisfied.get(goal, ()):
                result[name] = self.flow.values(name)[0].value
        return result

    def _root_cause(self) -> str:
        """Return which step failed first, and not merely for want of another's output."""
        failed = [
            (one.error == UNREACHABLE, one.completed_at, index, step_id, one.error)
            for index, (step_id, one) in enumerate(self.flow.executions.items())
            if one.status == StepStatus.FAILED
        ]
        _, _, _, step_id, error = min(failed)
        return f"step {step_id} failed: {error}"

    def fail_flow(self, error: str) -> None:
        self.raise_event(happened.FlowFailed(at=self.world.at, error=error))

    def _compensate_further(self) -> None:
        """Undo what steps did, the last one first, if the flow is asked to (ours)."""
        flow = self.flow
        if not flow.is_to_be_undone or self._is_busy():
            return
        for step_id in (*self._half_done(), *reversed(flow.completed_steps)):
            self.compensate_step(flow.step(step_id))
            if self._is_busy():
                return

    def _half_done(self) -> list[str]:
        """Return the steps that the end of the flow has interrupted, the last one first."""
        found = [
            (one.started_at, index, step_id)
            for index, (step_id, one) in enumerate(self.flow.executions.items())
            if one.status is StepStatus.ACTIVE
        ]
        return [step_id for _, _, step_id in sorted(found, reverse=True)]

    def _release_children(self) -> None:
        """Let completed child flows end once it is certain that they will not be undone.

        So many at once: the last of them to end lets the next go.
        """
        flow = self.flow
        if flow.open_children or flow.is_held or self._is_busy():
            return
        for step in flow.plan.nesting:
            if not flow.holds(step):
                continue
            for item in list(flow.executions[step.id].in_order()):
                is_held = item.status == WorkStatus.SUCCEEDED and item.started_at is not None
                if is_held and item.child is None and self.items_left > 0:
                    self.items_left -= 1
                    self.raise_event(
                        happened.ChildReleased(at=self.world.at, step_id=step.id, token=item.token)
                    )

    def _is_busy(self) -> bool:
        busy = (WorkStatus.ACTIVE, WorkStatus.COMPENSATING)
        return any(one.count(*busy) for one in self.flow.executions.values())

    def _deactivate_when_done(self) -> None:
        # Pending items of a flow that is over never start, so they hold nothing up.
        flow = self.flow
        if not (flow.is_held or flow.open_children or self._is_busy()):
            self.raise_event(
                happened.FlowDeactivated(at=self.world.at, status=self.flow.status.value)
            )
