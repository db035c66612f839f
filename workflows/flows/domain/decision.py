"""What a flow does about a command: the heart of the engine (Argyll spec §6, §7).

A decision raises events and applies each at once to its working copy, so that every
rule looks at the state as it will be. It ends when nothing more can start, be skipped
or fail by itself; then the outcome, the compensations and the end are settled.

The one rule for skipped goals (defect 12): a skipped goal is settled, the flow completes
without its outputs; only when the gates pruned every goal has the flow failed.
"""

from collections.abc import Mapping
from typing import Any

from workflows.flows.domain import history as happened
from workflows.flows.domain import inputs as given
from workflows.flows.domain import outlook, work_items
from workflows.flows.domain.backoff import delay, may_retry
from workflows.flows.domain.evolution import evolve
from workflows.flows.domain.flow import Flow, StepStatus, WorkItem, WorkStatus
from workflows.flows.domain.gates import ScriptFailed, StepGate
from workflows.flows.domain.step import Step, StepType, WorkConfig
from workflows.flows.domain.world import World

GATED_OUT = "required match did not match"
NOT_TRUE = "predicate returned false"
NOT_NEEDED = "outputs not needed"
UNREACHABLE = "required input no longer available"


class Decision:
    """The working copy of one decision. `events` is what came of it."""

    def __init__(self, flow: Flow, world: World) -> None:
        self.flow = flow
        self.world = world
        self.events: list[happened.FlowEvent] = []
        self.is_second_look = False
        self._inline_left = world.inline_max
        self._is_starting = False
        self._deferred: set[str] = set()

    def raise_event(self, event: happened.FlowEvent) -> None:
        self.flow = evolve(self.flow, event)
        self.events.append(event)

    def begin(
        self, started: happened.FlowStarted, *, inherited: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Start the flow; steps that a fork inherits are done with their earlier outputs."""
        self._is_starting = True
        self.raise_event(started)
        for step_id, outputs in inherited.items():
            self.complete_step_with(self.flow.step(step_id), outputs)

    # --- one item ---------------------------------------------------------------------

    def item(self, step_id: str, token: str) -> WorkItem | None:
        execution = self.flow.executions.get(step_id)
        return execution.items.get(token) if execution else None

    def work_config(self, step_id: str) -> WorkConfig:
        step = self.flow.step(step_id)
        return (step.work_config or WorkConfig()).merged(self.world.defaults)

    def start_item(self, step: Step, item: WorkItem) -> None:
        """Start one item: from memory, in place, or by handing it to a worker."""
        at = self.world.at
        inputs = work_items.item_inputs(self.flow.executions[step.id], item)
        if step.predicate is not None and item.inputs and not self._holds(step, inputs):
            if self.flow.executions[step.id].status == StepStatus.ACTIVE:
                # The predicate of one item is false: it is done, and gave nothing (defect 16).
                self.succeed_item(step, item.token, None)
            return
        remembered = self.world.remembered(step, inputs) if step.memoizable else None
        if remembered is not None:
            self.succeed_item(step, item.token, remembered)
            return
        self.raise_event(
            happened.WorkStarted(at=at, step_id=step.id, token=item.token, inputs=inputs)
        )
        if step.type == StepType.SCRIPT:
            self._run_in_place(step, item)

    def _holds(self, step: Step, inputs: Mapping[str, Any]) -> bool:
        assert step.predicate is not None
        try:
            return self.world.languages.holds(step.predicate, inputs)
        except ScriptFailed as broken:
            self._fail_step(step.id, f"predicate evaluation failed\n{broken}", inputs)
            return False

    def _run_in_place(self, step: Step, item: WorkItem) -> None:
        assert step.script is not None
        self._inline_left -= 1
        known = work_items.invocation_inputs(self.flow, step, item)
        try:
            outputs = self.world.languages.execute(step.script, known)
        except ScriptFailed as broken:
            self.fail_item(step, item.token, str(broken))
        else:
            self.succeed_item(step, item.token, outputs)

    def succeed_item(self, step: Step, token: str, outputs: Mapping[str, Any] | None) -> None:
        at = self.world.at
        self.raise_event(
            happened.WorkSucceeded(at=at, step_id=step.id, token=token, outputs=outputs)
        )
        execution = self.flow.executions[step.id]
        if execution.status == StepStatus.ACTIVE:
            if execution.count(WorkStatus.SUCCEEDED) == len(execution.order):
                self.complete_step(step)
        elif execution.status != StepStatus.COMPLETED:
            # Its step is settled otherwise already: what came too late is undone (defect 8).
            self._start_compensation(step, token)

    def fail_item(self, step: Step, token: str, error: str) -> None:
        at = self.world.at
        error = error or "work item failed"
        self.raise_event(happened.WorkFailed(at=at, step_id=step.id, token=token, error=error))
        execution = self.flow.executions[step.id]
        if execution.status == StepStatus.ACTIVE:
            self._fail_step(step.id, error, execution.inputs)

    def retry_or_fail_item(self, step: Step, item: WorkItem, error: str) -> None:
        at = self.world.at
        work = self.work_config(step.id)
        self.raise_event(
            happened.WorkNotCompleted(at=at, step_id=step.id, token=item.token, error=error)
        )
        is_wanted = self.flow.executions[step.id].status == StepStatus.ACTIVE
        if is_wanted and not self.flow.is_terminal and may_retry(work, item.retry_count):
            self.raise_event(
                happened.WorkRetryScheduled(
                    at=at,
                    step_id=step.id,
                    token=item.token,
                    retry_count=item.retry_count + 1,
                    next_retry_at=at + delay(work, item.retry_count),
                    error=error,
                )
            )
        else:
            self.fail_item(step, item.token, error)

    # --- one step ---------------------------------------------------------------------

    def prepare_step(self, step: Step) -> bool:
        """Start a pending step if it is ready, skip it if it must not run; tell if either."""
        languages, at = self.world.languages, self.world.at
        try:
            gate, gates = given.gate(self.flow, step, languages)
            if gate == StepGate.CLOSED:
                closed = [name for name in sorted(gates) if gates[name].value == "unmatched"]
                self._skip_step(
                    step.id,
                    GATED_OUT,
                    given.resolve_available(self.flow, step, languages),
                    tuple(closed),
                )
                return True
            ready = given.readiness(self.flow, step, languages, now=at)
            if ready.anchor is None:
                return False
            inputs = given.resolve(self.flow, step, languages, anchor=ready.anchor)
        except ScriptFailed as broken:
            self._fail_step(step.id, f"match evaluation failed\n{broken}", None)
            return True
        if step.predicate is not None and not self._holds(step, inputs):
            if self.flow.executions[step.id].status == StepStatus.PENDING:
                self._skip_step(step.id, NOT_TRUE, inputs)
            return True
        self._start_step(step, inputs)
        return True

    def _start_step(self, step: Step, inputs: Mapping[str, Any]) -> None:
        try:
            parts = work_items.expand(step, inputs)
        except work_items.TooManyItems as refusal:
            if self._is_starting:
                raise
            self._fail_step(step.id, str(refusal), inputs)
            return
        items = {
            self.world.token(self.flow.id, step.id, index): part for index, part in enumerate(parts)
        }
        self.raise_event(
            happened.StepStarted(at=self.world.at, step_id=step.id, inputs=inputs, work_items=items)
        )
        if not items:
            self.complete_step(step)

    def complete_step(self, step: Step) -> None:
        execution = self.flow.executions[step.id]
        self.complete_step_with(
            step, work_items.step_outputs(step, execution, self.world.languages)
        )

    def complete_step_with(self, step: Step, outputs: Mapping[str, Any]) -> None:
        at = self.world.at
        for key, value in outputs.items():
            self.raise_event(happened.AttributeSet(at=at, step_id=step.id, key=key, value=value))
        started_at = self.flow.executions[step.id].started_at or at
        self.raise_event(
            happened.StepCompleted(
                at=at,
                step_id=step.id,
                outputs=outputs,
                duration_ms=int((at - started_at).total_seconds() * 1000),
            )
        )

    def _skip_step(
        self,
        step_id: str,
        reason: str,
        inputs: Mapping[str, Any] | None = None,
        unsatisfied: tuple[str, ...] = (),
    ) -> None:
        self.raise_event(
            happened.StepSkipped(
                at=self.world.at,
                step_id=step_id,
                reason=reason,
                inputs=inputs,
                unsatisfied=unsatisfied,
            )
        )

    skip_step = _skip_step

    def _fail_step(self, step_id: str, error: str, inputs: Mapping[str, Any] | None) -> None:
        self.raise_event(
            happened.StepFailed(at=self.world.at, step_id=step_id, error=error, inputs=inputs)
        )
        self.compensate_step(self.flow.step(step_id))

    def compensate_step(self, step: Step) -> None:
        """Start to undo every item of a step that has succeeded."""
        for item in list(self.flow.executions[step.id].in_order()):
            if item.status == WorkStatus.SUCCEEDED:
                self._start_compensation(step, item.token)

    def _start_compensation(self, step: Step, token: str) -> None:
        item = self.item(step.id, token)
        # What was answered from memory was never done, so there is nothing to undo.
        if item is None or item.started_at is None or not work_items.can_be_compensated(step):
            return
        self.raise_event(happened.CompStarted(at=self.world.at, step_id=step.id, token=token))

    def fail_compensation(self, step_id: str, token: str, error: str) -> None:
        self.raise_event(
            happened.CompFailed(at=self.world.at, step_id=step_id, token=token, error=error)
        )

    def retry_or_fail_compensation(self, step_id: str, item: WorkItem, error: str) -> None:
        at = self.world.at
        work = self.work_config(step_id)
        if not may_retry(work, item.retry_count):
            self.fail_compensation(step_id, item.token, error)
            return
        self.raise_event(
            happened.CompRetryScheduled(
                at=at,
                step_id=step_id,
                token=item.token,
                retry_count=item.retry_count + 1,
                next_retry_at=at + delay(work, item.retry_count),
                error=error,
            )
        )

    # --- the whole flow ---------------------------------------------------------------

    def settle(self) -> None:
        """Follow all consequences, then close the flow if nothing of it is left."""
        while not self.flow.is_terminal:
            self._fail_unreachable()
            if self._conclude():
                break
            if self.flow.is_paused:
                return
            self._skip_unneeded()
            has_moved = self._start_ready()
            if self._conclude() or not (self._dispatch() or has_moved):
                break
        if self.flow.is_terminal and not self.flow.is_over:
            self._compensate_further()
            self._deactivate_when_done()

    def _fail_unreachable(self) -> None:
        languages = self.world.languages
        lost = True
        while lost:
            lost = False
            for step_id in list(self.flow.pending_steps()):
                if not outlook.can_complete(self.flow, step_id, languages):
                    step = self.flow.step(step_id)
                    known = given.resolve_available(self.flow, step, languages)
                    self._fail_step(step_id, UNREACHABLE, known or None)
                    lost = True

    def _skip_unneeded(self) -> None:
        skipped = True
        while skipped:
            skipped = False
            for step_id in list(self.flow.pending_steps()):
                if not outlook.is_needed(self.flow, step_id, self.world.languages):
                    self._skip_step(step_id, NOT_NEEDED)
                    skipped = True

    def _start_ready(self) -> bool:
        has_moved = False
        for step_id in list(self.flow.pending_steps()):
            if self.prepare_step(self.flow.step(step_id)):
                has_moved = True
        return has_moved

    def _dispatch(self) -> bool:
        """Start pending items as far as parallelism allows; tell whether a step settled."""
        before = self._settled_count()
        for step_id, execution in list(self.flow.executions.items()):
            if execution.status == StepStatus.ACTIVE:
                self._dispatch_step(self.flow.step(step_id))
        return self._settled_count() != before

    def _settled_count(self) -> int:
        return sum(one.status.is_terminal for one in self.flow.executions.values())

    def _dispatch_step(self, step: Step) -> None:
        limit = max(self.work_config(step.id).parallelism, 1)
        while True:
            execution = self.flow.executions[step.id]
            room = limit - execution.count(WorkStatus.ACTIVE)
            waiting = work_items.next_pending(execution, room) if room > 0 else []
            if execution.status != StepStatus.ACTIVE or not waiting:
                return
            if not self.world.is_healthy(step):
                self._defer(step)
                return
            for item in waiting:
                if step.type == StepType.SCRIPT and self._inline_left <= 0:
                    return  # The rest goes on in a transaction of its own.
                if self.flow.executions[step.id].status == StepStatus.ACTIVE:
                    self.start_item(step, item)

    def _defer(self, step: Step) -> None:
        """Say once per step that nobody can run it; looking again and again adds nothing."""
        if step.id not in self._deferred and not self.is_second_look:
            self._deferred.add(step.id)
            self.raise_event(happened.DispatchDeferred(at=self.world.at, step_id=step.id))

    def _conclude(self) -> bool:
        """Raise the outcome once it is certain."""
        if self.flow.is_terminal:
            return True
        executions = self.flow.executions
        goals = [(goal, executions[goal]) for goal in self.flow.plan.goals if goal in executions]
        if any(one.status == StepStatus.FAILED for _, one in goals):
            self._fail_flow(self._root_cause())
        elif not all(one.status.is_terminal for one in executions.values()):
            return False
        elif goals and all(one.error == GATED_OUT for _, one in goals):
            self._fail_flow("flow failed")
        else:
            self.raise_event(happened.FlowCompleted(at=self.world.at, result=self._result()))
        return True

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
        """Say which step failed first, and not merely for want of another's output."""
        failed = [
            (one.error == UNREACHABLE, one.completed_at, index, step_id, one.error)
            for index, (step_id, one) in enumerate(self.flow.executions.items())
            if one.status == StepStatus.FAILED
        ]
        _, _, _, step_id, error = min(failed)
        return f"step {step_id} failed: {error}"

    def _fail_flow(self, error: str) -> None:
        self.raise_event(happened.FlowFailed(at=self.world.at, error=error))

    fail_flow = _fail_flow

    def _compensate_further(self) -> None:
        """Undo completed steps, the last one first, if the flow was asked to (ours)."""
        flow = self.flow
        wants = flow.compensates or bool(flow.options.get("compensate"))
        if flow.status != "failed" or not wants or self._is_busy():
            return
        for step_id in reversed(flow.completed_steps):
            self.compensate_step(flow.step(step_id))
            if self._is_busy():
                return

    def _is_busy(self) -> bool:
        busy = (WorkStatus.ACTIVE, WorkStatus.COMPENSATING)
        return any(one.count(*busy) for one in self.flow.executions.values())

    def _deactivate_when_done(self) -> None:
        # Pending items of a flow that is over never start, so they hold nothing up
        # (defects 6 and 7).
        if not self._is_busy():
            self.raise_event(
                happened.FlowDeactivated(at=self.world.at, status=self.flow.status.value)
            )
