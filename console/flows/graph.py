"""The graph of steps and attributes, for the script that draws it. A table shows the same."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from console import text
from console.flows.step_state import step_state
from console.templatetags.console import words
from events.domain.texts import shortened
from workflows.flows.domain.flow import Flow
from workflows.flows.domain.step import Attribute, Step

VALUE_CHARS_MAX = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step or an attribute. `note` is its second line; `marks`: goal, missing, given, out."""

    kind: str
    key: str
    note: str = ""
    tone: str = "mute"
    marks: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "id": node_id(self.kind, self.key),
            "kind": self.kind,
            "key": self.key,
            "label": text.visible(self.key),
            "note": text.visible(self.note),
            "tone": self.tone,
            "marks": list(self.marks),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """From the step that gives to the attribute, and from there to the step that takes."""

    source: str
    target: str
    is_optional: bool = False
    is_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    @property
    def json(self) -> str:
        """What the page hands to the script."""
        edges = [
            {
                "id": f"{edge.source}>{edge.target}",
                "source": edge.source,
                "target": edge.target,
                "optional": edge.is_optional,
                "out": edge.is_out,
            }
            for edge in self.edges
        ]
        document = {"nodes": [node.as_json() for node in self.nodes], "edges": edges}
        return json.dumps(document, separators=(",", ":"))


def node_id(kind: str, key: str) -> str:
    return f"{kind}:{key}"


def of_flow(flow: Flow) -> Graph:
    """Draw the plan of a flow, with how each step and attribute stands."""
    steps = flow.plan.steps
    shown = {*flow.plan.attributes, *flow.attributes}
    nodes = [_step_node(flow, step) for step in steps.values()]
    edges = list(_edges(steps, lambda name: name in shown))
    drawn = {end for edge in edges for end in (edge.source, edge.target)}
    nodes += [
        _value_node(flow, name) for name in sorted(shown) if node_id("attribute", name) in drawn
    ]
    return Graph(nodes=nodes, edges=edges)


def of_steps(
    steps: Mapping[str, Step],
    *,
    step_node: Callable[[Step], Node],
    attribute_node: Callable[[str], Node],
) -> Graph:
    """Draw steps by their attributes; what is marked as out is drawn faintly."""
    nodes = [step_node(step) for step in steps.values()]
    names = {name: None for step in steps.values() for name, _ in _ends(step)}
    nodes += [attribute_node(name) for name in names]
    out = {node_id(node.kind, node.key) for node in nodes if "out" in node.marks}
    return Graph(nodes=nodes, edges=list(_edges(steps, lambda _: True, out)))


def brief(value: Any) -> str:
    """Write a value in a few characters."""
    return shortened(json.dumps(value, ensure_ascii=False, default=str), VALUE_CHARS_MAX)


def _step_node(flow: Flow, step: Step) -> Node:
    stands = step_state(flow, step.id)
    # The number first: what does not fit is cut off, and the colour says the state.
    many = f"{stands.done} of {stands.total} · " if stands.total > 1 else ""
    return Node(
        kind="step",
        key=step.id,
        note=f"{many}{words(stands.state)}",
        tone=stands.tone,
        marks=("goal",) if step.id in flow.plan.goals else (),
    )


def _value_node(flow: Flow, name: str) -> Node:
    values = flow.values(name)
    more = f" +{len(values) - 1}" if len(values) > 1 else ""
    is_given = any(value.step is None for value in values)
    return Node(
        kind="attribute",
        key=name,
        note=brief(values[0].value) + more if values else "",
        tone="ok" if values else "mute",
        marks=("given",) if is_given else (),
    )


def _edges(
    steps: Mapping[str, Step],
    is_shown: Callable[[str], bool],
    out: set[str] | frozenset[str] = frozenset(),
) -> Iterator[Edge]:
    for step in steps.values():
        for name, spec in _ends(step):
            if not is_shown(name):
                continue
            ends = (node_id("step", step.id), node_id("attribute", name))
            source, target = ends if spec.is_output else ends[::-1]
            yield Edge(
                source=source,
                target=target,
                is_optional=spec.is_input and not spec.is_required,
                is_out=bool(out & set(ends)),
            )


def _ends(step: Step) -> Iterator[tuple[str, Attribute]]:
    yield from step.inputs()
    yield from step.outputs()
