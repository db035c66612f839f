"""Computes a plan from goals, initial attributes and the catalog: steps to run, missing inputs.

The algorithm is Argyll's, with two improvements: the order is that of the catalog and the
goals, never random, and a goal is planned even if it was rejected as a provider before.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workflows.flows.domain import limits
from workflows.flows.domain.catalog import Catalog
from workflows.flows.domain.errors import (
    ChildGoalsUnknown,
    FlowInvalid,
    GoalsUnknown,
    PlanCircular,
)
from workflows.flows.domain.gates import (
    Gate,
    Matches,
    ScriptFailed,
    StepGate,
    gate_of,
    step_gate,
)
from workflows.flows.domain.plan import Edges, Excluded, Plan
from workflows.flows.domain.step import Attribute, Collect, Role, Step, StepType

Init = Mapping[str, Sequence[Any]]
"""Attribute name to its values; an attribute without values counts as not supplied."""


def make_plan(
    catalog: Catalog,
    goals: Sequence[str],
    init: Init,
    *,
    matches: Matches,
    is_preview: bool = False,
    only_required: bool = False,
    with_children: bool = True,
) -> Plan:
    """Plan a flow. A preview also follows providers that lack inputs, to show which.

    With `only_required` it follows those of required inputs: a flow starts without the others.

    :raises FlowInvalid: if there is no goal, or the plan is too large or too deep.
    :raises GoalsUnknown: if a goal is not in the catalog.
    :raises ChildGoalsUnknown: if a goal of a child flow is not.
    :raises PlanCircular: if a flow step contains itself.
    """
    if not goals:
        raise FlowInvalid("at least one goal step is required", pointer="/goals")
    planner = _Planner(
        catalog, tuple(goals), init, matches, is_preview=is_preview, only_required=only_required
    )
    return planner.plan(ancestors=frozenset() if with_children else None)


class _Planner:
    """One run of the algorithm. The sets grow while the goals are followed upstream."""

    def __init__(
        self,
        catalog: Catalog,
        goals: tuple[str, ...],
        init: Init,
        matches: Matches,
        *,
        is_preview: bool,
        only_required: bool,
    ) -> None:
        self.catalog = catalog
        self.goals = goals
        self.asked = goals
        self.init = {name: list(values) for name, values in init.items() if values}
        self.matches = matches
        self.is_preview = is_preview
        self.only_required = only_required
        self.satisfiable, self.available = self._satisfiable_steps()
        self.visited: dict[str, None] = {}
        self.collected: set[str] = set()
        self.needed: set[str] = set()
        self.included: dict[str, Step] = {}
        self.blocked: dict[str, tuple[str, ...]] = {}
        self.required: dict[str, None] = {}
        self.children: dict[tuple[tuple[str, ...], frozenset[str]], Plan] = {}

    def plan(self, ancestors: frozenset[str] | None) -> Plan:
        """Make the plan, with those of its flow steps unless `ancestors` is None."""
        if any(goal not in self.catalog.steps for goal in self.goals):
            raise GoalsUnknown(self.goals)
        for goal in self.goals:
            self._collect_upstream(goal)
        made = Plan(
            goals=self.goals,
            steps=self.included,
            attributes=self._edges(),
            required=tuple(self.required),
            excluded=self._excluded(),
            children={} if ancestors is None else dict(self._children(ancestors)),
        )
        limits.check_size(made)
        return made

    def _satisfiable_steps(self) -> tuple[set[str], set[str]]:
        """Find the steps whose required inputs can all come to be."""
        available = set(self.init)
        lacking: dict[str, set[str]] = {}
        waiting: dict[str, list[Step]] = {}
        found: list[Step] = []
        for step in self.catalog.steps.values():
            if self._blocking_inputs(step):
                continue
            lacking[step.id] = {name for name, _ in step.required()} - available
            for name in lacking[step.id]:
                waiting.setdefault(name, []).append(step)
            if not lacking[step.id]:
                found.append(step)
        # Each step is looked at once for each input it lacks, however long the chains are.
        for step in found:
            for name in {name for name, _ in step.outputs()} - available:
                available.add(name)
                for served in waiting.get(name, ()):
                    lacking[served.id].discard(name)
                    if not lacking[served.id]:
                        found.append(served)
        return {step.id for step in found}, available

    def _blocking_inputs(self, step: Step) -> tuple[str, ...]:
        return tuple(
            name
            for name, spec in step.inputs()
            if spec.collect_mode == Collect.NONE and name in self.init
        )

    def _collect_upstream(self, goal: str) -> None:
        """Collect a step and all that it needs, depth first, however long the chain is."""
        under_way = [self._collect(goal)]
        while under_way:
            provider = next(under_way[-1], None)
            if provider is None:
                under_way.pop()
            else:
                under_way.append(self._collect(provider))

    def _collect(self, step_id: str) -> Iterator[str]:
        """Collect one step; yield each provider, to be collected before this goes on."""
        if step_id in self.collected:
            return
        self.collected.add(step_id)
        self.visited[step_id] = None
        step = self.catalog.steps[step_id]
        blocking = self._blocking_inputs(step)
        if blocking:
            self.blocked[step_id] = blocking
            return
        gates = {name: self._gate(name, spec) for name, spec in step.gates()}
        gate = step_gate(gates.values())
        for name, spec in step.inputs():
            if gate == StepGate.CLOSED and name not in gates:
                continue
            yield from self._collect_input(step, name, spec, gate, gates.get(name))
        if step_id in self.needed or not self._is_satisfied(step):
            self.included[step_id] = step

    def _gate(self, name: str, spec: Attribute) -> Gate:
        if spec.match is None:
            return Gate.MATCHED
        try:
            verdicts = [self.matches(spec.match, value) for value in self.init.get(name, ())]
        except ScriptFailed:
            return Gate.UNKNOWN
        is_settled = name in self.init and not self.catalog.providers(name)
        return gate_of(
            spec.collect_mode, verdicts, is_terminal=is_settled, all_succeeded=is_settled
        )

    def _collect_input(
        self, step: Step, name: str, spec: Attribute, gate: StepGate, own: Gate | None
    ) -> Iterator[str]:
        if self._is_settled_by_init(name, spec, own):
            for provider in self.catalog.providers(name):
                if self._is_satisfied(self.catalog.steps[provider]):
                    self.visited[provider] = None
            return
        selected = self._select_providers(name, spec, consumer=step.id)
        for provider in selected:
            self.needed.add(provider)
            yield provider
        is_missing = not selected and name not in self.init
        if spec.is_required and is_missing and spec.collect_mode != Collect.NONE:
            is_asked_for = gate.lets_through or (gate == StepGate.UNKNOWN and own is not None)
            if is_asked_for:
                self.required[name] = None

    def _is_settled_by_init(self, name: str, spec: Attribute, own: Gate | None) -> bool:
        is_first = spec.collect_mode == Collect.FIRST
        return is_first and name in self.init and own in {None, Gate.MATCHED}

    def _select_providers(self, name: str, spec: Attribute, *, consumer: str) -> list[str]:
        providers = [one for one in self.catalog.providers(name) if one != consumer]
        selected = [one for one in providers if one in self.satisfiable]
        if self.is_preview and not selected and (spec.is_required or not self.only_required):
            selected = providers
        if spec.collect_mode == Collect.ALL and len(selected) < len(providers):
            selected = []
        for provider in providers:
            if provider not in selected:
                self.visited[provider] = None
        return selected

    def _is_satisfied(self, step: Step) -> bool:
        outputs = [name for name, _ in step.outputs()]
        return bool(outputs) and all(name in self.init for name in outputs)

    def _edges(self) -> dict[str, Edges]:
        providers: dict[str, list[str]] = {}
        consumers: dict[str, list[str]] = {}
        for step in self.included.values():
            for name, _ in step.outputs():
                providers.setdefault(name, []).append(step.id)
        for step in self.included.values():
            for name, _ in step.inputs():
                if name in self.init or name in providers:
                    consumers.setdefault(name, []).append(step.id)
        return {
            name: Edges(
                providers=tuple(providers.get(name, ())), consumers=tuple(consumers.get(name, ()))
            )
            for name in {**providers, **consumers}
        }

    def _excluded(self) -> Excluded:
        satisfied: dict[str, tuple[str, ...]] = {}
        missing: dict[str, tuple[str, ...]] = {}
        for step_id in self.visited:
            step = self.catalog.steps[step_id]
            if step_id in self.included or step_id in self.blocked:
                continue
            lacking = tuple(name for name, _ in step.required() if name not in self.available)
            if self._is_satisfied(step):
                satisfied[step_id] = tuple(name for name, _ in step.outputs())
            elif lacking:
                missing[step_id] = lacking
        return Excluded(satisfied=satisfied, blocked=self.blocked, missing=missing)

    def _children(self, ancestors: frozenset[str]) -> Iterator[tuple[str, Plan]]:
        for step in self.included.values():
            if step.type != StepType.FLOW:
                continue
            if step.id in ancestors:
                raise PlanCircular(step.id)
            yield step.id, self._child(step, ancestors | {step.id})

    def _child(self, step: Step, ancestors: frozenset[str]) -> Plan:
        """Return the plan of a flow step. Those with equal goals and inputs have the same one."""
        limits.check_levels(len(ancestors))
        goals = step.flow_goals or ()
        missing = tuple(goal for goal in goals if goal not in self.catalog.steps)
        if missing:
            raise ChildGoalsUnknown(step.id, missing, asked=self.asked)
        init = _guaranteed_inputs(step)
        key = (goals, frozenset(init))
        if key not in self.children:
            child = _Planner(
                self.catalog,
                goals,
                init,
                self.matches,
                is_preview=self.is_preview,
                only_required=self.only_required,
            )
            child.children, child.asked = self.children, self.asked
            self.children[key] = child.plan(ancestors)
        return self.children[key]


def _guaranteed_inputs(step: Step) -> dict[str, list[Any]]:
    """Return what a child flow will certainly be given: presence only."""
    certain = {Role.REQUIRED, Role.CONST, Role.META}
    return {
        spec.inner_name(name) if spec.is_input else name: [True]
        for name, spec in step.attributes.items()
        if spec is not None and (spec.role in certain or spec.default)
    }
