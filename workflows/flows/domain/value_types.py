"""The types that attributes may declare, and their names for people."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from events.domain.errors import Rejected
from events.domain.json_pointer import pointer_to
from workflows.flows.domain.errors import FlowInvalid
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.step import Step

ATTRIBUTE_TYPES: Final = frozenset(
    {"", "string", "number", "boolean", "object", "array", "null", "any"}
)

_JSON_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda v: isinstance(v, str), "must be a valid JSON string"),
    "number": (
        lambda v: isinstance(v, int | float) and not isinstance(v, bool),
        "must be a valid number",
    ),
    "boolean": (lambda v: isinstance(v, bool), 'must be "true" or "false"'),
    "object": (lambda v: isinstance(v, dict), "must be valid JSON object"),
    "array": (lambda v: isinstance(v, list), "must be valid JSON array"),
    "null": (lambda v: v is None, 'must be "null"'),
}


class OutputsInvalid(Rejected):
    code = "outputs_invalid"
    hint = "Give values by the names and of the types of the outputs that the step declares."

    def __init__(self, step: Step, name: str, why: str) -> None:
        super().__init__(
            f"output {name} of step {step.id} {why}",
            pointer=pointer_to("outputs", name),
            step_id=step.id,
            name=name,
        )


def fault(value: Any, type_: str) -> str:
    """Return why a value is not of a type; empty if it is."""
    accepts, reason = _JSON_TYPES.get(type_, (lambda _: True, ""))
    return "" if accepts(value) else reason


def check_forced(step: Step, outputs: Mapping[str, Any]) -> None:
    """Check the outputs that an operator supplies for a step.

    A step does not give what it does not declare. One that runs for each of a list may give
    a list of what it declares.

    :raises OutputsInvalid: if a name is not declared, or a value of another type.
    """
    declared = dict(step.outputs())
    is_for_each = any(spec.for_each for _, spec in step.inputs())
    for name, value in outputs.items():
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise OutputsInvalid(step, name, f"is not declared (declared: {known})")
        why = fault(value, declared[name].type)
        if why and not (is_for_each and isinstance(value, list)):
            raise OutputsInvalid(step, name, why)


def check_edited(plan: Plan, edited: Mapping[str, list[Any]]) -> None:
    """Check the values that somebody gives to attributes of a plan.

    :raises FlowInvalid: if one is of another type than a step declares for it.
    """
    for name, values in edited.items():
        for step in plan.steps.values():
            spec = step.attributes.get(name)
            reasons = [why for value in values if spec and (why := fault(value, spec.type))]
            if reasons:
                at = pointer_to("init", name)
                raise FlowInvalid(f"attribute {name} {reasons[0]}", pointer=at)
