"""Conditions of policies in CEL, the Common Expression Language: no loops, so it always ends."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from ledger.domain.policy import ConditionInvalid, ConditionUnanswered, Named, check_names
from ledger.expressions import spending
from ledger.expressions.refusals import NoProgram, Unanswered

SECONDS_MAX = 0.5
"""Of the processor: the answer is waited for in the transaction of the action."""
MADE_MAX = 8 << 20
_PROGRAMS_MAX = 256
_MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})
"""What names a variable of its own, first of all, for what comes after."""
_FUNCTIONS: Final = frozenset({"dyn", "has"})
"""What the library does not list among its functions."""


def check(source: str, *, pointer: str = "/condition") -> None:
    """Check that a condition compiles.

    :raises ConditionInvalid: if it is not a CEL expression.
    :raises ConditionNameUnknown: if it uses an unknown name.
    """
    if source:
        _compiled(source, pointer)


def answer(source: str, variables: Mapping[str, Any]) -> bool:
    """Return whether a condition holds over `variables` (JSON).

    :raises ConditionUnanswered: if the result is not a boolean, or it uses an unknown name:
        CEL would ignore that where the other operand alone decides.
    """
    try:
        # Before it is charged: in a new process that loads the library, for most of that time.
        program = _compiled(source, "/condition")
        with spending.charged(spending.Allowance(SECONDS_MAX, MADE_MAX)):
            found = program.evaluate(dict(variables))
    except (ConditionInvalid, Unanswered, spending.TooMuch) as error:
        raise ConditionUnanswered(str(error)) from error
    except RecursionError as error:
        raise ConditionUnanswered("nested too deep") from error
    if not _is_truth(found):
        raise ConditionUnanswered(f"it is a {type(found).__name__}, not true or false")
    return bool(found)


def _is_truth(found: Any) -> bool:
    from celpy.celtypes import BoolType  # noqa: PLC0415 (half a second to load)

    return isinstance(found, bool | BoolType)


@lru_cache(maxsize=_PROGRAMS_MAX)
def _compiled(source: str, pointer: str) -> Any:
    # Half a second to load, and an installation without conditions never does.
    from celpy.celparser import CELParseError, CELParser  # noqa: PLC0415
    from celpy.evaluation import base_functions  # noqa: PLC0415

    from ledger.expressions import macros  # noqa: F401, PLC0415 (registers them)
    from ledger.expressions.program import Program  # noqa: PLC0415

    try:
        tree = CELParser().parse(source)
    except CELParseError as error:
        # It names the last character that it could read, or none if it read none at all.
        raise ConditionInvalid(
            pointer, source, line=max(1, error.line or 1), column=max(1, error.column or 1)
        ) from error
    functions = _MACROS | _FUNCTIONS | frozenset(base_functions)
    try:
        check_names(_names(tree, frozenset()), functions=functions, pointer=pointer)
        return Program(tree)
    except (NoProgram, RecursionError) as error:
        # The latter of what is nested too deep.
        raise ConditionInvalid(pointer, source, line=1, column=1) from error


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
