"""The pure subset of Ale, a Lisp: no I/O, no clock, bounded work.

What the original has and this has not, or has otherwise:

| name | here | because |
| --- | --- | --- |
| `current-time` | not declared | a clock: a replay would give another value |
| `gensym` | counts within one run | random there; the same program gives the same symbols here |
| `import` | finds no namespace | there is one namespace, and nothing to load from |
| `generate` | runs its body at once | no threads; what it emits is bounded as all work is |
| `future` | is evaluated when it is asked for | likewise |
| `go`, `chan`, `spawn` | not declared | likewise |
| `macro`, `define-macro` | not declared | there it is not known while its script compiles |
| `macroexpand-1` | knows the shorthands | a program cannot define macros |
| functions as results | `#<function>` | there the address of a pointer |
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.languages import allowance
from workflows.flows.languages.ale import (  # noqa: F401 (each registers its forms or names)
    branches,
    code,
    expansion,
    kinds,
    macros,
    promises,
    raising,
    sequences,
    special,
)
from workflows.flows.languages.ale.compiler import Program, compile_program
from workflows.flows.languages.ale.library import is_true
from workflows.flows.languages.ale.values import AleError, Raised, from_json, to_json

_PROGRAMS_MAX = 4096
_MISUSES = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What Python says of forms without their parts, and of values that do not fit."""


def check(source: str, parameters: Sequence[str]) -> None:
    """Compile and forget.

    :raises ScriptBroken: with the reason, if it does not compile.
    """
    try:
        with allowance.spent("ale", allowance.COMPILE_SECONDS_MAX):
            _compiled(source, tuple(parameters))
    except allowance.TookTooLong as slow:
        raise ScriptBroken("program too complex") from slow
    except AleError as error:
        raise ScriptBroken(str(error)) from error
    except RecursionError as error:
        raise ScriptBroken("nested too deep") from error
    except _MISUSES as error:
        raise ScriptBroken("malformed form") from error


def evaluate(
    source: str, arguments: Mapping[str, Any], *, seconds: float = allowance.CONDITION_SECONDS_MAX
) -> Any:
    """Return the value of a program as JSON.

    :raises TookTooLong: if it takes more of the processor than it may.
    :raises ScriptFailed: if it fails.
    """
    return _run(source, arguments, to_json, seconds)


def holds(
    source: str, arguments: Mapping[str, Any], *, seconds: float = allowance.CONDITION_SECONDS_MAX
) -> bool:
    """Return whether the value of a program is true: anything but false is.

    :raises TookTooLong, ScriptFailed: as `evaluate` does.
    """
    return bool(_run(source, arguments, is_true, seconds))


def _run(source: str, arguments: Mapping[str, Any], finish: Any, seconds: float) -> Any:
    try:
        values = {name: from_json(value) for name, value in arguments.items()}
        with allowance.spent("ale", seconds):
            return finish(_compiled(source, tuple(sorted(arguments))).run(values))
    except Raised as error:
        # The original tells apart what a script raises and what it cannot do.
        raise ScriptFailed(f"ale execution error\n{error}") from error
    except AleError as error:
        raise ScriptFailed(str(error)) from error
    except RecursionError as error:
        raise ScriptFailed("nested too deep") from error
    except _MISUSES as error:
        # A function of the library got what it cannot work with: the script's fault. What
        # Python says of it would name what the script does not know.
        raise ScriptFailed("a value does not fit where it is used") from error


@lru_cache(maxsize=_PROGRAMS_MAX)
def _compiled(source: str, parameters: tuple[str, ...]) -> Program:
    return compile_program(source, parameters)
