"""What is where: members by their keys, items by their indices, parts by their bounds."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from workflows.flows.languages.ale.values import (
    NULL,
    AleError,
    Keyword,
    Lazy,
    Symbol,
    charged,
    items_of,
    same,
    type_name,
)


def has_items(value: Any) -> bool:
    """Return whether a value is a sequence."""
    if isinstance(value, str):
        return not isinstance(value, Symbol | Keyword)
    return isinstance(value, tuple | frozenset | Lazy | Mapping | bytes)


def lacking(value: Any, interface: str, method: str) -> AleError:
    """Return what the original says of a value that cannot do what is asked of it."""
    name = type_name(value)
    return AleError(f"interface conversion: {name} is not {interface}: missing method {method}")


def by_keyword(key: Keyword, target: Any, default: Any = NULL) -> Any:
    """Look up what a keyword that is called asks for."""
    if not isinstance(target, Mapping):
        raise lacking(target, "data.Mapped", "Get")
    return target.get(key, default)


def get_or(target: Any, key: Any, *default: Any, missing: Any) -> Any:
    """Return what is under a key; else the default, or what is `missing`.

    :raises AleError: if there is neither.
    """
    if not isinstance(target, Mapping):
        raise lacking(target, "data.Mapped", "Get")
    for known, value in target.items():
        if same(known, key):
            return value
    if default:
        return default[0]
    if missing is None:
        raise AleError("key not found")
    return missing


def get(target: Any, key: Any, *default: Any) -> Any:
    """Return what is under a key, or the default. Raises AleError if there is neither."""
    return get_or(target, key, *default, missing=None)


def nth(sequence: Any, index: Any, *default: Any) -> Any:
    """Return an item by its index, or the default. Raises AleError if there is neither."""
    if not has_items(sequence):
        raise lacking(sequence, "data.Indexed", "ElementAt")
    if isinstance(index, bool) or not isinstance(index, int | float) or index != int(index):
        raise AleError(f"interface conversion: ale.Value is {type_name(index)}, not data.Integer")
    if index >= 0:
        for item in islice(items_of(sequence), int(index), int(index) + 1):
            return item
    if default:
        return default[0]
    raise AleError("index out of bounds")


def sliced(items: Any, start: Any, *end: Any) -> Any:
    """Return a part of a sequence, as the sequence gives it when it is called."""
    first, last = int(start), int(end[0]) if end else len(items)
    if not 0 <= first <= last <= len(items):
        if end:
            raise AleError(f"{first} and {last} are not valid start/end indices")
        raise AleError(f"{first} is an invalid start index")
    return charged(items[first:last])
