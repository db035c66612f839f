"""The rules of a decision that concern steps and work items.

Every raised event is applied at once to the working copy, so that each rule sees the state as
it will be.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from events.domain.canonical import canonical
from workflows.flows.domain import flow_events as happened
from workflows.flows.domain import inputs as given
from workflows.flows.domain import work_items
from workflows.flows.domain.backoff import delay, may_retry
from workflows.flows.domain.error_text import storable
from workflows.flows.domain.evolution import WorkingCopy
from workflows.flows.domain.flow import FORKED_AT, Flow, StepStatus, WorkItem, WorkStatus
from workflows.flows.domain.gates import ScriptFailed, ScriptPutOff, StepGate
from workflows.flows.domain.step import Step, StepType, WorkConfig
from workflows.flows.domain.world import World

GATED_OUT = "required match did not match"
NOT_TRUE = "predicate returned false"
UNRECORDABLE = "values cannot be recorded"


_OF_STEP = (
    happened.StepStarted,
    happened.StepCompleted,
    happened.StepFailed,
    happened.StepSkipped,
)
"""What moves a step; all but the first settle it."""
_OF_ITEM = (happened.WorkSucceeded, happened.WorkFailed, happened.WorkNotCompleted)


class StepDecisions:
    """The working copy of one decision. `events` is what came of it.

    A question about a step is asked again only if an event may have changed the answer: each
    of the sets is emptied by whoever looks at the steps in it.
    """

    def __init__(self, flow: Flow, world: World) -> None:
        self._copy = WorkingCopy(flow)
        self.flow = self._copy.flow
        self.world = world
        self.events: list[happened.FlowEvent] = []
        self.settled = 0
        """How many steps have been settled by these."""
        self.ended: set[str] = {*flow.executions}
        """Steps that may have ended without giving what somebody waits for."""
        self.moved: set[str] = set()
        """Steps whose providers may not be needed any more."""
        self.fed: set[str] = set()
        """Steps that may have become ready."""
        self.looks_at_all = False
        self.inline_left = world.inline_max
        self.items_begun = 0
        """How many items the steps have that were started by these."""
        self.items_left = work_items.ITEMS_OF_DECISION_MAX
        """How many items may still begin, end for want of whoever waits, or be let go."""
        self._is_starting = False
        self.went_on: set[str] = set()
        """Steps of which an item has ended."""
        self.deferred: set[str] = set()
        self._answers: dict[tuple[str, bytes], Mapping[str, Any]] = {}
        """What memoizable steps gave in this decision, by step and inputs: nobody could keep it
        yet where the next decision looks."""

    def raise_event(self, event: happened.FlowEvent) -> None:
        self._copy.apply(event)
        self.events.append(event)
        if isinstance(event, happened.AttributeSet):
            consumers = self.flow.plan.consumers(event.key)
            self.fed.update(consumers)
            self.moved.update(consumers)
        elif isinstance(event, _OF_STEP):
            takers = self.flow.plan.fed_by[event.step_id]
            self.moved.add(event.step_id)
            self.moved.update(takers)
            if not isinstance(event, happened.StepStarted):
                self.settled += 1
                self.ended.add(event.step_id)
                self.fed.update(takers)
        elif isinstance(event, _OF_ITEM):
            self.went_on.add(event.step_id)

    def look_at_all(self) -> None:
        """Mark every step for a check: time may have passed, or none was checked yet."""
        self.looks_at_all = True
        self.fed.update(self.flow.executions)

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
                # The predicate of one item is false: it is done, and gave nothing.
                self.succeed_item(step, item.token, None)
            return
        # A retry is a call, as in Argyll: whoever asks for it wants to know how it goes now.
        remembered = self.recall(step, item) if item.is_fresh else None
        if remembered is not None:
            self.succeed_item(step, item.token, remembered)
            return
        if step.type == StepType.APPROVAL and (why_not := self.world.why_not_ask(step, inputs)):
            # No request exists, and none can be made: the item does not begin.
            self.fail_item(step, item.token, why_not)
            return
        self.raise_event(
            happened.WorkStarted(at=at, step_id=step.id, token=item.token, inputs=inputs)
        )
        if step.type == StepType.SCRIPT:
            self._run_in_place(step, item)

    def defer(self, step: Step) -> None:
        """Raise `dispatch_deferred` if no healthy worker can run a step; only once per deferral."""
        if step.id not in self.deferred:
            self.deferred.add(step.id)
            self.raise_event(happened.DispatchDeferred(at=self.world.at, step_id=step.id))

    def recall(self, step: Step, item: WorkItem) -> Mapping[str, Any] | None:
        """Return the memoized outputs of a step for the inputs of an item; None if there are none.

        What counts is whether an equal item has succeeded when this one starts: of equal items
        that start together, as far as the step's parallelism lets them, each is a call.

        Whoever forks a flow at a step wants that step run again, and not its answer of before.
        """
        if not step.memoizable:
            return None
        inputs = work_items.item_inputs(self.flow.executions[step.id], item)
        just_given = self._answers.get((step.id, canonical(inputs)))
        if just_given is not None or self.flow.options.get(FORKED_AT) == step.id:
            return just_given
        return self.world.remembered(step, inputs)

    def _keep_answer(self, step: Step, token: str, outputs: Mapping[str, Any] | None) -> None:
        # What may yet be undone is nothing to answer others with.
        if step.memoizable and not self.flow.holds(step):
            execution = self.flow.executions[step.id]
            inputs = work_items.item_inputs(execution, execution.items[token])
            self._answers.setdefault((step.id, canonical(inputs)), dict(outputs or {}))

    def _holds(self, step: Step, inputs: Mapping[str, Any]) -> bool:
        assert step.predicate is not None
        try:
            seen = step.seen_by(step.predicate, inputs)
            return self.world.languages.holds(step.predicate, seen)
        except ScriptFailed as broken:
            self.fail_step(step.id, f"predicate evaluation failed\n{broken}", inputs)
            return False

    def _run_in_place(self, step: Step, item: WorkItem) -> None:
        assert step.script is not None
        self.inline_left -= 1
        known = work_items.invocation_inputs(self.flow, step, item)
        try:
            outputs = self.world.languages.execute(step.script, step.seen_by(step.script, known))
        except ScriptPutOff:
            return  # The item stays under way: a worker runs it outside of any transaction.
        except ScriptFailed as broken:
            self.fail_item(step, item.token, str(broken))
        else:
            self.succeed_item(step, item.token, outputs)

    def succeed_item(self, step: Step, token: str, outputs: Mapping[str, Any] | None) -> None:
        at = self.world.at
        if why := self.world.why_unrecordable(outputs or {}):
            self.fail_item(step, token, f"{UNRECORDABLE}\n{why}")
            if self.flow.holds(step):
                self.compensate_item(step, token)
            return
        self.raise_event(
            happened.WorkSucceeded(at=at, step_id=step.id, token=token, outputs=outputs)
        )
        self._keep_answer(step, token, outputs)
        execution = self.flow.executions[step.id]
        if execution.status == StepStatus.ACTIVE:
            if execution.count(WorkStatus.SUCCEEDED) == len(execution.order):
                self.complete_step(step)
        elif execution.status != StepStatus.COMPLETED:
            # Its step is settled otherwise already: what came too late is undone.
            self.compensate_item(step, token)

    def fail_item(self, step: Step, token: str, error: str) -> None:
        at = self.world.at
        error = storable(error) or "work item failed"
        self.raise_event(happened.WorkFailed(at=at, step_id=step.id, token=token, error=error))
        execution = self.flow.executions[step.id]
        if execution.status == StepStatus.ACTIVE:
            self.fail_step(step.id, error, execution.inputs)

    def retry_or_fail_item(self, step: Step, item: WorkItem, error: str) -> None:
        at = self.world.at
        error = storable(error)
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
            if gate is StepGate.CLOSED:
                closed = [name for name in sorted(gates) if gates[name].value == "unmatched"]
                self.skip_step(
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
            self.fail_step(step.id, f"match evaluation failed\n{broken}", None)
            return True
        if step.predicate is not None and not self._holds(step, inputs):
            if self.flow.executions[step.id].status == StepStatus.PENDING:
                self.skip_step(step.id, NOT_TRUE, inputs)
            return True
        self._start_step(step, inputs)
        return True

    def _start_step(self, step: Step, inputs: Mapping[str, Any]) -> None:
        try:
            parts = work_items.expand(step, inputs, beside=self.items_begun)
            self._demand_room(parts)
        except work_items.TooManyItems as refusal:
            if self._is_starting:
                raise
            self.fail_step(step.id, str(refusal), inputs)
            return
        items = {
            self.world.token(self.flow.id, step.id, index): part for index, part in enumerate(parts)
        }
        why = self.world.why_unrecordable({"inputs": inputs, "work_items": items})
        if why and not self._is_starting:
            self.fail_step(step.id, f"{UNRECORDABLE}\n{why}", None)
            return
        self.items_begun += len(items)
        self.raise_event(
            happened.StepStarted(at=self.world.at, step_id=step.id, inputs=inputs, work_items=items)
        )
        if not items:
            self.complete_step(step)

    def _demand_room(self, parts: Sequence[Any]) -> None:
        if len(parts) > 1:
            begun = sum(len(one.order) for one in self.flow.executions.values())
            if begun + len(parts) > work_items.ITEMS_OF_FLOW_MAX:
                raise work_items.TooManyItems(begun + len(parts), work_items.ITEMS_OF_FLOW_MAX)

    def complete_step(self, step: Step) -> None:
        execution = self.flow.executions[step.id]
        outputs = work_items.step_outputs(step, execution, self.world.languages)
        if why := self.world.why_unrecordable(outputs):
            self.fail_step(step.id, f"{UNRECORDABLE}\n{why}", execution.inputs)
        else:
            self.complete_step_with(step, outputs)

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

    def skip_step(
        self,
        step_id: str,
        reason: str,
        inputs: Mapping[str, Any] | None = None,
        unsatisfied: tuple[str, ...] = (),
        *,
        entry_id: str = "",
    ) -> None:
        self.raise_event(
            happened.StepSkipped(
                at=self.world.at,
                step_id=step_id,
                reason=reason,
                entry_id=entry_id,
                inputs=self._as_far_as_recordable(inputs),
                unsatisfied=unsatisfied,
            )
        )

    def fail_step(self, step_id: str, error: str, inputs: Mapping[str, Any] | None) -> None:
        error = storable(error)
        self.raise_event(
            happened.StepFailed(
                at=self.world.at,
                step_id=step_id,
                error=error,
                inputs=self._as_far_as_recordable(inputs, error),
            )
        )
        self.compensate_step(self.flow.step(step_id))

    def _as_far_as_recordable(
        self, inputs: Mapping[str, Any] | None, error: str = ""
    ) -> Mapping[str, Any] | None:
        # Each is on record by itself: all that is lost is the list of them.
        is_too_much = inputs and self.world.why_unrecordable({"inputs": inputs, "error": error})
        return None if is_too_much else inputs

    def compensate_step(self, step: Step) -> None:
        """Begin the compensation of every succeeded item of a step."""
        for item in list(self.flow.executions[step.id].in_order()):
            if item.status == WorkStatus.SUCCEEDED:
                self.compensate_item(step, item.token)

    def compensate_item(self, step: Step, token: str) -> None:
        """Begin the compensation of one item, if it had effects and can be compensated."""
        item = self.item(step.id, token)
        # What was answered from memory was never done, so there is nothing to undo.
        if item is None or item.started_at is None:
            return
        if not work_items.can_be_compensated(self.flow, step):
            return
        self.raise_event(happened.CompStarted(at=self.world.at, step_id=step.id, token=token))

    def fail_compensation(self, step_id: str, token: str, error: str) -> None:
        self.raise_event(
            happened.CompFailed(
                at=self.world.at, step_id=step_id, token=token, error=storable(error)
            )
        )

    def retry_or_fail_compensation(self, step_id: str, item: WorkItem, error: str) -> None:
        at = self.world.at
        error = storable(error)
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
