"""JPath: RFC 9535, and a bare filter expression for `$[?…]` (Argyll spec §9.4).

Regular expressions run on RE2, in time linear in the text whatever the pattern.
"""

import re
from functools import lru_cache
from itertools import islice
from typing import Any

import re2
from jsonpath import JSONPathEnvironment, JSONPathError
from jsonpath.function_extensions import ExpressionType, FilterFunction
from jsonpath.path import JSONPath

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.languages import allowance

SOURCE_CHARS_MAX = 64 << 10
MATCHES_MAX = 100_000
_PATHS_MAX = 10_240


# What stands before a dot without being one: an escaped character, or a class with its dots.
_DOT = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\.", re.DOTALL)


def _spelt_out(found: re.Match[str]) -> str:
    """Return a dot as RFC 9485 means it: neither line feed nor carriage return."""
    return r"[^\r\n]" if found[0] == "." else found[0]


class _Regex(FilterFunction):
    """`match` (the whole text) and `search` (any part of it)."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]
    return_type = ExpressionType.LOGICAL

    def __init__(self, *, is_whole: bool) -> None:
        self._is_whole = is_whole

    def __call__(self, text: object, pattern: object) -> bool:
        if not isinstance(text, str) or not isinstance(pattern, str):
            return False
        try:
            compiled = re2.compile(_DOT.sub(_spelt_out, pattern))
        except re2.error:
            return False
        found = compiled.fullmatch(text) if self._is_whole else compiled.search(text)
        return found is not None


_environment = JSONPathEnvironment(strict=True)
_environment.function_extensions["match"] = _Regex(is_whole=True)
_environment.function_extensions["search"] = _Regex(is_whole=False)


def check(source: str) -> None:
    """Compile and forget.

    :raises ScriptBroken: if it is no path.
    """
    _compiled(source)


def find(
    source: str, document: Any, *, seconds: float = allowance.CONDITION_SECONDS_MAX
) -> list[Any]:
    """Return all values that the path selects in `document`.

    :raises TookTooLong: if it takes more of the processor than it may.
    :raises ScriptFailed: if it cannot be followed.
    """
    try:
        path = _compiled(source)
        with allowance.watched("jpath", seconds, package="jsonpath"):
            matches = path.finditer(_sorted(document))
            found = [match.obj for match in islice(matches, MATCHES_MAX + 1)]
    except (ScriptBroken, JSONPathError) as error:
        raise ScriptFailed(str(error)) from error
    except RecursionError as error:
        raise ScriptFailed("jpath execution error\nnested too deep") from error
    if len(found) > MATCHES_MAX:
        raise ScriptFailed(f"jpath execution error\nmore than {MATCHES_MAX} matches")
    return found


def value(source: str, document: Any, *, seconds: float = allowance.CONDITION_SECONDS_MAX) -> Any:
    """Return the one value selected, or the list of several.

    :raises ScriptFailed: if there is none.
    """
    found = find(source, document, seconds=seconds)
    if not found:
        raise ScriptFailed("jpath produced no matches")
    return found[0] if len(found) == 1 else found


@lru_cache(maxsize=_PATHS_MAX)
def _compiled(source: str) -> JSONPath:
    for candidate in (source, f"$[?{source}]"):
        if len(source) > SOURCE_CHARS_MAX or source != source.strip() or not source:
            break
        try:
            with allowance.watched("jpath", allowance.COMPILE_SECONDS_MAX, package="jsonpath"):
                compiled = _environment.compile(candidate)
        except (JSONPathError, RecursionError, allowance.TookTooLong):
            continue
        if isinstance(compiled, JSONPath):
            return compiled
    raise ScriptBroken(f"jpath compile error: {source}")


def _sorted(document: Any) -> Any:
    """Return `document` with its members in the order in which a wildcard visits them."""
    match document:
        case dict():
            return {key: _sorted(document[key]) for key in sorted(document)}
        case list():
            return [_sorted(item) for item in document]
        case _:
            return document
