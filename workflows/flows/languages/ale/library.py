"""The names that every Ale program may use. All pure; none sees a clock or luck."""

import operator
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import reduce
from itertools import count, islice, pairwise
from typing import Any

from workflows.flows.languages.ale.values import (
    NULL,
    AleError,
    Keyword,
    Lazy,
    List,
    Pair,
    Symbol,
    items_of,
    key_text,
    printed,
    same,
    type_name,
)

TEXT_CHARS_MAX = 1 << 20
INTEGER_BITS_MAX = 4096

Call = Callable[..., Any]


def is_true(value: Any) -> bool:
    """Tell whether a condition holds: everything but false does."""
    return value is not False


def call(function: Any, *arguments: Any) -> Any:
    """Apply whatever can be applied: procedures, keywords, objects, vectors, numbers.

    :raises AleError: if it cannot.
    """
    match function:
        case Keyword():
            return _by_keyword(function, *arguments)
        case Mapping():
            return get_or(function, *arguments, missing=NULL)
        case bool() | str():
            raise AleError(f"{type_name(function)} cannot be called")
        case int():
            return nth(arguments[0], function, *arguments[1:])
        case tuple() | Lazy():
            return _sliced(function, *arguments)
        case _ if callable(function):
            return function(*arguments)
        case _:
            raise AleError(f"{type_name(function)} cannot be called")


def _by_keyword(key: Keyword, target: Any, default: Any = NULL) -> Any:
    if not isinstance(target, Mapping):
        name = type_name(target)
        raise AleError(f"interface conversion: {name} is not data.Mapped: missing method Get")
    return target.get(key, default)


def get_or(target: Any, key: Any, *default: Any, missing: Any) -> Any:
    if not isinstance(target, Mapping):
        name = type_name(target)
        raise AleError(f"interface conversion: {name} is not data.Mapped: missing method Get")
    for known, value in target.items():
        if same(known, key):
            return value
    if default:
        return default[0]
    if missing is None:
        raise AleError("key not found")
    return missing


def get(target: Any, key: Any, *default: Any) -> Any:
    if isinstance(target, tuple) and isinstance(key, int):
        return nth(target, key, *default)
    return get_or(target, key, *default, missing=None)


def nth(sequence: Any, index: Any, *default: Any) -> Any:
    for item in islice(items_of(sequence), int(index), int(index) + 1):
        return item
    if default:
        return default[0]
    raise AleError(f"index out of bounds: {index}")


def _sliced(sequence: Any, start: Any, *end: Any) -> Any:
    items = tuple(items_of(sequence))
    return items[int(start) : int(end[0])] if end else items[int(start) :]


def number(value: Any, method: str = "Add") -> Any:
    """Return a number as it is.

    :raises AleError: in the words of the original, if it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        name = type_name(value)
        raise AleError(f"interface conversion: {name} is not data.Number: missing method {method}")
    return value


def _bounded(value: Any) -> Any:
    if isinstance(value, Fraction):
        value = value.numerator if value.denominator == 1 else value
    if isinstance(value, int) and value.bit_length() > INTEGER_BITS_MAX:
        raise AleError(f"number too large: more than {INTEGER_BITS_MAX} bits")
    return value


def _plus(*values: Any) -> Any:
    return _bounded(sum((number(value) for value in values), 0))


def _times(*values: Any) -> Any:
    return reduce(lambda a, b: _bounded(a * number(b, "Mul")), values, 1)


def _minus(first: Any, *rest: Any) -> Any:
    if not rest:
        return -number(first, "Sub")
    return _bounded(reduce(lambda a, b: a - number(b, "Sub"), rest, number(first, "Sub")))


def _divided(first: Any, *rest: Any) -> Any:
    values = (first, *rest) if rest else (1, first)
    return reduce(_quotient, (number(value, "Div") for value in values))


def _quotient(left: Any, right: Any) -> Any:
    if right == 0:
        raise AleError("divide by zero")
    if isinstance(left, float) or isinstance(right, float):
        return left / right
    return _bounded(Fraction(left) / Fraction(right))


def _modulo(left: Any, right: Any) -> Any:
    if number(right, "Mod") == 0:
        raise AleError("divide by zero")
    return number(left, "Mod") % right


def _chain(holds: Callable[[Any, Any], bool]) -> Call:
    def compare(*values: Any) -> bool:
        numbers = [number(value) for value in values]
        return all(holds(a, b) for a, b in pairwise(numbers))

    return compare


def _all_same(first: Any, *rest: Any) -> bool:
    return all(same(first, other) for other in rest)


def _joined(*values: Any) -> str:
    text = "".join(printed(value, quoted=False) for value in values if not is_null(value))
    if len(text) > TEXT_CHARS_MAX:
        raise AleError(f"string too long: more than {TEXT_CHARS_MAX} characters")
    return text


def is_null(value: Any) -> bool:
    return isinstance(value, List) and not value


def _length(value: Any) -> int:
    return sum(1 for _ in items_of(value))


def _first(value: Any) -> Any:
    return next(iter(items_of(value)), NULL)


def _rest(value: Any) -> Any:
    items = tuple(items_of(value))[1:]
    return List(items) if isinstance(value, List | Lazy) else items


def _last(value: Any) -> Any:
    items = tuple(items_of(value))
    return items[-1] if items else NULL


def _conj(target: Any, *values: Any) -> Any:
    if isinstance(target, List):
        return List((*reversed(values), *target))
    if isinstance(target, Mapping):
        return _assoc(target, *values)
    return (*items_of(target), *values)


def _assoc(target: Any, *pairs: Any) -> dict[Any, Any]:
    if not isinstance(target, Mapping):
        raise AleError(f"interface conversion: {type_name(target)} is not data.Mapper")
    return {**target, **{pair[0]: pair[1] for pair in pairs}}


def _dissoc(target: Any, *keys: Any) -> dict[Any, Any]:
    return {key: value for key, value in target.items() if not any(same(key, k) for k in keys)}


def _object(*parts: Any) -> dict[Any, Any]:
    if len(parts) % 2:
        raise AleError("map does not contain an even number of elements")
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _map(function: Any, *sequences: Any) -> Lazy:
    rows = zip(*(items_of(one) for one in sequences), strict=False)
    return Lazy(call(function, *row) for row in rows)


def _filter(function: Any, sequence: Any) -> Lazy:
    return Lazy(item for item in items_of(sequence) if is_true(call(function, item)))


def _reduce(function: Any, *rest: Any) -> Any:
    items = items_of(rest[-1])
    start = rest[0] if len(rest) > 1 else next(items, NULL)
    return reduce(lambda a, b: call(function, a, b), items, start)


def _apply(function: Any, *rest: Any) -> Any:
    return call(function, *rest[:-1], *items_of(rest[-1]))


def _range(*bounds: Any) -> Lazy:
    start, end, step = (0, None, 1)
    if len(bounds) == 1:
        end = bounds[0]
    elif bounds:
        start, end = bounds[0], bounds[1]
        step = bounds[2] if len(bounds) > 2 else 1  # noqa: PLR2004 (start, end, step)
    return Lazy(_counted(start, end, step))


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
    def composed(*arguments: Any) -> Any:
        inner = call(functions[-1], *arguments)
        return reduce(lambda value, function: call(function, value), functions[-2::-1], inner)

    return composed


def _partial(function: Any, *bound: Any) -> Call:
    return lambda *arguments: call(function, *bound, *arguments)


def _juxt(*functions: Any) -> Call:
    return lambda *arguments: tuple(call(function, *arguments) for function in functions)


def _is(*types: type) -> Call:
    return lambda *values: all(isinstance(value, types) for value in values)


def _is_number(*values: Any) -> bool:
    return all(isinstance(v, int | float | Fraction) and not isinstance(v, bool) for v in values)


def _is_text(*values: Any) -> bool:
    return all(isinstance(v, str) and not isinstance(v, Symbol | Keyword) for v in values)


def _taken(amount: Any, sequence: Any) -> Lazy:
    return Lazy(islice(items_of(sequence), int(amount)))


def _dropped(amount: Any, sequence: Any) -> Lazy:
    return Lazy(islice(items_of(sequence), int(amount), None))


LIBRARY: dict[str, Any] = {
    "+": _plus,
    "-": _minus,
    "*": _times,
    "/": _divided,
    "mod": _modulo,
    "<": _chain(operator.lt),
    ">": _chain(operator.gt),
    "<=": _chain(operator.le),
    ">=": _chain(operator.ge),
    "=": _chain(operator.eq),
    "!=": lambda *values: not _chain(operator.eq)(*values),
    "eq": _all_same,
    "not": lambda value: value is False,
    "inc": lambda value: number(value) + 1,
    "dec": lambda value: number(value, "Sub") - 1,
    "str": _joined,
    "str!": lambda *values: " ".join(printed(value) for value in values),
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
    "cons": lambda item, sequence: (item, *items_of(sequence)),
    "append": lambda sequence, *items: (*items_of(sequence), *items),
    "reverse": lambda sequence: tuple(items_of(sequence))[::-1],
    "list": lambda *items: List(items),
    "vector": lambda *items: tuple(items),
    "object": _object,
    "keys": tuple,
    "vals": lambda target: tuple(target.values()),
    "sym": Symbol,
    "keyword": lambda name: Keyword(key_text(name)),
    "map": _map,
    "filter": _filter,
    "reduce": _reduce,
    "apply": _apply,
    "range": _range,
    "take": _taken,
    "drop": _dropped,
    "concat": _concat,
    "seq->vector": lambda sequence: tuple(items_of(sequence)),
    "seq->list": lambda sequence: List(items_of(sequence)),
    "seq->object": lambda sequence: _object(*items_of(sequence)),
    "index-of": _index_of,
    "identity": lambda value: value,
    "constantly": lambda value: lambda *_: value,
    "comp": _comp,
    "partial": _partial,
    "juxt": _juxt,
    "null?": lambda *values: all(map(is_null, values)),
    "empty?": lambda value: next(iter(items_of(value)), None) is None,
    "true?": lambda *values: all(value is True for value in values),
    "false?": lambda *values: all(value is False for value in values),
    "boolean?": _is(bool),
    "number?": _is_number,
    "integer?": lambda *values: _is_number(*values) and _is(int)(*values),
    "string?": _is_text,
    "keyword?": _is(Keyword),
    "symbol?": _is(Symbol),
    "list?": _is(List),
    "vector?": lambda *v: all(isinstance(x, tuple) and not isinstance(x, List | Pair) for x in v),
    "object?": _is(Mapping),
    "seq?": _is(tuple, Lazy, Mapping),
    "zero?": lambda value: number(value) == 0,
    "pos?": lambda value: number(value) > 0,
    "neg?": lambda value: number(value) < 0,
    "even?": lambda value: number(value) % 2 == 0,
    "odd?": lambda value: number(value) % 2 == 1,
}
