"""The script languages within one decision, whose transaction may be open: bounded in all.

Ale, CEL and JPath are bounded by their steps. Lua runs in a child process and may take a
second, so a decision gives the scripts of its steps a quarter of a second together, after
which they are put off to a worker, and conditions, without which it cannot go on, a few
seconds. A condition that was asked before is not asked again.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson

from workflows.flows.domain.gates import ScriptPutOff
from workflows.flows.domain.step import Script
from workflows.flows.domain.world import Languages
from workflows.flows.languages import lua

SCRIPTS_SECONDS_MAX = 0.25
CONDITIONS_SECONDS_MAX = 5.0

T = TypeVar("T")


class InPlace:
    """The port of the domain for one decision."""

    def __init__(self, languages: Languages) -> None:
        self._languages = languages
        self._for_scripts = SCRIPTS_SECONDS_MAX
        self._for_conditions = CONDITIONS_SECONDS_MAX
        self._answers: dict[bytes, bool] = {}

    def execute(self, script: Script, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run a step's script. Raises ScriptPutOff if it is too slow to be run here."""
        if script.language != "lua":
            return self._languages.execute(script, inputs)
        lua.warm()
        if self._for_scripts <= 0:
            raise ScriptPutOff
        began = time.monotonic()
        try:
            found = lua.evaluate(script.text, inputs, seconds=self._for_scripts)
        except lua.TookTooLong as slow:
            raise ScriptPutOff from slow
        finally:
            self._for_scripts -= time.monotonic() - began
        return found if isinstance(found, dict) else {"result": found}

    def holds(self, script: Script, inputs: Mapping[str, Any]) -> bool:
        return self._condition(script, inputs, lambda: self._languages.holds(script, inputs))

    def matches(self, script: Script, value: Any) -> bool:
        return self._condition(
            script, {"value": value}, lambda: self._languages.matches(script, value)
        )

    def map_input(self, script: Script, name: str, value: Any) -> Any:
        return self._timed(script, lambda: self._languages.map_input(script, name, value))

    def map_output(self, script: Script, outputs: Mapping[str, Any]) -> Any:
        return self._timed(script, lambda: self._languages.map_output(script, outputs))

    def _condition(self, script: Script, seen: Mapping[str, Any], ask: Callable[[], bool]) -> bool:
        if script.language != "lua":
            return ask()
        key = orjson.dumps([script.text, seen], option=orjson.OPT_SORT_KEYS)
        if key not in self._answers:
            self._answers[key] = self._timed(script, ask)
        return self._answers[key]

    def _timed(self, script: Script, ask: Callable[[], T]) -> T:
        if script.language != "lua":
            return ask()
        lua.warm()
        if self._for_conditions <= 0:
            raise lua.TookTooLong
        began = time.monotonic()
        try:
            return ask()
        finally:
            self._for_conditions -= time.monotonic() - began
