"""Predicates, each with its negation, and what combines sequences: more of the library."""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product, takewhile
from typing import Any

from workflows.flows.languages.ale.library import LIBRARY, call, is_true
from workflows.flows.languages.ale.values import (
    NULL,
    AleError,
    Form,
    Keyword,
    Lazy,
    List,
    Pair,
    Promise,
    Raised,
    Symbol,
    charged,
    collected,
    items_of,
    printed,
    same,
    set_of,
)

Predicate = Callable[[Any], bool]


def _is_vector(value: Any) -> bool:
    return isinstance(value, tuple) and not isinstance(value, List | Pair)


def _is_string(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Symbol | Keyword)


def _is_atom(value: Any) -> bool:
    return not isinstance(value, tuple | Lazy | Mapping | frozenset) or value == NULL


def _is_float(value: Any, holds: Predicate) -> bool:
    return isinstance(value, float) and holds(value)


_ENCODED = frozenset(
    {"if", "lambda", "let", "let-rec", "quote", "define*", "eval", "import", "macroexpand-1"}
)
"""The special forms of the original's compiler. All its other forms are macros."""

_PREDICATES: dict[str, Predicate] = {
    "any?": lambda _value: True,
    "appendable?": lambda value: _is_vector(value) or _is_string(value),
    "atom?": _is_atom,
    "cons?": lambda value: isinstance(value, Pair),
    "counted?": lambda value: isinstance(value, tuple | Mapping | str),
    "indexed?": lambda value: _is_vector(value) or isinstance(value, List) or _is_string(value),
    "inf?": lambda value: _is_float(value, lambda v: v == math.inf),
    "-inf?": lambda value: _is_float(value, lambda v: v == -math.inf),
    "local?": lambda value: isinstance(value, Symbol) and "/" not in value,
    "mapped?": lambda value: isinstance(value, Mapping),
    "mapper?": lambda value: isinstance(value, Mapping),
    "nan?": lambda value: _is_float(value, math.isnan),
    "pair?": lambda value: isinstance(value, Pair) or (isinstance(value, tuple) and bool(value)),
    "bytes?": lambda value: isinstance(value, bytes),
    "macro?": lambda value: isinstance(value, Form) and value.name not in _ENCODED,
    "procedure?": lambda value: callable(value) or isinstance(value, Keyword),
    "promise?": lambda value: isinstance(value, Promise),
    "promise-forced?": lambda value: isinstance(value, Promise) and value.is_resolved,
    "resolved?": lambda value: isinstance(value, Promise) and value.is_resolved,
    "special?": lambda value: isinstance(value, Form) and value.name in _ENCODED,
    "qualified?": lambda value: isinstance(value, Symbol) and "/" in value,
    "reversible?": lambda value: isinstance(value, tuple) or _is_string(value),
    "set?": lambda value: isinstance(value, frozenset),
}


def _every(holds: Callable[..., Any]) -> Callable[..., bool]:
    return lambda *values: all(is_true(holds(value)) for value in values)


def _none(holds: Callable[..., Any]) -> Callable[..., bool]:
    return lambda *values: all(not is_true(holds(value)) for value in values)


def _zip(*sequences: Any) -> Lazy:
    return Lazy(List(charged(row)) for row in zip(*map(items_of, sequences), strict=False))


def _mapcat(function: Any, *sequences: Any) -> Lazy:
    rows = zip(*map(items_of, sequences), strict=False)
    return Lazy(item for row in rows for item in items_of(call(function, *row)))


def _cartesian(*sequences: Any) -> Lazy:
    return Lazy(List(charged(row)) for row in product(*map(items_of, sequences)))


def _take_while(holds: Any, sequence: Any) -> Lazy:
    return Lazy(takewhile(lambda item: is_true(call(holds, item)), items_of(sequence)))


def _fold_right(function: Any, *rest: Any) -> Any:
    def swapped(left: Any, right: Any) -> Any:
        return call(function, right, left)

    return LIBRARY["fold-left"](swapped, *rest[:-1], collected(rest[-1])[::-1])


def _seq(value: Any) -> Any:
    """Return what has elements, and false for everything else."""
    has_some = LIBRARY["seq?"](value) or isinstance(value, str)
    return value if has_some and next(items_of(value), _END) is not _END else False


def _seq_demanded(value: Any) -> Any:
    if not LIBRARY["seq?"](value) and not isinstance(value, str):
        raise Raised(f"value can't act as a sequence: {printed(value)}")
    return _seq(value)


_END = object()


def _partition(amount: Any, *rest: Any) -> Lazy:
    step, items = int(rest[0]) if len(rest) > 1 else int(amount), collected(rest[-1])
    if step < 1:
        raise AleError("a partition needs a step")
    starts = range(0, len(items), step)
    return Lazy(List(charged(items[start : start + int(amount)])) for start in starts)


def _contains(target: Any, key: Any) -> bool:
    if not isinstance(target, Mapping):
        return any(same(item, key) for item in items_of(target))
    return any(same(known, key) for known in target)


def _part(path: str) -> Callable[[Any], Any]:
    """Return `cadr` and its like: the letters between c and r, the last one first."""

    def take(value: Any) -> Any:
        for letter in reversed(path):
            value = LIBRARY["car" if letter == "a" else "cdr"](value)
        return value

    return take


def _parts() -> Iterator[tuple[str, Any]]:
    for length in (2, 3, 4):
        for letters in product("ad", repeat=length):
            path = "".join(letters)
            yield f"c{path}r", _part(path)


def _mute(*_values: Any) -> Any:
    raise AleError("name is not bound in namespace: *out*")


LIBRARY.update(_parts())
LIBRARY.update({name: _every(holds) for name, holds in _PREDICATES.items()})
LIBRARY.update(
    {f"!{name}": _none(holds) for name, holds in tuple(LIBRARY.items()) if name.endswith("?")}
)
LIBRARY.update(
    {
        "cartesian-product": _cartesian,
        "contains?": _contains,
        "fold-right": _fold_right,
        "fold-right!": _fold_right,
        "foldr": _fold_right,
        "map!": lambda function, sequence: List(call(function, x) for x in items_of(sequence)),
        "mapcat": _mapcat,
        "no-op": lambda *_values: NULL,
        "partition": _partition,
        "seq": _seq,
        "seq!": _seq_demanded,
        "length!": LIBRARY["length"],
        "last!": LIBRARY["last"],
        "nth!": LIBRARY["nth"],
        "reverse!": LIBRARY["reverse"],
        "append*": LIBRARY["append"],
        "assoc*": LIBRARY["assoc"],
        "conj*": LIBRARY["conj"],
        "dissoc*": LIBRARY["dissoc"],
        "concat!": lambda *sequences: List(collected(LIBRARY["concat"](*sequences))),
        "cons*": lambda sequence, *items: (*reversed(items), *collected(sequence)),
        "+inf": math.inf,
        "-inf": -math.inf,
        "nan": math.nan,
        "null": NULL,
        "true": True,
        "false": False,
        "*pos-inf*": math.inf,
        "*neg-inf*": -math.inf,
        "seq->set": lambda sequence: set_of(items_of(sequence)),
        "set": lambda *items: set_of(items),
        "take-while": _take_while,
        "zip": _zip,
        # They compile, and find nowhere to write to: a script has no output but its value.
        "pr": _mute,
        "print": _mute,
        "println": _mute,
        "prn": _mute,
    }
)
