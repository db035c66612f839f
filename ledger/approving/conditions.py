"""Conditions of policies: CEL, the Common Expression Language. It has no loops and always ends."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ledger.domain.policy import ConditionInvalid, ConditionUnanswered

_PROGRAMS_MAX = 256


def check(source: str, *, pointer: str = "/condition") -> None:
    """Compile and forget.

    :raises ConditionInvalid: if it is no expression.
    """
    if source:
        _compiled(source, pointer)


def answer(source: str, variables: Mapping[str, Any]) -> bool:
    """Say whether a condition holds over `variables` (JSON).

    :raises ConditionUnanswered: if it does not say yes or no.
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


@lru_cache(maxsize=_PROGRAMS_MAX)
def _compiled(source: str, pointer: str) -> Any:
    import celpy  # noqa: PLC0415
    from celpy.celparser import CELParseError  # noqa: PLC0415

    environment = celpy.Environment()
    try:
        return environment.program(environment.compile(source))
    except CELParseError as error:
        # It names the last character that it could read, or none if it read none at all.
        raise ConditionInvalid(
            pointer, source, line=max(1, error.line or 1), column=max(1, error.column or 1)
        ) from error
