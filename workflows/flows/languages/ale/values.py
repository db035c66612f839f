"""What Ale computes with, and how it looks in JSON and in print.

Integers, floats and ratios are Python's; strings too. Null is the empty list. Only false
is false.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import islice
from typing import Any

SEQUENCE_ITEMS_MAX = 100_000
_INTEGER_MAX = 2**63 - 1


class AleError(Exception):
    """The program raised, or did what cannot be done."""


class Raised(AleError):
    """The program raised it itself."""


class Symbol(str):
    """A name."""

    __slots__ = ()


class Keyword(str):
    """A name that stands for itself; printed with a colon before it."""

    __slots__ = ()


class List(tuple[Any, ...]):
    """A list, as code or as data. The empty one is null."""

    __slots__ = ()


class Pair(tuple[Any, Any]):
    """A dotted pair."""

    __slots__ = ()


NULL = List()


class Lazy:
    """A sequence that is made as far as it is asked for, and never made twice."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source
        self._made: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        yield from self._made
        for item in self._source:
            self._made.append(item)
            if len(self._made) > SEQUENCE_ITEMS_MAX:
                raise AleError(f"sequence too long: more than {SEQUENCE_ITEMS_MAX} items")
            yield item


def items_of(value: Any) -> Iterator[Any]:
    """Yield the elements of anything that has some.

    :raises AleError: if it has none by its nature.
    """
    match value:
        case Mapping():
            return (Pair(pair) for pair in value.items())
        case str() if not isinstance(value, Symbol | Keyword):
            return iter(value)
        case tuple() | frozenset() | Lazy():
            return iter(value)
        case _:
            raise AleError(f"interface conversion: {type_name(value)} is not data.Sequence")


def from_json(value: Any) -> Any:
    """Return a JSON value as Ale sees it: numbers are floats, null is the empty list."""
    match value:
        case None:
            return NULL
        case bool() | str():
            return value
        case int() | float():
            return float(value)
        case list():
            return tuple(from_json(item) for item in value)
        case _:
            return {Keyword(key): from_json(item) for key, item in value.items()}


def to_json(value: Any) -> Any:  # noqa: PLR0911 (one branch per type)
    """Return what a program gave as JSON. Sequences are realised (defect 20)."""
    match value:
        case bool() | None:
            return value
        case int():
            return value if abs(value) <= _INTEGER_MAX else str(value)
        case float():
            return int(value) if value.is_integer() else value
        case str():
            return str(value)
        case Mapping():
            return {key_text(key): to_json(item) for key, item in value.items()}
        case List() if not value:
            return None
        case tuple() | Lazy():
            return [to_json(item) for item in islice(value, SEQUENCE_ITEMS_MAX)]
        case _:
            return printed(value)


def key_text(key: Any) -> str:
    """Return a key of an object as the key of a JSON object."""
    return str(key) if isinstance(key, str) else printed(key)


def printed(value: Any, *, quoted: bool = True) -> str:  # noqa: PLR0911 (likewise)
    """Return `value` as Ale prints it; strings without quotes unless `quoted`."""
    match value:
        case bool():
            return "#t" if value else "#f"
        case Keyword():
            return f":{value!s}"
        case Symbol():
            return str(value)
        case str():
            return f'"{_escaped(value)}"' if quoted else value
        case float() | int() | Fraction():
            return str(value)
        case Mapping():
            inner = (f"{printed(key)} {printed(item)}" for key, item in value.items())
            return "{" + " ".join(inner) + "}"
        case frozenset():
            return "#{" + " ".join(printed(item) for item in value) + "}"
        case Pair():
            return f"({printed(value[0])} . {printed(value[1])})"
        case List():
            return "(" + " ".join(printed(item) for item in value) + ")"
        case tuple() | Lazy():
            return "[" + " ".join(printed(item) for item in value) + "]"
        case _:
            return "#<function>"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_TYPE_NAMES: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (lambda v: isinstance(v, bool), "data.Bool"),
    (lambda v: isinstance(v, int), "data.Integer"),
    (lambda v: isinstance(v, float), "data.Float"),
    (lambda v: isinstance(v, Fraction), "*data.Ratio"),
    (lambda v: isinstance(v, Keyword), "data.Keyword"),
    (lambda v: isinstance(v, Symbol), "data.Local"),
    (lambda v: isinstance(v, str), "data.String"),
    (lambda v: isinstance(v, List), "*data.List"),
    (lambda v: isinstance(v, tuple), "data.Vector"),
    (lambda v: isinstance(v, Mapping), "*data.Object"),
)


def type_name(value: Any) -> str:
    """Return what the original calls the type of `value`, for its error texts."""
    return next((name for fits, name in _TYPE_NAMES if fits(value)), "data.Procedure")


def same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal, of equal types: 5 is not 5.0."""
    if isinstance(left, Lazy | tuple) and isinstance(right, Lazy | tuple):
        ours, theirs = list(left), list(right)
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if type(left) is not type(right):
        return False
    if isinstance(left, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)
