"""CEL, the Common Expression Language: typed, without loops, so it always ends, if late.

What JSON has not is written as the language's own JSON mapping has it: bytes in base64,
times as RFC 3339, durations in seconds, types by their names.
"""

import base64
import math
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ledger.expressions.refusals import NoProgram, Unanswered
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.shapes import kind_of
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.languages import allowance

if TYPE_CHECKING:
    from ledger.expressions.program import Program

SOURCE_CHARS_MAX = 4_000
"""Its parser takes 20 µs for a token, and must not be interrupted: it prints what it had."""
DEPTH_MAX = 48
_PROGRAMS_MAX = 1024
_EXACT_MAX = 2**53 - 1


def check(source: str) -> None:
    """Compile and forget.

    :raises ScriptBroken: if it is no expression.
    """
    _compiled(source)


def evaluate(
    source: str, arguments: Mapping[str, Any], *, seconds: float = allowance.CONDITION_SECONDS_MAX
) -> Any:
    """Return the value of an expression as JSON.

    :raises TookTooLong: if it takes more of the processor than it may.
    :raises ScriptFailed: if it has none.
    """
    try:
        program = _compiled(source)
        with allowance.spent("cel", seconds):
            return _plain(program.evaluate(dict(arguments)), 0)
    except (ScriptBroken, Unanswered, ValueError, TypeError) as error:
        raise ScriptFailed(f"cel execution error\n{error}") from error
    except RecursionError as error:
        raise ScriptFailed("cel execution error\nnested too deep") from error


def holds(
    source: str, arguments: Mapping[str, Any], *, seconds: float = allowance.CONDITION_SECONDS_MAX
) -> bool:
    """Return whether a condition is true.

    :raises TookTooLong: as `evaluate` does.
    :raises ScriptFailed: as `evaluate` does, and if it is neither true nor false: the language
        knows of no value that counts as one of them.
    """
    found = evaluate(source, arguments, seconds=seconds)
    if not isinstance(found, bool):
        kind = "null" if found is None else kind_of(found)
        raise ScriptFailed(f"cel execution error\na condition is a bool, and this gave {kind}")
    return found


def _plain(found: Any, depth: int) -> Any:  # noqa: PLR0911, PLR0912 (one branch per type)
    from celpy import celtypes  # noqa: PLC0415 (half a second to load, and few ever do)

    from ledger.expressions.given import GivenList, GivenMap  # noqa: PLC0415

    allowance.tick()
    if depth > DEPTH_MAX:
        raise ValueError("nested too deep")
    if isinstance(found, GivenList | GivenMap):
        raw = found.raw()
        allowance.made_of(raw)
        return raw
    match found:
        case None:
            return None
        case celtypes.BoolType() | bool():
            return bool(found)
        case int():
            return int(found) if abs(found) <= _EXACT_MAX else float(found)
        case float():
            return _number(float(found))
        case str():
            return _text(str(found))
        case bytes():
            return base64.b64encode(found).decode()
        case Mapping():
            return {_key(key): _plain(value, depth + 1) for key, value in found.items()}
        case list():
            return [_plain(item, depth + 1) for item in found]
        case celtypes.TimestampType() | celtypes.DurationType():
            moment: Any = found
            return str(celtypes.StringType(moment))
        case type():
            return found.__name__
        case _:
            raise TypeError(f"result is no JSON: {type(found).__name__}")


def _number(value: float) -> int | float:
    if math.isnan(value):
        raise ValueError("result is not a number")
    if math.isinf(value):
        return math.copysign(sys.float_info.max, value)
    return int(value) if value.is_integer() and abs(value) <= _EXACT_MAX else value


def _key(key: Any) -> str:
    plain = _plain(key, 0)
    return plain if isinstance(plain, str) else str(plain).lower()


def _text(text: str) -> str:
    # What is shared is written as often as it is met.
    allowance.made(len(text))
    if _NOT_STORABLE.search(text):
        raise ValueError("result has text with a NUL or a lone surrogate")
    return text


_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


@lru_cache(maxsize=_PROGRAMS_MAX)
def _compiled(source: str) -> "Program":
    # Half a second to load, and most installations never do.
    from celpy.celparser import CELParseError, CELParser  # noqa: PLC0415

    from ledger.expressions import macros  # noqa: F401, PLC0415 (registers them)
    from ledger.expressions.program import Program  # noqa: PLC0415

    if len(source) > SOURCE_CHARS_MAX:
        raise ScriptBroken(f"script too long: more than {SOURCE_CHARS_MAX} characters")
    try:
        return Program(CELParser().parse(source))
    except CELParseError as error:
        raise ScriptBroken(f"cel compile error: {str(error).splitlines()[0]}") from error
    except NoProgram as error:
        raise ScriptBroken(f"cel compile error: {error}") from error
    except RecursionError as error:
        raise ScriptBroken("cel compile error: nested too deep") from error
