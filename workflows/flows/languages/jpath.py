"""JPath: RFC 9535, and a bare filter expression for `$[?…]`.

Regular expressions run on RE2, in time linear in the text whatever the pattern.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonpath import JSONPathEnvironment, JSONPathError
from jsonpath.filter import BaseExpression, FilterQuery
from jsonpath.function_extensions import ExpressionType, FilterFunction
from jsonpath.match import JSONPathMatch
from jsonpath.path import JSONPath
from jsonpath.selectors import Filter

from ledger.expressions import patterns
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.languages import allowance

SOURCE_CHARS_MAX = 64 << 10
MATCHES_MAX = 100_000
DEPTH_MAX = 300
"""Of segments and operators within one another: each is a call of Python in each other."""
_PATHS_MAX = 10_240


# Only what visits members without naming them minds their order.
_VISITS = re.compile(r"[*?]|\.\.")

# What stands before a dot without being one: an escaped character, or a class with its dots. One
# that does not close goes to the end, so that no character is looked at for each bracket before it.
_DOT = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*(?:\]|\\?\Z)|\.", re.DOTALL)


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
            compiled = patterns.compiled(_DOT.sub(_spelt_out, pattern), text=text)
        except patterns.NoPattern:
            return False
        except patterns.TextTooLong as error:
            raise ScriptFailed(f"jpath execution error\n{error}") from error
        found = compiled.fullmatch(text) if self._is_whole else compiled.search(text)
        return found is not None


class _Node(JSONPathMatch):
    """A node that looks at the clock as it is made, and is not told where it is.

    The library writes the path of every node that it visits, which nobody here asks for.
    """

    __slots__ = ()

    def __init__(self, **parts: Any) -> None:
        allowance.tick()
        super().__init__(**parts)

    def new_child(self, obj: object, key: int | str) -> JSONPathMatch:
        return _Node(
            filter_context=self._filter_context,
            obj=obj,
            parent=self,
            parts=(key,),
            path="",
            root=self.root,
        )

    def add_child(self, *children: JSONPathMatch) -> None:
        """Keep no list of them: it is not read."""


class _Path(JSONPath):
    """A path that makes such nodes."""

    __slots__ = ()

    def finditer(self, data: Any, *, filter_context: Any = None) -> Iterable[JSONPathMatch]:
        root = _Node(
            filter_context=filter_context or {}, obj=data, parent=None, path="", parts=(), root=data
        )
        nodes: Iterable[JSONPathMatch] = (root,)
        for segment in self.segments:
            nodes = segment.resolve(nodes)
        return nodes


def _own(path: JSONPath, depth: int = 0) -> _Path:
    """Return a path of the library as one of ours, with the queries within its filters.

    :raises ValueError: if it is nested too deep to be followed.
    """
    depth += len(path.segments)
    if depth > DEPTH_MAX:
        raise ValueError("nested too deep")
    for segment in path.segments:
        for selector in segment.selectors:
            if isinstance(selector, Filter):
                _take_over(selector.expression, depth)
    return _Path(env=path.env, segments=path.segments)


def _take_over(expression: BaseExpression, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise ValueError("nested too deep")
    if isinstance(expression, FilterQuery):
        expression.path = _own(expression.path, depth)
        return
    for part in expression.children():
        _take_over(part, depth + 1)


_environment = JSONPathEnvironment(strict=True)
_environment.function_extensions["match"] = _Regex(is_whole=True)
_environment.function_extensions["search"] = _Regex(is_whole=False)


_UNREADABLE = (
    JSONPathError,
    RecursionError,
    allowance.TookTooLong,
    # Of numbers that Python cannot read, or cannot hold; of what is nested too deep.
    ValueError,
    OverflowError,
)


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
        path, visits = _compiled(source)
        with allowance.spent("jpath", seconds):
            matches = path.finditer(_sorted(document) if visits else document)
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

    :raises ScriptFailed: if there is none, or more than a script may make.
    """
    found = find(source, document, seconds=seconds)
    if not found:
        raise ScriptFailed("jpath produced no matches")
    if len(found) == 1:
        return found[0]
    with allowance.spent("jpath", seconds):
        # The same part of a document may be selected any number of times.
        allowance.made_of(found)
    return found


@lru_cache(maxsize=_PATHS_MAX)
def _compiled(source: str) -> tuple[_Path, bool]:
    """Return the path, and whether it visits members without naming them."""
    for candidate in (source, f"$[?{source}]"):
        if len(source) > SOURCE_CHARS_MAX or source != source.strip() or not source:
            break
        try:
            with allowance.watched("jpath", allowance.COMPILE_SECONDS_MAX, package="jsonpath"):
                compiled = _environment.compile(candidate)
            if isinstance(compiled, JSONPath):
                return _own(compiled), bool(_VISITS.search(candidate))
        except _UNREADABLE:
            continue
    raise ScriptBroken(f"jpath compile error: {source}")


def _sorted(document: Any) -> Any:
    """Return `document` with its members in the order in which a wildcard visits them."""
    allowance.tick()
    match document:
        case dict():
            return {key: _sorted(document[key]) for key in sorted(document)}
        case list():
            return [_sorted(item) for item in document]
        case _:
            return document
