"""Conditions of policies: CEL, the Common Expression Language. It has no loops and always ends."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from ledger.domain.policy import ConditionInvalid, ConditionUnanswered, Named, check_names

_PROGRAMS_MAX = 256
_MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})
"""What names a variable of its own, first of all, for what comes after."""
_FUNCTIONS: Final = frozenset({"dyn", "has"})
"""What the library does not list among its functions."""


def check(source: str, *, pointer: str = "/condition") -> None:
    """Compile and forget.

    :raises ConditionInvalid: if it is no expression.
    :raises ConditionNameUnknown: if it names what nobody knows.
    """
    if source:
        _compiled(source, pointer)


def answer(source: str, variables: Mapping[str, Any]) -> bool:
    """Say whether a condition holds over `variables` (JSON).

    :raises ConditionUnanswered: if it does not say yes or no, or names what nobody knows:
        an unknown name beside one that decides alone would be passed over.
    """
    # Half a second to load, and an installation without conditions never does.
    from celpy.adapter import json_to_cel  # noqa: PLC0415
    from celpy.celtypes import BoolType  # noqa: PLC0415
    from celpy.evaluation import CELEvalError  # noqa: PLC0415

    try:
        activation = {name: json_to_cel(value) for name, value in variables.items()}
        found = _compiled(source, "/condition").evaluate(activation)
    except ConditionInvalid as error:
        raise ConditionUnanswered(str(error)) from error
    except (CELEvalError, ValueError, TypeError, KeyError) as error:
        # The library's message holds the whole environment.
        raise ConditionUnanswered(type(error).__name__) from error
    if not isinstance(found, bool | BoolType):
        raise ConditionUnanswered(f"it is a {type(found).__name__}, not true or false")
    return bool(found)


def load() -> None:
    """Make ready what `answer` needs, so that processes that are forked later have it."""
    import celpy  # noqa: PLC0415

    celpy.Environment()  # Its parser is built once, in a third of a second.


@lru_cache(maxsize=_PROGRAMS_MAX)
def _compiled(source: str, pointer: str) -> Any:
    import celpy  # noqa: PLC0415
    from celpy.celparser import CELParseError  # noqa: PLC0415
    from celpy.evaluation import base_functions  # noqa: PLC0415

    environment = celpy.Environment()
    try:
        tree = environment.compile(source)
    except CELParseError as error:
        # It names the last character that it could read, or none if it read none at all.
        raise ConditionInvalid(
            pointer, source, line=max(1, error.line or 1), column=max(1, error.column or 1)
        ) from error
    functions = _MACROS | _FUNCTIONS | frozenset(base_functions)
    check_names(_names(tree, frozenset()), functions=functions, pointer=pointer)
    return environment.program(tree)


def _names(tree: Any, bound: frozenset[str]) -> Iterator[Named]:
    """Return the names in a tree of the grammar, without those that macros have bound in it."""
    inside = tree.children
    match str(tree.data):
        case "ident" | "dot_ident":
            if str(inside[0]) not in bound:
                yield _named(inside[0])
            return
        case "ident_arg" | "dot_ident_arg":
            yield _named(inside[0], is_function=True)
        case "member_dot_arg":
            yield _named(inside[1], is_function=True)
            arguments = inside[2].children if inside[2:] else []
            if str(inside[1]) in _MACROS and arguments:
                yield from _names(inside[0], bound)
                own = frozenset(str(each.children[0]) for each in arguments[0].find_data("ident"))
                for each in arguments[1:]:
                    yield from _names(each, bound | own)
                return
    for each in inside:
        if hasattr(each, "children"):
            yield from _names(each, bound)


def _named(token: Any, *, is_function: bool = False) -> Named:
    return Named(name=str(token), line=token.line, column=token.column, is_function=is_function)
