"""The registry of Python functions that can be steps.

They are deployed code, never input: registering one means running arbitrary code.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from workflows.flows.domain.step import Step, StepType

ENTRY_POINTS = "daybook.steps"

StepFunction = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]

_registered: dict[str, StepFunction] = {}


class TryAgain(Exception):
    """Raised by a step function whose work did not work out this time."""


class CallableUnknown(LookupError):
    """This worker has no function of that name; another one may."""


def step_function(name: str) -> Callable[[StepFunction], StepFunction]:
    """Register the decorated `function(inputs) -> outputs` for python steps."""

    def register(function: StepFunction) -> StepFunction:
        known = _registered.setdefault(name, function)
        assert known is function, f"two step functions are called {name}"
        return function

    return register


def name_of(step: Step) -> str:
    """Return the name of the function that a python step calls."""
    return str((step.settings or {}).get("callable", ""))


def undoing_of(step: Step) -> str:
    """Return the name of the function that undoes a python step; empty if none does."""
    is_python = step.type == StepType.PYTHON
    return str((step.settings or {}).get("compensate") or "") if is_python else ""


def get(name: str) -> StepFunction:
    """Return the function called `name`, from the registry or an installed package.

    :raises CallableUnknown: if there is none.
    """
    found = _registered.get(name) or _from_packages().get(name)
    if found is None:
        raise CallableUnknown(name)
    return found


def unknown_of(step: Step) -> list[str]:
    """Return the functions that a python step calls, to do and to undo, and we do not know.

    A worker of another release may; if none does, a flow waits at the step.
    """
    if step.type != StepType.PYTHON:
        return []
    called = (name_of(step), undoing_of(step))
    known = names()
    return [name for name in called if name and name not in known]


def names() -> list[str]:
    """Return every name that this process knows."""
    return sorted({*_registered, *_from_packages()})


@lru_cache(maxsize=1)
def _from_packages() -> dict[str, StepFunction]:
    return {point.name: point.load() for point in entry_points(group=ENTRY_POINTS)}
