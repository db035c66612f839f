"""The script languages: one port, four tongues.

| place | sees | gives |
| --- | --- | --- |
| step script | its inputs by name | an object is the outputs, anything else is `result` |
| predicate | its inputs by name (jpath: as one document) | truth, as the language has it |
| match | `value` (jpath: as the document) | likewise |
| input mapping | its value by inner name (jpath: as the document), the other inputs as null | the \
value; see `_sole` for objects |
| output mapping | the raw outputs by name (jpath: as the document), the inputs as null | likewise |
"""

from collections.abc import Callable, Mapping
from typing import Any

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Script
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.languages import ale, allowance, cel, jpath, lua

_EVALUATE: dict[str, Callable[..., Any]] = {
    "ale": ale.evaluate,
    "lua": lua.evaluate,
    "cel": cel.evaluate,
}
_HOLDS: dict[str, Callable[..., bool]] = {
    "ale": ale.holds,
    "lua": lua.holds,
    "cel": cel.holds,
    "jpath": lambda source, arguments, **limit: bool(jpath.find(source, dict(arguments), **limit)),
}


def compile_script(script: Script, parameters: tuple[str, ...]) -> None:
    """Check that a script compiles for these parameters.

    :raises ScriptBroken: with its language's own message, if it does not.
    """
    match script.language:
        case "ale":
            ale.check(script.text, parameters)
        case "lua":
            lua.check(script.text, parameters)
        case "cel":
            cel.check(script.text)
        case "jpath":
            jpath.check(script.text)
        case _:
            raise ScriptBroken(f"invalid script language: {script.language}")


def is_quick(script: Script) -> bool:
    """Return whether a script is sure to end soon: Lua has a second, the others a few steps."""
    return script.language != "lua"


class Within:
    """The port of the domain, in all languages, each script with so many seconds at most."""

    def __init__(self, *, script_s: float, condition_s: float) -> None:
        self.script_s, self._condition_s = script_s, condition_s

    def execute(self, script: Script, inputs: Mapping[str, Any]) -> dict[str, Any]:
        found = _known(_EVALUATE, script)(script.text, inputs, seconds=self.script_s)
        return found if isinstance(found, dict) else {"result": found}

    def holds(self, script: Script, inputs: Mapping[str, Any]) -> bool:
        return bool(_known(_HOLDS, script)(script.text, inputs, seconds=self._condition_s))

    def matches(self, script: Script, value: Any) -> bool:
        if script.language == "jpath":
            return bool(jpath.find(script.text, value, seconds=self._condition_s))
        return self.holds(script, {"value": value})

    def map_input(self, script: Script, inputs: Mapping[str, Any], value: Any) -> Any:
        if script.language == "jpath":
            return jpath.value(script.text, value, seconds=self._condition_s)
        return _sole(self._mapped(script, inputs))

    def map_output(self, script: Script, outputs: Mapping[str, Any]) -> Any:
        if script.language == "jpath":
            return jpath.value(script.text, dict(outputs), seconds=self._condition_s)
        return _sole(self._mapped(script, outputs))

    def _mapped(self, script: Script, arguments: Mapping[str, Any]) -> Any:
        return _known(_EVALUATE, script)(script.text, arguments, seconds=self._condition_s)


def _known(table: Mapping[str, Callable[..., Any]], script: Script) -> Callable[..., Any]:
    try:
        return table[script.language]
    except KeyError:
        raise ScriptFailed(f"invalid script language: {script.language}") from None


def _sole(found: Any) -> Any:
    """Return what a mapping means: the member `value`, the only member, or all of it."""
    if isinstance(found, dict) and "value" in found:
        return found["value"]
    if isinstance(found, dict) and len(found) == 1:
        return next(iter(found.values()))
    return found


LANGUAGES = Within(
    script_s=allowance.SCRIPT_SECONDS_MAX, condition_s=allowance.CONDITION_SECONDS_MAX
)
