"""Checks the types in a request body, with the messages that Argyll's clients know.

Argyll's server decodes JSON into typed structs and shows its decoder's own message. Unknown
members are ignored and null stands for absent, as there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from events.domain.json_pointer import pointer_to
from workflows.flows.domain.decoder import members_of
from workflows.flows.domain.errors import MalformedRequest


@dataclass(frozen=True, slots=True)
class Scalar:
    """A JSON string, number or boolean; `go_type` is how the original calls it."""

    kind: str
    go_type: str


@dataclass(frozen=True, slots=True)
class Anything:
    """No type is demanded."""


@dataclass(frozen=True, slots=True)
class ListOf:
    item: "Shape"
    go_type: str


@dataclass(frozen=True, slots=True)
class MapOf:
    item: "Shape"
    go_type: str


@dataclass(frozen=True, slots=True)
class Struct:
    name: str
    fields: Mapping[str, "Shape"]


Shape = Scalar | Anything | ListOf | MapOf | Struct

_INTEGER_END = 2**63

ANYTHING = Anything()
TEXT = Scalar("string", "string")
INTEGER = Scalar("number", "int")
INTEGER_64 = Scalar("number", "int64")
FLAG = Scalar("bool", "bool")


def check(document: Any, shape: Struct) -> dict[str, Any]:
    """Return `document` if it has this shape; a null among texts is an empty one, as there.

    :raises MalformedRequest: with the message of the original's JSON decoder.
    """
    _check(document, shape, struct=None, path=())
    return dict(_without_nulls(document, shape) or {})


_EMPTY = {"string": "", "number": 0, "bool": False}


def _without_nulls(value: Any, shape: Shape) -> Any:
    """Return `value` with what its lists and maps have null in place of scalars."""
    match shape:
        case _ if value is None:
            return None
        case ListOf(item=Scalar(kind=kind)):
            return [_EMPTY[kind] if item is None else item for item in value]
        case MapOf(item=Scalar(kind=kind)):
            return {key: _EMPTY[kind] if item is None else item for key, item in value.items()}
        case Struct(fields=fields):
            return {
                key: _without_nulls(member, fields[key]) if key in fields else member
                for key, member in value.items()
            }
        case _:
            return value


def _check(value: Any, shape: Shape, *, struct: str | None, path: tuple[str, ...]) -> None:
    if value is None or isinstance(shape, Anything):
        return
    kind = kind_of(value)
    if kind != _expected_kind(shape):
        raise _mismatch(kind, _go_type(shape), struct, path)
    match shape:
        case Scalar(kind="number", go_type=go_type) if not _is_whole(value):
            raise _mismatch(f"number {value}", go_type, struct, path)
        case ListOf(item=item):
            for index, element in enumerate(value):
                _check(element, item, struct=struct, path=(*path, str(index)))
        case MapOf(item=item):
            for key, element in value.items():
                _check(element, item, struct=struct, path=(*path, key))
        case Struct(name=name, fields=fields):
            for key in value:  # In the order of the document: the first mismatch is told.
                if key in fields:
                    _check(value[key], fields[key], struct=struct or name, path=(*path, key))


def in_their_case(document: Any, shape: Shape) -> Any:
    """Return `document` with its members named as `shape` names them, whatever their letter case.

    The original's decoder takes "ID" for "id". Members that it takes for the same are decoded
    one after the other into the same field, as Go's encoding/json does: an object adds to what is
    there, the members of a map replace those of the same key, a null leaves a text, a number or a
    flag as it is and empties the rest, and everything else is replaced. Keys of maps are data and
    stay as they are.
    """
    return _decoded_into(None, document, shape)


def _decoded_into(known: Any, value: Any, shape: Shape) -> Any:
    """Return what a field that holds `known` holds once `value` is decoded into it."""
    match shape:
        case Struct(fields=fields) if isinstance(value, dict):
            named: dict[str, Any] = dict(known or {})
            for key, member in members_of(value):
                name = key if key in fields else _folded(key)
                if name in fields and _is_sound(named.get(name), fields[name]):
                    # To the end, where a mismatch stands in the document.
                    named[name] = _decoded_into(named.pop(name, None), member, fields[name])
            return named
        case MapOf(item=item) if isinstance(value, dict):
            entries: dict[str, Any] = dict(known or {})
            for key, member in members_of(value):
                if _is_sound(entries.get(key), item):
                    entries.pop(key, None)
                    entries[key] = _decoded_into(None, member, item)
            return entries
        case ListOf(item=Scalar()) if known and isinstance(value, list):
            kept = known[: len(value)] + [None] * (len(value) - len(known))
            return [old if new is None else new for old, new in zip(kept, value, strict=True)]
        case Scalar() if value is None:
            return known
        case _:
            return value


def _folded(name: str) -> str:
    # As Go folds it; the long s is the one letter that Python leaves in lower case.
    return name.lower().replace("\N{LATIN SMALL LETTER LONG S}", "s")


def _is_sound(value: Any, shape: Shape) -> bool:
    """Return whether `value` has this shape; one that has not stays, for its mismatch is told."""
    if value is None:
        return True
    try:
        _check(value, shape, struct=None, path=())
    except MalformedRequest:
        return False
    return True


def unknown_members(document: Any, shape: Shape, pointer: str = "") -> list[str]:
    """Return a JSON pointer to each member of a document that `check` ignores."""
    found: list[str] = []
    for key, member in document.items() if isinstance(document, dict) else ():
        here = f"{pointer}{pointer_to(key)}"
        match shape:
            case Struct(fields=fields) if key not in fields:
                found.append(here)
            case Struct(fields=fields):
                found += unknown_members(member, fields[key], here)
            case MapOf(item=item):
                found += unknown_members(member, item, here)
    return found


def _is_whole(value: float) -> bool:
    return float(value).is_integer() and abs(value) < _INTEGER_END


def _expected_kind(shape: Scalar | ListOf | MapOf | Struct) -> str:
    match shape:
        case Scalar(kind=kind):
            return kind
        case ListOf():
            return "array"
        case MapOf() | Struct():
            return "object"


def _go_type(shape: Scalar | ListOf | MapOf | Struct) -> str:
    return f"api.{shape.name}" if isinstance(shape, Struct) else shape.go_type


def kind_of(value: Any) -> str:
    """Return the kind of a JSON value other than null, as the original's decoder calls it."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _mismatch(
    kind: str, go_type: str, struct: str | None, path: tuple[str, ...]
) -> MalformedRequest:
    if struct is None:
        return MalformedRequest(f"json: cannot unmarshal {kind} into Go value of type {go_type}")
    field = ".".join((struct, *path))
    return MalformedRequest(
        f"json: cannot unmarshal {kind} into Go struct field {field} of type {go_type}",
        pointer=pointer_to(*path),
    )
