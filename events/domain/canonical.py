"""Canonical JSON (RFC 8785): equal values have equal bytes, so that bytes can be compared."""

import hashlib
from typing import Any

import orjson
import rfc8785

from events.domain.json_pointer import pointer_to

_INTEGER_MAX = 2**53 - 1
_PLAIN_AS_IT_IS = frozenset({str, bool, type(None)})

JSON = Any
"""What `json.loads` returns. Python's types cannot say it without recursion."""


def canonical(value: JSON) -> bytes:
    """Return the canonical bytes of `value`.

    :raises ValueError: if `value` has no canonical form (NaN, integers beyond 2**53 - 1).
    """
    if _is_plain(value):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return rfc8785.dumps(value)


def filled(**members: JSON) -> dict[str, JSON]:
    """Return `members` without those that are empty: their absence says the same."""
    return {name: value for name, value in members.items() if value}


def _is_plain(value: JSON) -> bool:
    """Return whether sorted compact JSON is the canonical form already.

    Numbers with a point have another spelling, keys beyond ASCII another order.
    """
    kind = type(value)
    if kind in _PLAIN_AS_IT_IS:
        return True
    if kind is int:
        return bool(-_INTEGER_MAX <= value <= _INTEGER_MAX)
    if kind is dict:
        for key, each in value.items():
            if not (type(key) is str and key.isascii()):
                return False
            # Most values are text or small: a call for each would take longer than writing it.
            of = type(each)
            if of in _PLAIN_AS_IT_IS or (of is int and -_INTEGER_MAX <= each <= _INTEGER_MAX):
                continue
            if not _is_plain(each):
                return False
        return True
    return all(map(_is_plain, value)) if kind is list else isinstance(value, str)


def fingerprint(value: JSON) -> str:
    """Return the SHA-256 of the canonical bytes, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def first_difference(left: JSON, right: JSON, pointer: str = "") -> str | None:
    """Return the JSON pointer of the first place where the two differ, None when equal."""
    if isinstance(left, dict) and isinstance(right, dict):
        return _first_in_objects(left, right, pointer)
    if isinstance(left, list) and isinstance(right, list):
        return _first_in_lists(left, right, pointer)
    return None if canonical(left) == canonical(right) else pointer or "/"


def _first_in_objects(left: dict[str, JSON], right: dict[str, JSON], pointer: str) -> str | None:
    for key in sorted(left.keys() | right.keys()):
        here = f"{pointer}{pointer_to(key)}"
        if key not in left or key not in right:
            return here
        if found := first_difference(left[key], right[key], here):
            return found
    return None


def _first_in_lists(left: list[JSON], right: list[JSON], pointer: str) -> str | None:
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if found := first_difference(a, b, f"{pointer}/{index}"):
            return found
    if len(left) != len(right):
        return f"{pointer}/{min(len(left), len(right))}"
    return None
