"""The script languages within one decision, whose transaction may be open, or for one plan or
page, for which somebody waits: bounded in all.

The scripts of its steps have a quarter of a second together, after which they are put off to
a worker. Conditions, without which it cannot go on, have a second. It is time of the processor,
also of the child process in which Lua runs: who waits for it pays nothing. A condition in Lua
that was asked before is not asked again.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson

from ledger import expressions
from workflows.flows.domain.gates import ScriptPutOff
from workflows.flows.domain.step import Script
from workflows.flows.languages import Within, allowance, lua

SCRIPTS_SECONDS_MAX = 0.25
CONDITIONS_SECONDS_MAX = 1.0
_LEAST_S = 0.001
"""With less left than this no script is begun."""

T = TypeVar("T")


class InPlace:
    """The port of the domain for one decision, plan or page."""

    def __init__(self) -> None:
        self._scripts = Within(script_s=SCRIPTS_SECONDS_MAX, condition_s=0)
        self._for_conditions = CONDITIONS_SECONDS_MAX
        self._answers: dict[bytes, bool] = {}

    def execute(self, script: Script, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run a step's script. Raises ScriptPutOff if it is too slow to be run here."""
        clock, scripts = _clock_of(script), self._scripts
        if scripts.script_s < _LEAST_S:
            raise ScriptPutOff
        began = clock()
        try:
            return scripts.execute(script, inputs)
        except (allowance.TookTooLong, lua.LuaStarved) as slow:
            raise ScriptPutOff from slow
        finally:
            scripts.script_s -= clock() - began

    def holds(self, script: Script, inputs: Mapping[str, Any]) -> bool:
        return self._condition(script, inputs, lambda: self._within().holds(script, inputs))

    def matches(self, script: Script, value: Any) -> bool:
        return self._condition(
            script, {"value": value}, lambda: self._within().matches(script, value)
        )

    def map_input(self, script: Script, inputs: Mapping[str, Any], value: Any) -> Any:
        return self._timed(script, lambda: self._within().map_input(script, inputs, value))

    def map_output(self, script: Script, outputs: Mapping[str, Any]) -> Any:
        return self._timed(script, lambda: self._within().map_output(script, outputs))

    def _within(self) -> Within:
        condition_s = min(self._for_conditions, allowance.CONDITION_SECONDS_MAX)
        return Within(script_s=0, condition_s=condition_s)

    def _condition(self, script: Script, seen: Mapping[str, Any], ask: Callable[[], bool]) -> bool:
        if script.language != "lua":
            return self._timed(script, ask)
        key = orjson.dumps([script.text, seen], option=orjson.OPT_SORT_KEYS)
        if key not in self._answers:
            self._answers[key] = self._timed(script, ask)
        return self._answers[key]

    def _timed(self, script: Script, ask: Callable[[], T]) -> T:
        clock = _clock_of(script)
        if self._for_conditions < _LEAST_S:
            raise allowance.TookTooLong(script.language, CONDITIONS_SECONDS_MAX)
        began = clock()
        try:
            return ask()
        finally:
            self._for_conditions -= clock() - began


def _clock_of(script: Script) -> Callable[[], float]:
    """Return what measures the time that scripts of its language take of the processor."""
    if script.language == "cel":
        expressions.load()  # No script is charged for being the first of its process.
    return lua.spent if script.language == "lua" else time.thread_time
