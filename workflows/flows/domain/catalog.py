"""The catalog: the registered steps and who provides and consumes which attribute.

An aggregate of its own, stream `["catalog"]`. The graph is always derived from the
steps, so an update that drops an attribute leaves no stale edge.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from events.domain.json_pointer import pointer_to
from workflows.flows.domain.errors import StepExists, StepInvalid, StepUnknown
from workflows.flows.domain.step import Attribute, Step
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.domain.times import read, written


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRegistered:
    step: Step
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpdated:
    step: Step
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUnregistered:
    step_id: str
    at: datetime


CatalogEvent = StepRegistered | StepUpdated | StepUnregistered


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterStep:
    step: Step
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateStep:
    step: Step
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnregisterStep:
    step_id: str
    at: datetime


CatalogCommand = RegisterStep | UpdateStep | UnregisterStep


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Steps in the order of their registration.

    `revisions` counts the definitions of each id. It continues when a removed step is
    registered again, so that a revision always names the same definition. Without slots, so
    that who provides what is found out once.
    """

    steps: Mapping[str, Step] = field(default_factory=dict)
    revisions: Mapping[str, int] = field(default_factory=dict)
    last_updated: datetime | None = None

    def providers(self, attribute: str) -> tuple[str, ...]:
        """Return the ids of the steps that have `attribute` as an output."""
        return self._providers.get(attribute, ())

    @cached_property
    def _providers(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for step in self.steps.values():
            for name, _ in step.outputs():
                found[name] = (*found.get(name, ()), step.id)
        return found

    def graph(self) -> dict[str, dict[str, list[str]]]:
        """Return `{attribute: {providers, consumers}}` over all steps."""
        edges: dict[str, dict[str, list[str]]] = {}
        for step in self.steps.values():
            for name, spec in step.attributes.items():
                edge = edges.setdefault(name, {"providers": [], "consumers": []})
                if spec is not None and spec.is_output:
                    edge["providers"].append(step.id)
                elif spec is not None and spec.is_input:
                    edge["consumers"].append(step.id)
        return edges


def decide(catalog: Catalog, command: CatalogCommand) -> list[CatalogEvent]:
    """Return the events that `command` causes; an equal definition causes none.

    :raises StepExists: if another definition has that id.
    :raises StepUnknown: if there is nothing to update or unregister.
    :raises StepInvalid: if the step does not fit the other steps.
    """
    match command:
        case RegisterStep(step=step, at=at):
            return _register(catalog, step, at)
        case UpdateStep(step=step, at=at):
            return _update(catalog, step, at)
        case UnregisterStep(step_id=step_id, at=at):
            if step_id not in catalog.steps:
                raise StepUnknown(step_id)
            return [StepUnregistered(step_id=step_id, at=at)]


def _register(catalog: Catalog, step: Step, at: datetime) -> list[CatalogEvent]:
    known = catalog.steps.get(step.id)
    if known is not None and known.is_same_as(step):
        return []
    if known is not None:
        raise StepExists(step.id)
    check_fits(catalog, step)
    return [StepRegistered(step=step, at=at)]


def _update(catalog: Catalog, step: Step, at: datetime) -> list[CatalogEvent]:
    known = catalog.steps.get(step.id)
    if known is None:
        raise StepUnknown(step.id)
    if known.is_same_as(step):
        return []
    check_fits(catalog, step)
    return [StepUpdated(step=step, at=at)]


def evolve(catalog: Catalog, event: CatalogEvent) -> Catalog:
    """Return `catalog` as it is after `event`."""
    revisions = catalog.revisions
    match event:
        case StepRegistered(step=step) | StepUpdated(step=step):
            steps = {**catalog.steps, step.id: step}
            revisions = {**revisions, step.id: revisions.get(step.id, 0) + 1}
        case StepUnregistered(step_id=step_id):
            steps = {key: step for key, step in catalog.steps.items() if key != step_id}
    return replace(catalog, steps=steps, revisions=revisions, last_updated=event.at)


def check_fits(catalog: Catalog, step: Step) -> None:
    """Check a step against the others: attribute types, then cycles.

    :raises StepInvalid: with the message of the original.
    """
    others = {key: other for key, other in catalog.steps.items() if key != step.id}
    types = {name: _type(spec) for other in others.values() for name, spec in _declared(other)}
    for name, spec in _declared(step):
        if name in types and types[name] != _type(spec):
            raise StepInvalid(
                f"attribute type conflict: {name}", pointer=pointer_to("attributes", name)
            )
    whole = Catalog(steps={**others, step.id: step})
    if _reaches(step.id, lambda key: _suppliers(whole, key)):
        raise StepInvalid(f"circular dependency detected: step {step.id}")
    if _reaches(step.id, lambda key: _goals(whole, key)):
        raise StepInvalid(f"circular dependency detected: step {step.id}", pointer="/flow/goals")


def _type(spec: Attribute) -> str:
    """Return the type of an attribute; one without is of any, as the list of steps says."""
    return spec.type or "any"


def _declared(step: Step) -> Iterator[tuple[str, Attribute]]:
    return ((name, spec) for name, spec in step.attributes.items() if spec is not None)


def _suppliers(catalog: Catalog, step_id: str) -> set[str]:
    step = catalog.steps[step_id]
    return {provider for name, _ in step.inputs() for provider in catalog.providers(name)} - {
        step_id
    }


def _goals(catalog: Catalog, step_id: str) -> set[str]:
    # Goals may name steps that are not registered yet: they reach nothing.
    return {goal for goal in catalog.steps[step_id].flow_goals or () if goal in catalog.steps}


def _reaches(start: str, following: Any) -> bool:
    seen: set[str] = set()
    pending = list(following(start))
    while pending:
        step_id = pending.pop()
        if step_id == start:
            return True
        if step_id not in seen:
            seen.add(step_id)
            pending.extend(following(step_id))
    return False


NAMES: dict[type, str] = {
    StepRegistered: "step_registered",
    StepUpdated: "step_updated",
    StepUnregistered: "step_unregistered",
}


def encode(event: CatalogEvent) -> tuple[str, dict[str, Any]]:
    """Return the stored name and data of an event."""
    if isinstance(event, StepUnregistered):
        return NAMES[StepUnregistered], {"step_id": event.step_id}
    return NAMES[type(event)], {"step": event.step.as_json()}


def decode(name: str, data: Mapping[str, Any], at: datetime) -> CatalogEvent:
    """Return the event that was stored."""
    if name == NAMES[StepUnregistered]:
        return StepUnregistered(step_id=data["step_id"], at=at)
    kind = StepRegistered if name == NAMES[StepRegistered] else StepUpdated
    return kind(step=step_from_json(data["step"]), at=at)


def catalog_as_json(catalog: Catalog) -> dict[str, Any]:
    """Return the CatalogState of the wire."""
    return {
        "last_updated": written(catalog.last_updated),
        "steps": {step_id: step.as_json() for step_id, step in catalog.steps.items()},
        "attributes": catalog.graph(),
    }


def dump(catalog: Catalog) -> dict[str, Any]:
    """Return all of the catalog: the wire form, and what the wire does not show."""
    return {**catalog_as_json(catalog), "revisions": dict(catalog.revisions)}


def load(document: Mapping[str, Any]) -> Catalog:
    """Return the catalog that `dump` wrote."""
    return Catalog(
        revisions=document["revisions"],
        steps={key: step_from_json(step) for key, step in document["steps"].items()},
        last_updated=read(document["last_updated"]),
    )
