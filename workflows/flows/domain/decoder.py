"""Parses JSON as Argyll does: numbers are doubles, the last of equal keys wins.

It refuses what no event can carry: NUL, numbers beyond doubles, values nested too deep. The
message for a malformed document comes from `scanner`.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from workflows.flows.domain import scanner

DEPTH_MAX: Final = 48
"""Below what an event may have, which wraps values, and lists of items wrap them again."""

_INTEGER_MAX = 2**53 - 1
_INTEGER_DIGITS = 16
_ODD_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_NUL = "\0"


class Undecodable(Exception):
    """The message says why, in the words of Argyll's decoder if it would refuse it too."""


def first_value(raw: bytes) -> Any:
    """Return the first JSON value; whatever follows it is ignored.

    :raises Undecodable: if there is none.
    """
    return _decoded(raw, is_whole=False)


def first_members(raw: bytes) -> tuple[Any, bool]:
    """Return the first JSON value, and whether an object in it has a member twice.

    Such an object is one for `members_of`; `plain` makes an ordinary one of it.

    :raises Undecodable: if there is none.
    """
    try:
        return _decoded(raw, is_whole=False, decoder=_NOTHING_TWICE), False
    except _Twice:
        return _decoded(raw, is_whole=False, decoder=_KEEPING), True


def members_of(value: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Return the members of an object in their order, also those of a name that comes again."""
    return value.pairs if isinstance(value, _Repeating) else value.items()


def plain(value: Any) -> Any:
    """Return `value` without the repetitions: the last of equal keys wins."""
    match value:
        case list():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case _:
            return value


def only_value(raw: bytes) -> Any:
    """Return the JSON value that `raw` is.

    :raises Undecodable: if it is none, or more than one.
    """
    return _decoded(raw, is_whole=True)


def _decoded(raw: bytes, *, is_whole: bool, decoder: json.JSONDecoder | None = None) -> Any:
    text = raw.decode("utf-8", "replace").lstrip(scanner.BLANK)
    try:
        value, end = (decoder or _DECODER).raw_decode(text)
    except (json.JSONDecodeError, _NotJson):
        raise Undecodable(scanner.fault(raw, is_whole=is_whole)) from None
    except RecursionError:
        raise Undecodable(_TOO_DEEP) from None
    if is_whole and text[end:].strip(scanner.BLANK):
        raise Undecodable(scanner.fault(raw, is_whole=True))
    if text.count("[") + text.count("{") > DEPTH_MAX and _depth(value) > DEPTH_MAX:
        raise Undecodable(_TOO_DEEP)
    if _NUL in text or _ODD_ESCAPE.search(text):
        return _mended(value)
    return value


_TOO_DEEP = f"nested more than {DEPTH_MAX} levels deep"


class _NotJson(Exception):
    """A constant that Python knows and JSON does not."""


def _integer(digits: str) -> int | float:
    # The length first: int() refuses more than 4,300 digits.
    if len(digits) <= _INTEGER_DIGITS + 1 and abs(value := int(digits)) <= _INTEGER_MAX:
        return value
    return _number(digits)


def _number(digits: str) -> int | float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        shown = digits if len(digits) <= _SHOWN_MAX else f"{digits[:_SHOWN_MAX]}…"
        raise Undecodable(f"json: cannot unmarshal number {shown} into Go value of type float64")
    return int(value) if value.is_integer() and abs(value) <= _INTEGER_MAX else value


_SHOWN_MAX = 40


def _constant(_name: str) -> Any:
    raise _NotJson


class _Twice(Exception):
    """An object has a member twice."""


class _Repeating(dict[str, Any]):
    """An object that has a member twice: the last counts, `pairs` are all."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _nothing_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Twice
    return members


def _decoder(hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=hook,
        parse_int=_integer,
        parse_float=_number,
        parse_constant=_constant,
    )


_DECODER = _decoder()
_NOTHING_TWICE = _decoder(_nothing_twice)
_KEEPING = _decoder(_Repeating)


def _depth(value: Any) -> int:
    deepest = 0
    pending = [(value, 1)]
    while pending and deepest <= DEPTH_MAX:
        one, depth = pending.pop()
        if isinstance(one, dict | list):
            deepest = max(deepest, depth)
            parts = one.values() if isinstance(one, dict) else one
            pending += [(part, depth + 1) for part in parts]
    return deepest


def _mended(value: Any) -> Any:
    match value:
        case str():
            if _NUL in value:
                raise Undecodable("a text has a NUL")
            # Halves of characters become the sign for what cannot be read, as in the original.
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_mended(item) for item in value]
        case _Repeating():
            return _Repeating([(_mended(key), _mended(item)) for key, item in value.pairs])
        case dict():
            return {_mended(key): _mended(item) for key, item in value.items()}
        case _:
            return value
