"""CEL, the Common Expression Language: typed, without loops, so it always ends."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

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
    except RecursionError as error:
        raise ScriptFailed("cel execution error\nnested too deep") from error
    return _plain(CELJSONEncoder.to_python(found))


def _plain(found: Any) -> Any:
    try:
        text = orjson.dumps(found)
    except TypeError as error:
        raise ScriptFailed(f"cel execution error\nresult is no JSON: {error}") from error
    if rb"\u0000" in text:
        raise ScriptFailed("cel execution error\nresult has text with a NUL")
    return orjson.loads(text)


@lru_cache(maxsize=_PROGRAMS_MAX)
def _compiled(source: str) -> Any:
    import celpy  # noqa: PLC0415
    from celpy.celparser import CELParseError  # noqa: PLC0415

    environment = celpy.Environment()
    try:
        return environment.program(environment.compile(source))
    except CELParseError as error:
        raise ScriptBroken(f"cel compile error: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise ScriptBroken("cel compile error: nested too deep") from error
