"""The plan of a flow: computed once, and stored with the flow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import orjson

from workflows.flows.domain.step import AWAITING_TYPES, Collect, Step, StepType
from workflows.flows.domain.step_json import step_from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Who provides and who consumes one attribute, within the plan."""

    providers: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        # The original shows a missing side as null, and its clients look for that.
        return {
            "providers": list(self.providers) or None,
            "consumers": list(self.consumers) or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """Steps that were considered and excluded, each with the attributes that are the reason."""

    satisfied: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    blocked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        groups = {"satisfied": self.satisfied, "blocked": self.blocked, "missing": self.missing}
        return {
            name: {step: list(attributes) for step, attributes in group.items()}
            for name, group in groups.items()
            if group
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainStep:
    """What a plain plan says of a step, found out once: what it `needs`, outer and inner names of
    that and of what it gives, and who takes what it gives, in order."""

    step: Step
    place: int
    needs: tuple[str, ...]
    requires: tuple[tuple[str, str], ...]
    gives: tuple[tuple[str, str], ...]
    parameters: tuple[str, ...]
    takers: tuple[str, ...]


PLAIN_STEPS_MAX = 1_000
"""Plans of more steps need a look at the limits of a decision."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`required` are the attributes that init must supply; `children` the plans of flow steps.

    Without slots, so that what every decision asks of it is found out once.
    """

    goals: tuple[str, ...]
    steps: Mapping[str, Step]
    attributes: Mapping[str, Edges]
    required: tuple[str, ...] = ()
    excluded: Excluded = field(default_factory=Excluded)
    children: Mapping[str, "Plan"] = field(default_factory=dict)

    @cached_property
    def awaiting(self) -> tuple[Step, ...]:
        """The steps that only wait."""
        return tuple(step for step in self.steps.values() if step.type in AWAITING_TYPES)

    @cached_property
    def has_waits(self) -> bool:
        """Return whether an item may wait for somebody: an event, an approval, a callback."""
        return any(
            step.type in AWAITING_TYPES or step.type == StepType.ASYNC
            for step in self.steps.values()
        )

    @cached_property
    def nesting(self) -> tuple[Step, ...]:
        """The steps that are child flows."""
        return tuple(step for step in self.steps.values() if step.type == StepType.FLOW)

    @cached_property
    def can_be_undone(self) -> bool:
        """Return whether a step of it, or of a child flow at any depth, can be compensated."""
        return any(step.has_compensation for step in self.steps.values()) or any(
            child.can_be_undone for child in self.children.values()
        )

    @cached_property
    def levels(self) -> int:
        """How many levels of child flows are below a flow of this plan."""
        return max((1 + child.levels for child in self.children.values()), default=0)

    @cached_property
    def steps_in_all(self) -> int:
        """How many steps it has, with those of its child flows at every level."""
        return len(self.steps) + sum(child.steps_in_all for child in self.children.values())

    @cached_property
    def has_deadlines(self) -> bool:
        """Return whether a step waits for an optional input, and only so long."""
        return any(
            spec.deadline_ms > 0 for step in self.steps.values() for _, spec in step.inputs()
        )

    @cached_property
    def fed_by(self) -> Mapping[str, frozenset[str]]:
        """For each step, the steps that consume one of its outputs."""
        return {
            step_id: frozenset(
                consumer for name, _ in step.outputs() for consumer in self.consumers(name)
            )
            for step_id, step in self.steps.items()
        }

    @cached_property
    def feeding(self) -> Mapping[str, frozenset[str]]:
        """For each step, the steps that provide one of its inputs."""
        return {
            step_id: frozenset(
                provider for name, _ in step.inputs() for provider in self.providers(name)
            )
            for step_id, step in self.steps.items()
        }

    @cached_property
    def only_from_init(self) -> frozenset[str] | None:
        """The required attributes that no other step gives; None if the plan is not plain.

        In a plain plan any value will do: no required input is matched, or wants all, or none.
        """
        found = set()
        for step in self.steps.values():
            for name, spec in step.required():
                if spec.match is not None or spec.collect_mode in {Collect.ALL, Collect.NONE}:
                    return None
                edges = self.attributes.get(name)
                if not edges or not set(edges.providers) - {step.id}:
                    found.add(name)
        return frozenset(found)

    @cached_property
    def plain(self) -> Mapping[str, PlainStep] | None:
        """The table of a plan of plain steps (`plain`), None if it is not one."""
        if not 0 < len(self.steps) <= PLAIN_STEPS_MAX or self.children:
            return None
        if not self.steps.keys() >= set(self.goals):
            return None  # A goal is satisfied, or blocked, by what init gives.
        place = {step_id: number for number, step_id in enumerate(self.steps)}
        found = {}
        for step_id, step in self.steps.items():
            is_wanted = step_id in self.goals or bool(self.fed_by[step_id])
            if not step.is_plain or not is_wanted or step_id in self.fed_by[step_id]:
                return None
            if any(len(self.providers(name)) > 1 for name, _ in step.required()):
                return None
            found[step_id] = PlainStep(
                step=step,
                place=place[step_id],
                needs=tuple(name for name, _ in step.required()),
                requires=tuple((name, spec.inner_name(name)) for name, spec in step.required()),
                gives=tuple((name, spec.inner_name(name)) for name, spec in step.outputs()),
                parameters=step.parameters(),
                takers=tuple(sorted(self.fed_by[step_id], key=place.__getitem__)),
            )
        return found

    @cached_property
    def given(self) -> frozenset[str]:
        """The attributes that steps give."""
        return frozenset(name for step in self.steps.values() for name, _ in step.outputs())

    @cached_property
    def scripts(self) -> int:
        """How many steps are scripts."""
        return sum(step.type == StepType.SCRIPT for step in self.steps.values())

    def providers(self, name: str) -> tuple[str, ...]:
        """Return the steps that provide an attribute; empty if the plan has none."""
        edges = self.attributes.get(name)
        return edges.providers if edges else ()

    def consumers(self, name: str) -> tuple[str, ...]:
        """Return the steps that consume an attribute; empty if the plan has none."""
        edges = self.attributes.get(name)
        return edges.consumers if edges else ()

    def downstream(self, step_id: str) -> frozenset[str]:
        """Return a step and all steps that depend on it, directly or indirectly."""
        reached: set[str] = set()
        pending = [step_id]
        while pending:
            current = pending.pop()
            if current in reached:
                continue
            reached.add(current)
            pending.extend(self.fed_by[current])
        return frozenset(reached)

    @cached_property
    def stored(self) -> dict[str, Any]:
        """The plan as stored in `flow_started`. Read-only."""
        return self.as_json()

    def as_json(self) -> dict[str, Any]:
        children = {step: child.as_json() for step, child in self.children.items()}
        return {
            "excluded": self.excluded.as_json(),
            "steps": {step_id: step.as_json() for step_id, step in self.steps.items()},
            **({"children": children} if children else {}),
            "attributes": {name: edges.as_json() for name, edges in self.attributes.items()},
            "goals": list(self.goals),
            "required": list(self.required) or None,
        }


PLANS_KEPT_MAX = 128
PLAN_BYTES_MAX = 32 << 10


def plan_from_json(document: Mapping[str, Any]) -> Plan:
    """Read a plan back from a `flow_started` event. What says the same is the same plan.

    Most flows of a process have one of a few plans. To read one of ten steps, and to find out
    what decisions ask of it, takes as long as ten decisions.
    """
    text = orjson.dumps(document)
    return _plan_of(text) if len(text) <= PLAN_BYTES_MAX else _read(document)


@lru_cache(maxsize=PLANS_KEPT_MAX)
def _plan_of(text: bytes) -> Plan:
    return _read(orjson.loads(text))


def _read(document: Mapping[str, Any]) -> Plan:
    excluded = document.get("excluded") or {}
    return Plan(
        goals=tuple(document["goals"]),
        steps={key: step_from_json(step) for key, step in document["steps"].items()},
        attributes={
            name: Edges(
                providers=tuple(edges.get("providers") or ()),
                consumers=tuple(edges.get("consumers") or ()),
            )
            for name, edges in document["attributes"].items()
        },
        required=tuple(document.get("required") or ()),
        excluded=Excluded(
            **{
                group: {step: tuple(names) for step, names in members.items()}
                for group, members in excluded.items()
            }
        ),
        children={step: _read(child) for step, child in (document.get("children") or {}).items()},
    )
