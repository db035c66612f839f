"""Decisions of plain plans, the short way (ADR 0191).

In a plain plan every step does one thing once: it starts when its required inputs are there, each
of which at most one step gives, and gives its outputs when it is done. Then most questions of a
decision (`decision`) have one answer, and what follows from a result stands in a table of the
plan. Whatever is not as plain as that is decided there: these functions say None.

For all that they do decide, the events and the state are the same
(`tests/property/workflows/flows/test_plain_decisions.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rpds import HashTrieMap

from workflows.flows.domain import commands as asked
from workflows.flows.domain import flow_events as happened
from workflows.flows.domain.effects import Consequences, Effect, EffectKind, effects_of_events
from workflows.flows.domain.flow import (
    PARENT,
    Execution,
    Flow,
    FlowStatus,
    StepStatus,
    Value,
    WorkItem,
    WorkStatus,
    changed,
)
from workflows.flows.domain.gates import ScriptFailed, ScriptPutOff
from workflows.flows.domain.plan import PlainStep
from workflows.flows.domain.step import bound
from workflows.flows.domain.work_items import meta_values
from workflows.flows.domain.world import World


class _NotPlain(Exception):
    """Something is not as it usually is."""


def started(flow: Flow, events: Sequence[happened.FlowEvent], world: World) -> Consequences | None:
    """Return `events` and what follows from them at once, in a flow that they have started."""
    table = flow.plan.plain
    if table is None or not _is_plain(flow, world):
        return None
    decision = _Decision(flow, table, world)
    decision.events.extend(events)
    decision.effects.extend(effects_of_events(flow, events))
    return _led(decision, table)


def succeeded(flow: Flow, command: asked.SucceedWork, world: World) -> Consequences | None:
    """Return what follows from the result of a step."""
    table = flow.plan.plain
    if table is None or not _is_plain(flow, world):
        return None
    execution = flow.executions.get(command.step_id)
    if execution is None or execution.order != (command.token,):
        return None
    item = execution.items[command.token]
    if execution.status is not StepStatus.ACTIVE or item.status is not WorkStatus.ACTIVE:
        return None
    plain = table[command.step_id]
    decision = _Decision(flow, table, world)
    try:
        decision.complete(plain, item, command.outputs)
    except _NotPlain:
        return None
    return _led(decision, plain.takers)


def _is_plain(flow: Flow, world: World) -> bool:
    if world.is_careful or flow.plan.scripts > world.inline_max:
        return False
    return flow.is_known_plain or _has_been_plain(flow)


def _has_been_plain(flow: Flow) -> bool:
    """Return whether nothing has happened to the flow but that steps started, and were done."""
    if (
        flow.is_paused
        or flow.status is not FlowStatus.ACTIVE
        or PARENT in flow.metadata
        or not flow.plan.given.isdisjoint(flow.init)
    ):
        return False
    for execution in flow.executions.values():
        status, order = execution.status, execution.order
        if status is StepStatus.COMPLETED:
            # One that was forced may still be under way.
            is_plain = execution.tally.get(WorkStatus.SUCCEEDED, 0) == len(order)
        elif status is StepStatus.ACTIVE:
            is_plain = execution.cursor == len(order)
        else:
            is_plain = status is StepStatus.PENDING
        if not is_plain:
            return False
    return True


def _led(decision: "_Decision", fed: Iterable[str]) -> Consequences | None:
    try:
        decision.advance(fed)
    except (_NotPlain, ScriptFailed):
        return None  # A script that has run by then runs again: it has no effects.
    return Consequences(decision.events, decision.after(), decision.effects)


class _Decision:
    """The working copy of one decision: new executions and attributes, events and effects."""

    def __init__(self, flow: Flow, table: Mapping[str, PlainStep], world: World) -> None:
        self.events: list[happened.FlowEvent] = []
        self.effects: list[Effect] = []
        self._flow = flow
        self._table = table
        self._world = world
        self._executions = {**flow.executions}
        self._attributes = {**flow.attributes}
        self._completed = [*flow.completed_steps]
        # What has been plain is so after a plain decision too, until it is over.
        self._outcome: dict[str, Any] = {"is_known_plain": True}

    def advance(self, fed: Iterable[str]) -> None:
        """Start what can start now that these steps got something, and so on.

        In the order of the general rules: first all that are ready start, then their work.
        """
        executions, table = self._executions, self._table
        while fed:
            ready = [
                self._start(table[step_id])
                for step_id in fed
                if executions[step_id].status is StepStatus.PENDING and self._has_all(step_id)
            ]
            done: list[str] = []
            for plain, inputs, token in ready:
                self._begin(plain, inputs, token, done)
            fed = self._in_order(done)
        if len(self._completed) == len(executions):
            self._conclude()

    def _in_order(self, done: Sequence[str]) -> Sequence[str]:
        """Return the takers of these in the order of the plan."""
        if len(done) <= 1:
            return self._table[done[0]].takers if done else ()
        takers = {taker for step_id in done for taker in self._table[step_id].takers}
        return sorted(takers, key=lambda step_id: self._table[step_id].place)

    def _has_all(self, step_id: str) -> bool:
        return all(map(self._attributes.get, self._table[step_id].needs))

    def _start(self, plain: PlainStep) -> tuple[PlainStep, dict[str, Any], str]:
        world, step_id = self._world, plain.step.id
        if not world.is_healthy(plain.step):
            raise _NotPlain
        inputs = {inner: self._attributes[name][0].value for name, inner in plain.requires}
        token = world.token(self._flow.id, step_id, 0)
        self.events.append(
            happened.StepStarted(
                at=world.at, step_id=step_id, inputs=inputs, work_items={token: {}}
            )
        )
        return plain, inputs, token

    def _begin(self, plain: PlainStep, inputs: dict[str, Any], token: str, done: list[str]) -> None:
        """Start the work of a step, and do it if it is a script."""
        at, step_id = self._world.at, plain.step.id
        self.events.append(happened.WorkStarted(at=at, step_id=step_id, token=token, inputs=inputs))
        begun = {"started_at": at, "inputs": inputs, "order": (token,)}
        if plain.step.script is not None:
            try:
                outputs = self._run(plain, inputs, token)
            except ScriptPutOff:
                pass  # The item stays under way: a worker runs it outside of any transaction.
            else:
                self._succeed(plain, begun, outputs)
                done.append(step_id)
                return
        item = changed(_UNDER_WAY, token=token, started_at=at)
        self._executions[step_id] = changed(_BEGUN, **begun, items=HashTrieMap({token: item}))
        self.effects.append(Effect(kind=EffectKind.INVOKE, due_at=at, step_id=step_id, token=token))

    def _run(self, plain: PlainStep, inputs: dict[str, Any], token: str) -> dict[str, Any]:
        step, script = plain.step, plain.step.script
        assert script is not None
        known = inputs
        if step.metas():
            known = inputs | meta_values(self._flow, step, token)
        return self._world.languages.execute(script, bound(script, plain.parameters, known))

    def _succeed(self, plain: PlainStep, begun: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Record that a script has been run at once."""
        at, [token] = self._world.at, begun["order"]
        given = self._give(plain, token, outputs, duration_ms=0)
        item = changed(_DONE_AT_ONCE, token=token, started_at=at, completed_at=at, outputs=outputs)
        self._executions[plain.step.id] = changed(
            _ENDED_AT_ONCE,
            **begun,
            completed_at=at,
            outputs=given,
            items=HashTrieMap({token: item}),
        )

    def complete(self, plain: PlainStep, item: WorkItem, outputs: Mapping[str, Any] | None) -> None:
        """Record what a step gave that was under way."""
        at, before = self._world.at, self._executions[plain.step.id]
        assert before.started_at is not None, "it is under way"
        duration_ms = int((at - before.started_at).total_seconds() * 1000)
        given = self._give(plain, item.token, outputs, duration_ms=duration_ms)
        after = changed(item, status=WorkStatus.SUCCEEDED, completed_at=at, outputs=outputs)
        self._executions[plain.step.id] = changed(
            before,
            status=StepStatus.COMPLETED,
            completed_at=at,
            outputs=given,
            duration_ms=duration_ms,
            items=HashTrieMap({item.token: after}),
            tally={**before.tally, WorkStatus.ACTIVE: 0, WorkStatus.SUCCEEDED: 1},
        )

    def _give(
        self, plain: PlainStep, token: str, outputs: Mapping[str, Any] | None, *, duration_ms: int
    ) -> dict[str, Any]:
        """Say what a step gave, and return it by the names of the flow."""
        at, step_id, events, gave = self._world.at, plain.step.id, self.events, outputs or {}
        try:
            given = {name: gave[inner] for name, inner in plain.gives}
        except KeyError:
            raise _NotPlain from None
        events.append(happened.WorkSucceeded(at=at, step_id=step_id, token=token, outputs=outputs))
        for key, value in given.items():
            events.append(happened.AttributeSet(at=at, step_id=step_id, key=key, value=value))
            known = self._attributes.get(key, ())
            self._attributes[key] = (*known, Value(value=value, set_at=at, step=step_id))
        events.append(
            happened.StepCompleted(at=at, step_id=step_id, outputs=given, duration_ms=duration_ms)
        )
        self._completed.append(step_id)
        return given

    def _conclude(self) -> None:
        at, result = self._world.at, dict[str, Any]()
        for goal in self._flow.plan.goals:
            result |= self._executions[goal].outputs or {}
        self.events += (
            happened.FlowCompleted(at=at, result=result),
            happened.FlowDeactivated(at=at, status=FlowStatus.COMPLETED.value),
        )
        self._outcome = {
            "status": FlowStatus.COMPLETED, "completed_at": at, "deactivated_at": at,
            "is_known_plain": False,
        }  # fmt: skip

    def after(self) -> Flow:
        """Return the flow as it is after the events."""
        return changed(
            self._flow,
            executions=self._executions,
            attributes=self._attributes,
            completed_steps=tuple(self._completed),
            last_updated=self._world.at,
            **self._outcome,
        )


_UNDER_WAY = WorkItem(token="", inputs={}, status=WorkStatus.ACTIVE)
_ONE_UNDER_WAY = {WorkStatus.PENDING: 0, WorkStatus.ACTIVE: 1}
_BEGUN = Execution(status=StepStatus.ACTIVE, cursor=1, tally=_ONE_UNDER_WAY)
_DONE_AT_ONCE = changed(_UNDER_WAY, status=WorkStatus.SUCCEEDED)
_ENDED_AT_ONCE = changed(
    _BEGUN,
    status=StepStatus.COMPLETED,
    tally={**_ONE_UNDER_WAY, WorkStatus.ACTIVE: 0, WorkStatus.SUCCEEDED: 1},
)
