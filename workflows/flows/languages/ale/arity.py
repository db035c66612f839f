"""How many arguments functions take, told in the words of the original."""

import math
from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from typing import Any

from workflows.flows.languages.ale.values import AleError


def applied(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Call a function.

    :raises AleError: if it takes fewer arguments, or more.
    """
    try:
        return function(*arguments)
    except TypeError:
        least, most = _arity(function)
        if least <= len(arguments) <= most:
            raise
        raise AleError(f"got {len(arguments)} arguments, expected {ranged(least, most)}") from None


def _arity(function: Callable[..., Any]) -> tuple[int, float]:
    """Return how many arguments a function takes, at least and at most."""
    try:
        parameters = signature(function).parameters.values()
    except ValueError:
        return 0, math.inf
    taken = [p for p in parameters if p.kind in _POSITIONAL]
    least = sum(1 for p in taken if p.kind != p.VAR_POSITIONAL and p.default is p.empty)
    is_open = any(p.kind == p.VAR_POSITIONAL for p in taken)
    return least, math.inf if is_open else len(taken)


_POSITIONAL = {
    Parameter.POSITIONAL_ONLY,
    Parameter.POSITIONAL_OR_KEYWORD,
    Parameter.VAR_POSITIONAL,
}


def ranged(least: int, most: float) -> str:
    """Write how many arguments are right, as the original does."""
    if most == math.inf:
        return f"{least} or more"
    return f"{least}" if least == most else f"{least}-{most:.0f}"
