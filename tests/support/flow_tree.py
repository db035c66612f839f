"""A bench for flows within flows: pure, all streams in one order, and what follows in a bag.

What a worker would do with a row of work is done here by the same rules of the domain, in
whatever order the test draws from the bag.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.flow_bench import FlowBench
from workflows.flows.domain import children, codec, ids
from workflows.flows.domain import commands as asked
from workflows.flows.domain.decide import FlowSettled, decide
from workflows.flows.domain.effects import Effect, EffectKind
from workflows.flows.domain.evolution import evolve
from workflows.flows.domain.flow import NO_LONGER_AWAITED, PARENT, Flow, WorkItem, WorkStatus
from workflows.flows.domain.flow_events import CompSucceeded, FlowEvent
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.planner import make_plan
from workflows.flows.domain.snapshot import not_started
from workflows.flows.domain.step import Step, StepType
from workflows.flows.domain.work_items import invocation_inputs

ROOT = "trip"


@dataclass(frozen=True, slots=True)
class Row:
    """One piece of work that follows from what one flow did."""

    flow_id: str
    effect: Effect


@dataclass(slots=True)
class FlowTree:
    """`log` has the events of all flows as they happened; `bag` the work that is to be done."""

    bench: FlowBench
    flows: dict[str, Flow] = field(default_factory=dict)
    log: list[tuple[str, FlowEvent]] = field(default_factory=list)
    bag: list[Row] = field(default_factory=list)

    def start(self, *goals: str, compensate: bool, **init: Any) -> None:
        values = {name: [value] for name, value in init.items()}
        plan = make_plan(self.bench.catalog, goals, values, matches=self.bench.languages.matches)
        options = {"compensate": True} if compensate else {}
        self._begin(ROOT, plan, values, options, {})

    def do(self, flow_id: str, command: asked.FlowCommand) -> None:
        """Carry out a command, and put what follows into the bag."""
        flow = self.flows[flow_id]
        raised = decide(flow, command, self.bench.world)
        for event in raised:
            flow = evolve(flow, event)
        assert flow == raised.after
        self.flows[flow_id] = flow
        self.log.extend((flow_id, event) for event in raised)
        self.bag.extend(Row(flow_id, effect) for effect in raised.effects)

    def names(self, flow_id: str) -> list[str]:
        return [codec.NAMES[type(event)] for one, event in self.log if one == flow_id]

    def is_for_a_peer(self, row: Row) -> bool:
        """Return whether somebody outside has to answer."""
        kinds = {EffectKind.INVOKE, EffectKind.COMPENSATE}
        return row.effect.kind in kinds and self._step(row).type != StepType.FLOW

    def item(self, row: Row) -> WorkItem:
        return self.flows[row.flow_id].executions[row.effect.step_id].items[row.effect.token]

    def work_off(self, row: Row) -> bool:
        """Do what needs no peer; tell whether it could be done yet."""
        match row.effect.kind:
            case EffectKind.TELL_PARENT:
                self._tell_parent(self.flows[row.flow_id])
            case EffectKind.LOOK | EffectKind.TIME_OUT:
                self.do(row.flow_id, asked.Continue())
            case EffectKind.GO_ON:
                self.do(row.flow_id, asked.Continue(past=row.effect.token))
            case EffectKind.INVOKE:
                self._begin_child(row)
            case kind:
                return self._say_to_child(kind, row)
        return True

    def deliver(self, *, fails: str = "", holds: str | None = None) -> None:
        """Do all that is to be done: every peer says yes, but of the step `fails` no.

        What is asked of the step `holds` stays in the bag.
        """
        while ready := [row for row in self.bag if row.effect.step_id != holds]:
            row = ready[0]
            self.bag.remove(row)
            if self.is_for_a_peer(row):
                self._answer(row, fails)
            else:
                assert self.work_off(row), "it is done in the order in which it was asked for"

    def undone(self) -> list[str]:
        """Return the steps of which something was undone, in that order."""
        return [event.step_id for _, event in self.log if isinstance(event, CompSucceeded)]

    def _answer(self, row: Row, fails: str) -> None:
        at: dict[str, Any] = {"step_id": row.effect.step_id, "token": row.effect.token}
        if row.effect.kind == EffectKind.COMPENSATE:
            self.do(row.flow_id, asked.SucceedCompensation(**at))
        elif row.effect.step_id == fails:
            self.do(row.flow_id, asked.FailWork(**at, error="sold out"))
        else:
            gives = {name: 1 for name, _ in self._step(row).outputs()}
            self.do(row.flow_id, asked.SucceedWork(**at, outputs=gives))

    def _begin_child(self, row: Row) -> None:
        parent, step, item = self.flows[row.flow_id], self._step(row), self.item(row)
        if not children.is_wanted(parent, step.id):
            failed = asked.FailWork(step_id=step.id, token=item.token, error=NO_LONGER_AWAITED)
            self.do(parent.id, failed)
        elif self._child_id(row) not in self.flows:
            inputs = invocation_inputs(parent, step, item)
            self._begin(
                self._child_id(row),
                parent.plan.children[step.id],
                {name: [value] for name, value in inputs.items()},
                {"compensate": True} if parent.asks_for_compensation else {},
                {
                    PARENT: parent.id,
                    "parent_step_id": step.id,
                    "parent_work_item_token": item.token,
                },
            )

    def _tell_parent(self, child: Flow) -> None:
        parent = self.flows[child.metadata[PARENT]]
        step = parent.step(child.metadata["parent_step_id"])
        item = parent.executions[step.id].items[child.metadata["parent_work_item_token"]]
        command = children.said_to_parent(child, step, item)
        if command is not None:
            self.do(parent.id, command)

    def _say_to_child(self, kind: EffectKind, row: Row) -> bool:
        parent, child = self.flows[row.flow_id], self.flows.get(self._child_id(row))
        if kind == EffectKind.STOP_CHILD:
            if self.item(row).status != WorkStatus.ACTIVE:
                return True
            if child is None:
                return False
            undoes = parent.undoes if parent.is_terminal else parent.asks_for_compensation
            with contextlib.suppress(FlowSettled):
                self.do(child.id, asked.CancelFlow(reason=NO_LONGER_AWAITED, compensates=undoes))
            return True
        assert child is not None
        is_undone = kind == EffectKind.COMPENSATE
        if child.is_over:
            step, item = self._step(row), self.item(row)
            closed = asked.CloseChild(step_id=step.id, token=item.token)
            self.do(parent.id, children.undoing_of(child, step, item) if is_undone else closed)
        else:
            self.do(child.id, asked.UndoFlow() if is_undone else asked.ReleaseFlow())
        return True

    def _begin(
        self,
        flow_id: str,
        plan: Plan,
        init: Mapping[str, list[Any]],
        options: Mapping[str, Any],
        metadata: Mapping[str, Any],
    ) -> None:
        self.flows[flow_id] = not_started(flow_id)
        command = asked.StartFlow(plan=plan, init=init, options=options, metadata=metadata)
        self.do(flow_id, command)

    def _step(self, row: Row) -> Step:
        return self.flows[row.flow_id].step(row.effect.step_id)

    def _child_id(self, row: Row) -> str:
        return ids.child_flow_id(
            parent=row.flow_id, step=row.effect.step_id, token=row.effect.token
        )
