"""CEL, the Common Expression Language: typed, without loops, so it always ends."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.validation import ScriptBroken

_PROGRAMS_MAX = 1024


def check(source: str) -> None:
    """Compile and forget.

    :raises ScriptBroken: if it is no expression.
    """
    _compiled(source)


def evaluate(source: str, arguments: Mapping[str, Any]) -> Any:
    """Return the value of an expression as JSON.

    :raises ScriptFailed: if it has none.
    """
    # Half a second to load, and most installations never do.
    from celpy.adapter import CELJSONEncoder, json_to_cel  # noqa: PLC0415
    from celpy.evaluation import CELEvalError  # noqa: PLC0415

    try:
        activation = {name: json_to_cel(value) for name, value in arguments.items()}
        found = _compiled(source).evaluate(activation)
    except (CELEvalError, ScriptBroken, ValueError, TypeError) as error:
        raise ScriptFailed(f"cel execution error\n{error}") from error
    return CELJSONEncoder.to_python(found)


@lru_cache(maxsize=_PROGRAMS_MAX)
def _compiled(source: str) -> Any:
    import celpy  # noqa: PLC0415
    from celpy.celparser import CELParseError  # noqa: PLC0415

    environment = celpy.Environment()
    try:
        return environment.program(environment.compile(source))
    except CELParseError as error:
        raise ScriptBroken(f"cel compile error: {str(error).splitlines()[0]}") from error
