"""A list of steps that Argyll's Python SDK can read, also where a step is of our own making.

It raises on what it does not know, and with it goes the whole list.
"""

from typing import Any

from workflows.flows.domain.step import StepType

_KNOWN_TYPES = frozenset({StepType.SYNC, StepType.ASYNC, StepType.SCRIPT, StepType.FLOW})
_KNOWN_LANGUAGES = frozenset({"ale", "lua", "jpath"})
_SCRIPTS = ("script", "predicate")


def listed(step: dict[str, Any]) -> dict[str, Any]:
    """Return a step as the list has it.

    Untyped attributes are of any type. What the SDK cannot know is an asynchronous step: it
    ends when somebody says so. It lacks the address of one, so that a client that sends back
    what it read is refused, and does not replace the step by what it understood of it.
    """
    specs = step["attributes"].items()
    shown = {**step, "attributes": {name: {"type": "any", **spec} for name, spec in specs}}
    if step["type"] in _KNOWN_TYPES and all(_is_known(step.get(name)) for name in _SCRIPTS):
        return shown
    kept = {name: value for name, value in shown.items() if name not in {"http", *_SCRIPTS}}
    return {**kept, "type": StepType.ASYNC.value, "own_type": step["type"]}


def _is_known(script: dict[str, Any] | None) -> bool:
    return script is None or script["language"] in _KNOWN_LANGUAGES
