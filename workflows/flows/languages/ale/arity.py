"""How many arguments functions take, in the words of Argyll."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
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


def check_arity(name: str, function: Any, count: int) -> None:
    """Check how many arguments a script gives to the function of this name.

    :raises AleError: if the function takes fewer, or more.
    """
    if not callable(function):
        return
    least, most = _ARITIES.get(name) or ((1, math.inf) if name[-1:] == "?" else _known(function))
    if not least <= count <= most:
        raise AleError(f"got {count} arguments, expected {ranged(least, most)}")


def check_lookup(count: int) -> None:
    """Check how many arguments what looks up gets: where, and what there is instead.

    :raises AleError: if it is neither one nor two.
    """
    if not 1 <= count <= 2:  # noqa: PLR2004 (see above)
        raise AleError(f"expected between 1 and 2 arguments, got {count}")


_KEYED, _FOLDED = (2, 3), (2, 3)
_ARITIES: dict[str, tuple[int, float]] = {
    "cartesian-product": (1, math.inf),
    "conj": (2, 2),
    "contains?": (2, 2),
    "fold-left": _FOLDED,
    "fold-right": _FOLDED,
    "fold-right!": _FOLDED,
    "foldl": _FOLDED,
    "foldr": _FOLDED,
    "get": _KEYED,
    "juxt": (1, math.inf),
    "map": (2, math.inf),
    "nth": _KEYED,
    "nth!": _KEYED,
    "partition": (2, 3),
    "range": (0, 3),
    "reduce": _FOLDED,
}
"""Of those whose code takes more than the original does, so that others can use it, too."""


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


_known = lru_cache(maxsize=512)(_arity)
"""For the library alone: a procedure of a script would be kept with all that it can see."""

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
