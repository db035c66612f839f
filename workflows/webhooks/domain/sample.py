"""Generates sample data of an event from its schema, for test deliveries."""

from collections.abc import Callable, Mapping
from typing import Any

_STRINGS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "uuid": "00000000-0000-7000-8000-000000000000",
    "email": "someone@example.com",
    "uri": "https://example.com/",
}


def sample(schema: Mapping[str, Any]) -> Any:
    """Return a value of the shape that `schema` describes."""
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    for keyword in ("examples", "enum"):
        if schema.get(keyword):
            return schema[keyword][0]
    make = _MAKERS.get(_type_of(schema))
    return make(schema) if make else None


def _object(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: sample(part) for name, part in schema.get("properties", {}).items()}


def _array(schema: Mapping[str, Any]) -> list[Any]:
    return [sample(schema["items"])] if isinstance(schema.get("items"), dict) else []


def _number(schema: Mapping[str, Any]) -> Any:
    return schema.get("minimum", 1)


def _string(schema: Mapping[str, Any]) -> str:
    return _STRINGS.get(schema.get("format", ""), "example")


def _boolean(_: Mapping[str, Any]) -> bool:
    return False


_MAKERS: dict[str | None, Callable[[Mapping[str, Any]], Any]] = {
    "object": _object,
    "array": _array,
    "integer": _number,
    "number": _number,
    "string": _string,
    "boolean": _boolean,
}


def _type_of(schema: Mapping[str, Any]) -> str | None:
    declared = schema.get("type")
    if isinstance(declared, list):
        return next((name for name in declared if name != "null"), None)
    if declared is None and "properties" in schema:
        return "object"
    return declared
