"""The names that every Ale program may use. All pure; none sees a clock or randomness."""

import operator
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import reduce
from itertools import count, islice
from typing import Any

from workflows.flows.languages import allowance
from workflows.flows.languages.ale.arity import applied, check_lookup
from workflows.flows.languages.ale.lookup import (
    by_keyword,
    get,
    get_or,
    has_items,
    lacking,
    nth,
    sliced,
)
from workflows.flows.languages.ale.numerics import (
    chain,
    divided,
    minus,
    modulo,
    number,
    plus,
    times,
)
from workflows.flows.languages.ale.values import (
    NULL,
    AleError,
    Chained,
    Keyword,
    Lazy,
    List,
    Pair,
    Symbol,
    charged,
    collected,
    first_counts,
    items_of,
    key_text,
    keyed,
    printed,
    same,
    type_name,
)

TEXT_CHARS_MAX = 1 << 20

Call = Callable[..., Any]


def is_true(value: Any) -> bool:
    """Return whether a condition holds: everything but false does."""
    return value is not False


def call(function: Any, *arguments: Any) -> Any:
    """Apply whatever can be applied: procedures, keywords, objects, vectors, numbers.

    :raises AleError: if it cannot.
    """
    allowance.tick()
    if isinstance(function, _LOOKING_UP):
        check_lookup(len(arguments))
    match function:
        case Keyword():
            return by_keyword(function, *arguments)
        case Mapping():
            return get_or(function, *arguments, missing=NULL)
        case bool() | Symbol():
            raise lacking(function, "data.Procedure", "Call")
        case int():
            return nth(arguments[0], function, *(arguments[1:] or (NULL,)))
        case tuple() | Lazy():
            return sliced(collected(function), *arguments)
        case str() | bytes():
            return sliced(function, *arguments)
        case _ if callable(function):
            return applied(function, arguments)
        case _:
            raise lacking(function, "data.Procedure", "Call")


_LOOKING_UP = (Keyword, Mapping, int, tuple, Lazy, str, bytes)


def _all_same(first: Any, *rest: Any) -> bool:
    return all(same(first, other) for other in rest)


def _joined(*values: Any) -> str:
    text = "".join(printed(value, quoted=False) for value in values if not is_null(value))
    return _short(text)


def _short(text: str) -> str:
    if len(text) > TEXT_CHARS_MAX:
        raise AleError(f"string too long: more than {TEXT_CHARS_MAX} characters")
    return text


def named(value: Any) -> str:
    """Return a text, or how a value is printed, as a name. Raises AleError if it is too long."""
    return _short(charged(str(value)) if isinstance(value, str) else printed(value))


def is_null(value: Any) -> bool:
    return isinstance(value, List) and not value


def _length(value: Any) -> int:
    if not has_items(value):
        raise lacking(value, "data.Counted", "Count")
    return sum(1 for _ in items_of(value))


def _first(value: Any) -> Any:
    return next(iter(items_of(value)), NULL)


def _rest(value: Any) -> Any:
    if isinstance(value, str | bytes) and not isinstance(value, Symbol | Keyword):
        return charged(value[1:])
    if isinstance(value, Chained):
        return value.tail
    if isinstance(value, Lazy):
        return Lazy(islice(iter(value), 1, None))
    items = collected(value)[1:]
    return List(items) if isinstance(value, List) else items


def _cons(item: Any, sequence: Any) -> Any:
    if isinstance(sequence, Lazy):
        return Chained(item, sequence)
    if isinstance(sequence, List):
        return List((item, *collected(sequence)))
    if not has_items(sequence):
        return Pair((item, sequence))
    return _joined(item, sequence) if isinstance(sequence, str) else (item, *collected(sequence))


def _append(sequence: Any, *items: Any) -> Any:
    if isinstance(sequence, str) and not isinstance(sequence, Symbol | Keyword):
        return _joined(sequence, *items)
    if not isinstance(sequence, tuple | Lazy) or isinstance(sequence, List | Pair):
        raise lacking(sequence, "data.Appender", "Append")
    return (*collected(sequence), *items)


def _reverse(sequence: Any) -> Any:
    if not has_items(sequence):
        raise lacking(sequence, "data.Reverser", "Car")
    items = charged(sequence) if isinstance(sequence, str | bytes) else collected(sequence)
    return List(items[::-1]) if isinstance(sequence, List) else items[::-1]


def _last(value: Any) -> Any:
    items = collected(value)
    return items[-1] if items else NULL


def _conj(target: Any, *values: Any) -> Any:
    if isinstance(target, List):
        return List((*reversed(values), *target))
    if isinstance(target, Mapping):
        return _assoc(target, *values)
    return (*collected(target), *values)


def _mapper(target: Any) -> Mapping[Any, Any]:
    if not isinstance(target, Mapping):
        raise lacking(target, "data.Mapper", "Get" if has_items(target) else "Car")
    return target


def _assoc(target: Any, *pairs: Any) -> dict[Any, Any]:
    target = _mapper(target)
    return charged({**target, **dict(_paired(pair) for pair in pairs)})


def _paired(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple):
        name = type_name(value)
        raise AleError(f"interface conversion: {name} is not data.Pair: missing method Car")
    return keyed(value[0]), value[1]


def _dissoc(target: Any, *keys: Any) -> dict[Any, Any]:
    members = _mapper(target).items()
    return charged({k: value for k, value in members if not any(same(k, key) for key in keys)})


def _object(*parts: Any) -> dict[Any, Any]:
    if len(parts) % 2:
        raise AleError("map does not contain an even number of elements")
    return first_counts(zip(parts[::2], parts[1::2], strict=True))


def _map(function: Any, *sequences: Any) -> Lazy:
    rows = zip(*(items_of(one) for one in sequences), strict=False)
    return Lazy(call(function, *row) for row in rows)


def _filter(function: Any, sequence: Any) -> Lazy:
    return Lazy(item for item in items_of(sequence) if is_true(call(function, item)))


def _reduce(function: Any, *rest: Any) -> Any:
    items = items_of(rest[-1])
    if len(rest) > 1:
        start = rest[0]
    else:
        start = next(items, _NOTHING)
        if start is _NOTHING:
            return call(function)
    return reduce(lambda a, b: call(function, a, b), items, start)


_NOTHING = object()


def _apply(function: Any, *rest: Any) -> Any:
    if not has_items(rest[-1]):
        LIBRARY["assert-type"](Keyword("sequence"), rest[-1])
    return call(function, *rest[:-1], *collected(rest[-1]))


def _range(*bounds: Any) -> Lazy:
    """From zero or a first, up to a last or down to it: without a step, whichever way it is."""
    start, end, *steps = bounds if len(bounds) > 1 else (0, *(bounds or (None,)))
    end = None if end is None or is_null(end) else number(end)
    [step] = steps or [1 if end is None or end > number(start) else -1]
    return Lazy(_counted(number(start), end, number(step)))


def _counted(start: Any, end: Any, step: Any) -> Iterator[Any]:
    for index in count():
        value = start + index * step
        if end is not None and (value >= end if step > 0 else value <= end):
            return
        yield value


def _concat(*sequences: Any) -> Lazy:
    return Lazy(item for one in sequences for item in items_of(one))


def _index_of(sequence: Any, wanted: Any) -> Any:
    return next((i for i, item in enumerate(items_of(sequence)) if same(item, wanted)), False)


def _comp(*functions: Any) -> Call:
    *outer, inner = functions or (lambda value: value,)

    def composed(*arguments: Any) -> Any:
        found = call(inner, *arguments)
        return reduce(lambda value, function: call(function, value), reversed(outer), found)

    return composed


def _partial(function: Any, *bound: Any) -> Call:
    return lambda *arguments: call(function, *bound, *arguments)


def _juxt(*functions: Any) -> Call:
    return lambda *arguments: tuple(call(function, *arguments) for function in functions)


def _every(holds: Call) -> Call:
    return lambda first, *rest: all(map(holds, (first, *rest)))


def _is(*types: type) -> Call:
    return _every(lambda value: isinstance(value, types))


def _is_number(*values: Any) -> bool:
    return all(isinstance(v, int | float | Fraction) and not isinstance(v, bool) for v in values)


def _is_text(*values: Any) -> bool:
    return all(isinstance(v, str) and not isinstance(v, Symbol | Keyword) for v in values)


def _taken(amount: Any, sequence: Any) -> Lazy:
    return Lazy(islice(items_of(sequence), int(amount)))


def _dropped(amount: Any, sequence: Any) -> Lazy:
    return Lazy(islice(items_of(sequence), int(amount), None))


LIBRARY: dict[str, Any] = {
    "+": plus,
    "-": minus,
    "*": times,
    "/": divided,
    "mod": modulo,
    "modulo": modulo,
    "<": chain(operator.lt),
    ">": chain(operator.gt),
    "<=": chain(operator.le),
    ">=": chain(operator.ge),
    "=": chain(operator.eq),
    "!=": lambda first, *rest: not chain(operator.eq)(first, *rest),
    "eq": _all_same,
    "!eq": lambda *values: not _all_same(*values),
    "not": lambda value: value is False,
    "inc": lambda value: number(value) + 1,
    "dec": lambda value: number(value) - 1,
    "str": _joined,
    "str!": lambda *values: _short(" ".join(printed(value) for value in values)),
    "length": _length,
    "count": _length,
    "first": _first,
    "car": _first,
    "rest": _rest,
    "cdr": _rest,
    "last": _last,
    "nth": nth,
    "get": get,
    "assoc": _assoc,
    "dissoc": _dissoc,
    "conj": _conj,
    "cons": _cons,
    "append": _append,
    "reverse": _reverse,
    "list": lambda *items: List(charged(items)),
    "vector": lambda *items: charged(items),
    "object": _object,
    "keys": lambda target: charged(tuple(target)),
    "vals": lambda target: charged(tuple(target.values())),
    "sym": lambda name: Symbol(named(name)),
    "keyword": lambda name: Keyword(key_text(name)),
    "map": _map,
    "filter": _filter,
    "reduce": _reduce,
    "fold-left": _reduce,
    "foldl": _reduce,
    "apply": _apply,
    "range": _range,
    "take": _taken,
    "drop": _dropped,
    "concat": _concat,
    "seq->vector": lambda *sequences: collected(_concat(*sequences)),
    "seq->list": lambda *sequences: List(collected(_concat(*sequences))),
    "seq->object": lambda *sequences: _object(*collected(_concat(*sequences))),
    "index-of": _index_of,
    "identity": lambda value: value,
    "constantly": lambda value: lambda *_: value,
    "comp": _comp,
    "partial": _partial,
    "juxt": _juxt,
    "null?": lambda *values: all(map(is_null, values)),
    "empty?": _every(lambda value: next(iter(items_of(value)), None) is None),
    "true?": _every(lambda value: value is True),
    "false?": _every(lambda value: value is False),
    "boolean?": _is(bool),
    "number?": _is_number,
    "integer?": lambda *values: _is_number(*values) and _is(int)(*values),
    "string?": _is_text,
    "keyword?": _is(Keyword),
    "symbol?": _is(Symbol),
    "list?": _is(List),
    "vector?": lambda *v: all(isinstance(x, tuple) and not isinstance(x, List | Pair) for x in v),
    "object?": _is(Mapping),
    "seq?": _every(
        lambda value: (
            isinstance(value, tuple | Lazy | Mapping)
            or (isinstance(value, str) and not isinstance(value, Symbol | Keyword))
        )
    ),
    "zero?": _every(lambda value: number(value) == 0),
    "pos?": _every(lambda value: number(value) > 0),
    "neg?": _every(lambda value: number(value) < 0),
    "even?": _every(lambda value: number(value) % 2 == 0),
    "odd?": _every(lambda value: number(value) % 2 == 1),
}
