"""Kinds of values by name, as `is-a` knows them, and sequences of bytes."""

from typing import Any

from workflows.flows.languages.ale.library import LIBRARY, Call, call
from workflows.flows.languages.ale.values import AleError, Keyword, Raised, printed

_BYTE_MAX = 255
_PREDICATES = {"appender": "appendable?", "reverser": "reversible?", "sequence": "seq?"}
"""Of the kinds whose predicate has another name. Of the others it is the name with a mark."""
_KINDS = frozenset(
    {
        "any", "appender", "atom", "boolean", "bytes", "cons", "counted", "indexed", "keyword",
        "list", "local", "macro", "mapped", "nan", "null", "number", "object", "pair",
        "procedure", "promise", "qualified", "resolved", "reverser", "sequence", "set",
        "special", "string", "symbol", "vector",
    }
)  # fmt: skip
_NAMED = (
    "null", "boolean", "number", "keyword", "symbol", "string", "bytes", "list", "cons",
    "vector", "object", "set", "promise", "procedure",
)  # fmt: skip
"""What a value is said to be, the first that it is."""


def _predicate(kind: Any) -> Call:
    if not isinstance(kind, Keyword) or str(kind) not in _KINDS:
        raise AleError(f"unknown predicate: {printed(kind)}")
    found: Call = LIBRARY[_PREDICATES.get(str(kind), f"{kind}?")]
    return found


def assert_kind(kind: Any, value: Any) -> Any:
    """Return `value` if it is of this kind.

    :raises Raised: if it is not.
    """
    if call(_predicate(kind), value):
        return value
    is_kind = next((name for name in _NAMED if LIBRARY[f"{name}?"](value)), "any")
    raise Raised(f"got {is_kind}, expected {kind}: {printed(value)}")


def as_bytes(*values: Any) -> bytes:
    """Return the bytes of these numbers.

    :raises AleError: if one is none of a byte.
    """
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool):
            raise AleError(f"value is not an integer: {printed(value)}")
        if not 0 <= value <= _BYTE_MAX:
            raise AleError(f"integer out of byte range: {value}")
    return bytes(values)


LIBRARY.update(
    {
        "assert-type": assert_kind,
        "bytes": as_bytes,
        "is-a": lambda kind, value: _predicate(kind)(value),
        "is-a*": _predicate,
    }
)
