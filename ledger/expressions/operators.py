"""The operators and functions: those of the library, with plain error messages.

An integer beside a double counts as a double. The language compares numbers of all types;
JSON has one type of number, so what an expression is given says nothing about the type that
its author had in mind.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

from celpy import celtypes, evaluation
from celpy.celtypes import BoolType, DoubleType, IntType, ListType, MapType, StringType, UintType
from celpy.evaluation import CELEvalError

from ledger.expressions import patterns, spending
from ledger.expressions.refusals import Unanswered

YES, NO = BoolType(1), BoolType(0)
Operate = Callable[[Any, Any], Any]
_WHOLE = (IntType, UintType)
_EQUALITY = frozenset({"_==_", "_!=_"})
_RECKONING = frozenset({"_+_", "_-_", "_*_", "_/_", "_%_"})


def type_name(value: Any) -> str:
    """Return what the language calls the type of a value."""
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "type")


_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (BoolType, "bool"),
    (bool, "bool"),
    (IntType, "int"),
    (UintType, "uint"),
    (DoubleType, "double"),
    (StringType, "string"),
    (celtypes.BytesType, "bytes"),
    (ListType, "list"),
    (MapType, "map"),
    (celtypes.TimestampType, "timestamp"),
    (celtypes.DurationType, "duration"),
    (type(None), "null_type"),
)


def no_overload(name: str, values: Sequence[Any]) -> Unanswered:
    kinds = ", ".join(type_name(value) for value in values)
    return Unanswered(f"found no matching overload for '{name}' applied to '({kinds})'")


def apply(name: str, operate: Callable[..., Any], *values: Any) -> Any:
    """Return what an operator or a function of the library makes of values.

    :raises Unanswered: if it makes nothing of them.
    """
    try:
        found = operate(*values)
    except ZeroDivisionError:
        raise Unanswered("modulus or divide by zero") from None
    except (ValueError, OverflowError):
        raise Unanswered("return error for overflow") from None
    except (TypeError, AttributeError):
        raise no_overload(name, values) from None
    if isinstance(found, CELEvalError):
        raise Unanswered(str(found.args[0]))
    return found


def binary(name: str, left: Any, right: Any) -> Any:
    """Return the value of an operator between two values.

    :raises Unanswered: if it has none.
    """
    if type(left) is not type(right):
        if type(left) is DoubleType and isinstance(right, _WHOLE):
            right = DoubleType(right)
        elif type(right) is DoubleType and isinstance(left, _WHOLE):
            left = DoubleType(left)
    if name in _RECKONING and (isinstance(left, BoolType) or isinstance(right, BoolType)):
        raise no_overload(name, (left, right))
    if name == "_%_" and isinstance(left, str | bytes):
        # Python would format it, as wide as the format says.
        raise no_overload(name, (left, right))
    if name in _EQUALITY:
        weigh(left)
        weigh(right)
    found = apply(name, _BINARY[name], left, right)
    if found is NotImplemented:
        raise no_overload(name, (left, right))
    return found


def weigh(value: Any) -> None:
    """Check that a walk through a value ends soon; what is shared counts as often as it is met.

    :raises Unanswered: if it has too many items.
    """
    if not isinstance(value, ListType | MapType):
        return
    ahead, seen = [value], 0
    while ahead:
        one = ahead.pop()
        spending.tick()
        # As they are kept: nothing is converted to be counted.
        items = dict.values(one) if isinstance(one, dict) else list.__iter__(one)
        seen += len(one)
        if seen > ITEMS_MAX:
            raise Unanswered(f"more than {ITEMS_MAX} items to compare")
        ahead.extend(item for item in items if isinstance(item, list | dict))


ITEMS_MAX = 100_000


def _comparing(operate: Operate) -> Operate:
    return lambda left, right: BoolType(operate(left, right))


def _ordering(operate: Operate) -> Operate:
    def order(left: Any, right: Any) -> Any:
        if isinstance(left, BoolType) is not isinstance(right, BoolType):
            raise TypeError
        return BoolType(operate(left, right))

    return order


def _plus(left: Any, right: Any) -> Any:
    if isinstance(left, ListType) and isinstance(right, ListType):
        found: Any = ListType([*left, *right])
    else:
        found = operator.add(left, right)
    if isinstance(found, str | bytes):
        spending.made(len(found))
    elif isinstance(found, list):
        spending.made_items(len(found))
    return StringType(found) if type(found) is str else found


def _within(item: Any, container: Any) -> Any:
    """Look for an item; what cannot be compared with it is not it, unless nothing can."""
    if isinstance(container, MapType):
        return BoolType(dict.__contains__(container, item))
    if not isinstance(container, ListType):
        raise TypeError
    failure: Unanswered | None = None
    for one in container:
        try:
            if binary("_==_", one, item):
                return YES
        except Unanswered as unanswered:
            failure = unanswered
    if failure is not None:
        raise failure
    return NO


_BINARY: dict[str, Operate] = {
    "_<_": _ordering(operator.lt),
    "_<=_": _ordering(operator.le),
    "_>_": _ordering(operator.gt),
    "_>=_": _ordering(operator.ge),
    "_==_": _comparing(operator.eq),
    "_!=_": _comparing(operator.ne),
    "_in_": _within,
    "_+_": _plus,
    "_-_": operator.sub,
    "_*_": operator.mul,
    "_/_": operator.truediv,
    "_%_": operator.mod,
}


def negated(value: Any) -> Any:
    """Return `-value`."""
    return apply("-_", operator.neg, value)


def item_of(container: Any, index: Any) -> Any:
    """Return one item of a list by its index, or of a map by its key.

    :raises Unanswered: if there is none.
    """
    if type(index) is DoubleType and index.is_integer():
        index = apply("_[_]", IntType, int(index))
    if isinstance(container, ListType) and isinstance(index, _WHOLE):
        if not 0 <= index < len(container):
            raise Unanswered("invalid_argument")
        return container[index]
    if isinstance(container, MapType) and MapType.valid_key_type(index):
        if not dict.__contains__(container, index):
            raise Unanswered("no such key")
        return container[index]
    raise no_overload("_[_]", (container, index))


def _type(value: Any) -> Any:
    for kind in (ListType, MapType):
        if isinstance(value, kind):
            return kind
    return celtypes.TypeType(value)


TYPES: dict[str, Any] = {
    name: evaluation.base_functions[name]
    for name in (
        "bool", "bytes", "double", "duration", "int", "list", "map", "null_type", "string",
        "timestamp", "type", "uint",
    )
}  # fmt: skip


def _string(value: Any) -> Any:
    # The language has no text of them; the library gives Python's, without end on what is shared.
    if isinstance(value, ListType | MapType | type) or value is None:
        raise TypeError
    return StringType(value)


def _matches(text: str, pattern: str) -> Any:
    try:
        return BoolType(patterns.compiled(pattern, text=text).search(text) is not None)
    except patterns.NoPattern:
        raise Unanswered("match error") from None
    except patterns.TextTooLong as error:
        raise Unanswered(str(error)) from None


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: each for name, each in evaluation.base_functions.items() if name.isalpha()},
    "matches": _matches,
    "string": _string,
    "type": _type,
}
