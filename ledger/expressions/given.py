"""The variables of an expression: JSON, converted lazily to the language's types.

Only the parts of a document that the expression reads are converted.
"""

from collections.abc import Callable, Iterator
from typing import Any

from celpy.celtypes import BoolType, DoubleType, IntType, ListType, MapType, StringType

from ledger.expressions import spending
from ledger.expressions.refusals import Unanswered


class GivenList(ListType):
    """A list of JSON, whose items are converted as they are taken out."""

    def __iter__(self) -> Iterator[Any]:
        for item in list.__iter__(self):
            spending.tick()
            yield given(item)

    def __getitem__(self, index: Any) -> Any:
        return given(list.__getitem__(self, index))

    def raw(self) -> list[Any]:
        """Return the JSON that it is."""
        return list(list.__iter__(self))


class GivenMap(MapType):
    """An object of JSON, whose values are converted as they are taken out."""

    def __init__(self, members: dict[str, Any]) -> None:
        dict.update(self, members)

    def __iter__(self) -> Iterator[Any]:
        keys: Iterator[Any] = dict.__iter__(self)
        for key in keys:
            spending.tick()
            yield StringType(key)

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            MapType.__getitem__(self, key)
        return given(dict.__getitem__(self, key))

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if dict.__contains__(self, key) else default

    def raw(self) -> dict[str, Any]:
        """Return the JSON that it is."""
        return {str(key): value for key, value in super().items()}


def given(value: Any) -> Any:
    """Return a JSON value as the language has it; what is of its types already, as it is.

    :raises Unanswered: if the language has no such number.
    """
    convert = _CONVERT.get(type(value))
    return value if convert is None else convert(value)


def _integer(value: int) -> IntType:
    try:
        return IntType(value)
    except ValueError:
        raise Unanswered("an integer of more than 64 bits") from None


_CONVERT: dict[type, Callable[[Any], Any]] = {
    bool: BoolType,
    int: _integer,
    float: DoubleType,
    str: StringType,
    list: GivenList,
    dict: GivenMap,
}
