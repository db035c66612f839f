"""What Ale computes with, and how it looks in JSON and in print.

Integers, floats and ratios are Python's; strings too. Null is the empty list. Only false
is false.
"""

import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from fractions import Fraction
from itertools import islice
from typing import Any, TypeVar

from workflows.flows.languages import allowance

SEQUENCE_ITEMS_MAX = 100_000
ITEM_COST = 4
"""What an element of a list counts for beside a character."""
DEPTH_MAX = 64
_INTEGER_MAX = 2**63 - 1
_EXACT_MAX = 2**53 - 1

S = TypeVar("S", bound=Sized)


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
            allowance.tick()
            allowance.made(ITEM_COST)
            self._made.append(item)
            if len(self._made) > SEQUENCE_ITEMS_MAX:
                raise AleError(f"sequence too long: more than {SEQUENCE_ITEMS_MAX} items")
            yield item


class Chained(Lazy):
    """An item before a sequence that is not made yet."""

    def __init__(self, head: Any, tail: Lazy) -> None:
        super().__init__(self._items())
        self.head, self.tail = head, tail

    def _items(self) -> Iterator[Any]:
        yield self.head
        yield from self.tail


class Promise:
    """A value that is evaluated when it is first asked for, and kept."""

    __slots__ = ("_evaluate", "_value")

    def __init__(self, evaluate: Callable[[], Any]) -> None:
        self._evaluate: Callable[[], Any] | None = evaluate
        self._value: Any = None

    def __call__(self) -> Any:
        if self._evaluate is not None:
            self._value, self._evaluate = self._evaluate(), None
        return self._value

    @property
    def is_resolved(self) -> bool:
        return self._evaluate is None


class Form:
    """A special form or macro, where a value is asked for."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def items_of(value: Any) -> Iterator[Any]:
    """Yield the elements of anything that has some.

    :raises AleError: if it has none by its nature.
    """
    match value:
        case Mapping():
            return (Pair(pair) for pair in value.items())
        case str() if not isinstance(value, Symbol | Keyword):
            return iter(value)
        case tuple() | frozenset() | Lazy() | bytes():
            return iter(value)
        case _:
            # The first method of a sequence by name, as for numbers.
            name = type_name(value)
            raise AleError(f"interface conversion: {name} is not data.Sequence: missing method Car")


def collected(value: Any) -> tuple[Any, ...]:
    """Return the elements of anything that has some, all at once.

    :raises AleError: if it has none by its nature.
    """
    items = tuple(items_of(value))
    allowance.made(len(items) * ITEM_COST)
    return items


def charged(items: S) -> S:
    """Return a sequence or a text that was made, charged for by its length."""
    cost = 1 if isinstance(items, str | bytes) else ITEM_COST
    allowance.made(len(items) * cost)
    return items


def keyed(key: Any) -> Any:
    """Return a value as a key, or as a member of a set: it is walked through to be hashed.

    :raises AleError: if it is too large for that.
    """
    if type(key) not in _WITHOUT_ITEMS:
        weigh(key)
    return key


def set_of(items: Iterable[Any]) -> frozenset[Any]:
    """Return a set. Raises AleError if a member is too large."""
    return frozenset(keyed(item) for item in items)


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


def weigh(value: Any) -> None:
    """Check that a walk through `value` ends soon.

    What is shared is counted as often as it is met, for so a walk meets it: forty vectors,
    each with the one before twice, are small in memory and without end on paper.

    :raises AleError: if it has too many items, or is nested too deep.
    """
    ahead, seen = [(value, 0)], 0
    while ahead:
        allowance.tick()
        one, depth = ahead.pop()
        if type(one) is dict or isinstance(one, Mapping):
            items: Iterator[Any] = iter([part for pair in one.items() for part in pair])
        elif isinstance(one, tuple | frozenset | Lazy):
            items = iter(one)
        else:
            continue
        if depth >= DEPTH_MAX:
            raise AleError(f"value nested too deep: more than {DEPTH_MAX} levels")
        for item in items:
            seen += 1
            if seen > SEQUENCE_ITEMS_MAX:
                raise AleError(f"sequence too long: more than {SEQUENCE_ITEMS_MAX} items")
            if type(item) not in _WITHOUT_ITEMS:
                ahead.append((item, depth + 1))


_WITHOUT_ITEMS = frozenset({str, int, float, bool, type(None), Keyword, Symbol})


def to_json(value: Any) -> Any:
    """Return what a program gave as JSON. Sequences are realised.

    :raises AleError: if it is too large, or is nothing that JSON has.
    """
    weigh(value)
    return _as_json(value)


def _as_json(value: Any) -> Any:  # noqa: PLR0911 (one branch per type)
    match value:
        case bool() | None:
            return value
        case int():
            return _integer(value)
        case float():
            return _number(value)
        case str():
            return _storable(str(value))
        case Mapping():
            return {key_text(key): _as_json(item) for key, item in value.items()}
        case List() if not value:
            return None
        case Pair():
            return printed(value)
        case tuple() | Lazy():
            return [_as_json(item) for item in islice(value, SEQUENCE_ITEMS_MAX)]
        case _:
            return printed(value)


def _number(value: float) -> Any:
    if math.isnan(value):
        raise AleError("result is not a number")
    if math.isinf(value):
        return math.copysign(sys.float_info.max, value)
    return int(value) if value.is_integer() and abs(value) <= _EXACT_MAX else value


def _integer(value: int) -> Any:
    """Numbers on the wire are doubles: what they cannot count is rounded, or a text."""
    if abs(value) <= _EXACT_MAX:
        return value
    return float(value) if abs(value) <= _INTEGER_MAX else str(value)


def _storable(text: str) -> str:
    # What is shared is written, and looked at, as often as it is met.
    allowance.tick()
    allowance.made(len(text))
    if _NOT_STORABLE.search(text):
        raise AleError("result has text with a NUL or a lone surrogate")
    return text


_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


def key_text(key: Any) -> str:
    """Return a key of an object as the key of a JSON object."""
    return _storable(str(key) if isinstance(key, str) else printed(key))


def printed(value: Any, *, quoted: bool = True) -> str:
    """Return `value` as Ale prints it; strings without quotes unless `quoted`.

    :raises AleError: if it is too large.
    """
    weigh(value)
    return _shown(value, quoted=quoted)


def _shown(value: Any, *, quoted: bool = True) -> str:  # noqa: PLR0911, PLR0912 (likewise)
    match value:
        case bool():
            return "#t" if value else "#f"
        case Keyword():
            return charged(f":{value!s}")
        case Symbol():
            return charged(str(value))
        case str():
            return charged(f'"{_escaped(value)}"' if quoted else str(value))
        case float() | int() | Fraction():
            return str(value)
        case Mapping():
            shown = sorted((_shown(key), _shown(item)) for key, item in value.items())
            return "{" + " ".join(f"{key} {item}" for key, item in shown) + "}"
        case bytes():
            return "#b[" + " ".join(map(str, value)) + "]"
        case Promise():
            return "#<promise>"
        case Form():
            return f"#<{value.name}>"
        case frozenset():
            return "#{" + " ".join(_shown(item) for item in value) + "}"
        case Pair():
            return f"({_shown(value[0])} . {_shown(value[1])})"
        case List():
            return "(" + " ".join(_shown(item) for item in value) + ")"
        case tuple() | Lazy():
            return "[" + " ".join(_shown(item) for item in value) + "]"
        case _:
            return "#<function>"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


_ESCAPES = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
)


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
    (lambda v: isinstance(v, bytes), "data.Bytes"),
    (lambda v: isinstance(v, Lazy), "*sequence.Lazy"),
    (lambda v: isinstance(v, Form), "compiler.Call"),
)


def type_name(value: Any) -> str:
    """Return what the original calls the type of `value`, for its error texts."""
    return next((name for fits, name in _TYPE_NAMES if fits(value)), "data.Procedure")


def first_counts(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return an object of these pairs. Of equal keys the first counts, as in the original."""
    made: dict[Any, Any] = {}
    for key, value in pairs:
        made.setdefault(keyed(key), value)
    allowance.made(len(made) * ITEM_COST)
    return made


def same(left: Any, right: Any) -> bool:
    """Return whether two values are equal, of equal types: 5 is not 5.0.

    :raises AleError: if they are too large to be compared.
    """
    weigh(left)
    weigh(right)
    return _equal(left, right)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, Lazy) or isinstance(right, Lazy):
        # What it is of is no more than how it was made.
        is_sequence = isinstance(left, Lazy | tuple) and isinstance(right, Lazy | tuple)
        return is_sequence and _equal(tuple(left), tuple(right))
    if isinstance(left, tuple) and type(left) is type(right):
        ours, theirs = list(left), list(right)
        return len(ours) == len(theirs) and all(map(_equal, ours, theirs))
    if type(left) is not type(right):
        return False
    if isinstance(left, Mapping):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    return bool(left == right)
