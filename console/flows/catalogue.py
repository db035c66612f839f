"""The catalogue of steps, and which of them a flow with the chosen goals would run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from console.flows import graph
from console.flows.graph import Graph, Node
from console.templatetags.console import tone
from workflows.flows import selectors
from workflows.flows.domain.cluster import Health
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.step import Step
from workflows.flows.execution import engine
from workflows.flows.explanations import explain

_REASONS = {
    "satisfied": "not needed: what it gives is there",
    "blocked": "blocked by what is given",
    "missing": "lacks",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step. `plan` says whether it runs, or why not; empty without goals."""

    step: Step
    health: Health
    is_goal: bool
    is_in: bool
    plan: str
    takes: list[str]
    gives: list[str]
    toggle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeRow:
    """One attribute: who gives and who takes it, and whether it is said to be given."""

    name: str
    providers: list[str]
    consumers: list[str]
    is_given: bool
    is_missing: bool
    toggle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All steps, with what is chosen; `preview` is there when goals are."""

    steps: Mapping[str, Step]
    health: Mapping[str, Health]
    goals: list[str]
    given: list[str]
    preview: explain.PlanPreview | None = None
    edges: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    @property
    def plan(self) -> Plan | None:
        return self.preview.plan if self.preview else None

    def graph(self) -> Graph:
        """Draw the steps: what a plan leaves out faintly, what it lacks in red."""
        return graph.of_steps(
            self.steps, step_node=self._step_node, attribute_node=self._attribute_node
        )

    def rows(self) -> list[StepRow]:
        """Return the steps; those of the plan first, in its order."""
        order = (
            {step_id: index for index, step_id in enumerate(self.plan.steps)} if self.plan else {}
        )
        ids = sorted(self.steps, key=lambda step_id: order.get(step_id, len(order)))
        return [self._row(self.steps[step_id]) for step_id in ids]

    def attribute_rows(self) -> list[AttributeRow]:
        """Return the attributes by name."""
        missing = self.preview.missing if self.preview else []
        return [
            AttributeRow(
                name=name,
                providers=list(ends["providers"]),
                consumers=list(ends["consumers"]),
                is_given=name in self.given,
                is_missing=name in missing,
                toggle=self.address(given=toggled(self.given, name)),
            )
            for name, ends in sorted(self.edges.items())
            if ends["providers"] or ends["consumers"]
        ]

    def address(self, **changes: list[str]) -> str:
        """Return the query with other goals, or other attributes that are given."""
        chosen = {"goal": self.goals, "given": self.given, **changes}
        return f"?{urlencode(chosen, doseq=True)}"

    def _row(self, step: Step) -> StepRow:
        plan = self.plan
        return StepRow(
            step=step,
            health=self.health[step.id],
            is_goal=step.id in self.goals,
            is_in=plan is not None and step.id in plan.steps,
            plan=_fate(plan, step.id) if plan else "",
            takes=[name for name, _ in step.inputs()],
            gives=[name for name, _ in step.outputs()],
            toggle=self.address(goal=toggled(self.goals, step.id)),
        )

    def _step_node(self, step: Step) -> Node:
        is_out = self.plan is not None and step.id not in self.plan.steps
        marks = {"goal": step.id in self.goals, "out": is_out}
        return Node(
            kind="step",
            key=step.id,
            note=step.type,
            tone=tone(self.health[step.id].status),
            marks=tuple(mark for mark, is_so in marks.items() if is_so),
        )

    def _attribute_node(self, name: str) -> Node:
        is_missing = self.preview is not None and name in self.preview.missing
        is_out = self.plan is not None and not self._is_in_plan(name)
        marks = {"given": name in self.given, "missing": is_missing, "out": is_out}
        return Node(
            kind="attribute",
            key=name,
            tone="ok" if name in self.given else "mute",
            marks=tuple(mark for mark, is_so in marks.items() if is_so),
        )

    def _is_in_plan(self, name: str) -> bool:
        assert self.preview is not None, "asked only of a plan"
        return name in self.preview.plan.attributes or name in self.preview.missing


def catalogue(goals: list[str], given: list[str]) -> Catalogue:
    """Read the steps, and plan for those of `goals` that there are.

    :raises PlanCircular: if a flow step among them contains itself.
    """
    known = engine.catalog()
    chosen = [goal for goal in dict.fromkeys(goals) if goal in known.steps]
    edges = known.graph()
    have = [name for name in dict.fromkeys(given) if name in edges]
    # Only that they will be there is known yet; their values are asked for by the form.
    init: dict[str, list[Any]] = {name: [True] for name in have}
    return Catalogue(
        steps=known.steps,
        health=selectors.health_of_all(known.steps),
        goals=chosen,
        given=have,
        preview=explain.preview(chosen, init) if chosen else None,
        edges=edges,
    )


def toggled(chosen: list[str], one: str) -> list[str]:
    """Return `chosen` without `one`, or with it as the last."""
    return [each for each in chosen if each != one] if one in chosen else [*chosen, one]


def _fate(plan: Plan, step_id: str) -> str:
    if step_id in plan.steps:
        return "goal" if step_id in plan.goals else "runs"
    for group, reason in _REASONS.items():
        names = getattr(plan.excluded, group).get(step_id)
        if names:
            return f"{reason} {', '.join(names)}" if group == "missing" else reason
    return "not needed"
