"""The list of steps in a form that Argyll's Python SDK can parse, also for our own step types.

The SDK raises on an unknown type, and so fails for the whole list.
"""

from typing import Any

from workflows.flows.domain.step import StepType

_KNOWN_TYPES = frozenset({StepType.SYNC, StepType.ASYNC, StepType.SCRIPT, StepType.FLOW})
_KNOWN_LANGUAGES = frozenset({"ale", "lua", "jpath"})
_SCRIPTS = ("script", "predicate")
"""Of the step; those of an attribute are its condition and its mapping."""


def listed(step: dict[str, Any]) -> dict[str, Any]:
    """Return a step as the list has it.

    Untyped attributes are of any type. What the SDK cannot know is an asynchronous step: it
    ends when somebody says so. It lacks the address of one, so that a client that sends back
    what it read is refused, and does not replace the step by what it understood of it.
    """
    specs = {name: {"type": "any", **spec} for name, spec in step["attributes"].items()}
    shown = {**step, "attributes": {name: _readable(spec) for name, spec in specs.items()}}
    is_whole = shown["attributes"] == specs
    if is_whole and step["type"] in _KNOWN_TYPES and all(_is_known(step.get(n)) for n in _SCRIPTS):
        return shown
    kept = {name: value for name, value in shown.items() if name not in {"http", *_SCRIPTS}}
    return {**kept, "type": StepType.ASYNC.value, "own_type": step["type"]}


def _readable(spec: dict[str, Any]) -> dict[str, Any]:
    """Return an attribute without the conditions and mappings that the SDK cannot read."""
    config = dict(spec.get(spec["role"], {}))
    if not _is_known(config.get("match")):
        del config["match"]
    mapping = config.get("mapping", {})
    if not _is_known(mapping.get("script")):
        config["mapping"] = {name: value for name, value in mapping.items() if name != "script"}
        if not config["mapping"]:
            del config["mapping"]
    return {**spec, spec["role"]: config} if spec["role"] in spec else spec


def _is_known(script: dict[str, Any] | None) -> bool:
    return script is None or script["language"] in _KNOWN_LANGUAGES
