"""JPath: RFC 9535, and a bare filter expression for `$[?…]` (Argyll spec §9.4).

Regular expressions run on RE2, in time linear in the text whatever the pattern.
"""

from functools import lru_cache
from typing import Any

import re2
from jsonpath import JSONPathEnvironment, JSONPathError
from jsonpath.function_extensions import ExpressionType, FilterFunction
from jsonpath.path import JSONPath

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.validation import ScriptBroken

_PATHS_MAX = 10_240


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
            compiled = re2.compile(pattern)
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


def find(source: str, document: Any) -> list[Any]:
    """Return all values that the path selects in `document`.

    :raises ScriptFailed: if it cannot be followed.
    """
    try:
        return list(_compiled(source).findall(_sorted(document)))
    except (ScriptBroken, JSONPathError) as error:
        raise ScriptFailed(str(error)) from error


def value(source: str, document: Any) -> Any:
    """Return the one value selected, or the list of several.

    :raises ScriptFailed: if there is none.
    """
    found = find(source, document)
    if not found:
        raise ScriptFailed("jpath produced no matches")
    return found[0] if len(found) == 1 else found


@lru_cache(maxsize=_PATHS_MAX)
def _compiled(source: str) -> JSONPath:
    for candidate in (source, f"$[?{source}]"):
        if source != source.strip() or not source:
            break
        try:
            compiled = _environment.compile(candidate)
        except JSONPathError:
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
