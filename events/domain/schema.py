"""JSON Schema compiled to plain functions, for the keywords that event schemas use.

jsonschema takes 30 µs for six properties, a tenth of a commit, and an event is checked each
time it is emitted; this takes 1 µs. It says yes or no, jsonschema remains the judge who says
why. A schema with any other keyword is left to jsonschema altogether.
"""

import re
from collections.abc import Callable
from operator import ge, le
from typing import Any

Predicate = Callable[[Any], bool]
"""Of plain JSON, as orjson reads it: subclasses of its types are not known here."""

ANNOTATIONS = frozenset(
    {"$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated"}
    | {"readOnly", "writeOnly", "format"}
)


class NotCompilable(Exception):
    """The schema says something that only jsonschema understands."""


def compiled(schema: Any) -> Predicate:
    """Return the function that says whether plain JSON satisfies `schema`.

    :raises NotCompilable: if the schema uses a keyword beyond those known here.
    """
    if isinstance(schema, bool):
        return _always if schema else _never
    told = {word for word in schema if word not in ANNOTATIONS and not word.startswith("x-")}
    if not told <= _KEYWORDS.keys():
        raise NotCompilable(sorted(told - _KEYWORDS.keys()))
    # In the order of the table, and once for the three that make one function together.
    makers = dict.fromkeys(maker for word, maker in _KEYWORDS.items() if word in told)
    return _all_of([maker(schema) for maker in makers])


def _all_of(parts: list[Predicate]) -> Predicate:
    match parts:
        case []:
            return _always
        case [only]:
            return only
        case [first, second]:
            return lambda value: first(value) and second(value)
        case _:
            return lambda value: all(part(value) for part in parts)


def _type(schema: dict[str, Any]) -> Predicate:
    wanted = schema["type"]
    names = [wanted] if isinstance(wanted, str) else wanted
    exact = {type_ for name in names for type_ in _TYPES[name]}
    if "integer" in names and "number" not in names:
        # 1.0 is an integer to JSON Schema.
        return lambda value: type(value) in exact or (type(value) is float and value.is_integer())
    return lambda value: type(value) in exact


def _object(schema: dict[str, Any]) -> Predicate:
    required = tuple(schema.get("required", ()))
    known = {name: compiled(sub) for name, sub in schema.get("properties", {}).items()}
    other = compiled(schema.get("additionalProperties", True))

    def check(value: Any) -> bool:
        if type(value) is not dict:
            return True
        for name in required:
            if name not in value:
                return False
        for name, item in value.items():  # noqa: SIM110 - all() over a generator is half as fast.
            if not known.get(name, other)(item):
                return False
        return True

    return check


def _items(schema: dict[str, Any]) -> Predicate:
    each = compiled(schema["items"])
    return lambda value: type(value) is not list or all(each(item) for item in value)


def _enum(schema: dict[str, Any]) -> Predicate:
    values = schema["enum"]
    # 1, 1.0 and true are equal to Python only.
    if not all(value is None or type(value) is str for value in values):
        raise NotCompilable("enum of other things than texts")
    allowed = frozenset(values)
    return lambda value: (value is None or type(value) is str) and value in allowed


def _const(schema: dict[str, Any]) -> Predicate:
    return _enum({"enum": [schema["const"]]})


def _any_of(schema: dict[str, Any]) -> Predicate:
    choices = tuple(compiled(sub) for sub in schema["anyOf"])
    return lambda value: any(choice(value) for choice in choices)


def _pattern(schema: dict[str, Any]) -> Predicate:
    search = re.compile(schema["pattern"]).search
    return lambda value: type(value) is not str or search(value) is not None


def _minimum(schema: dict[str, Any]) -> Predicate:
    limit = schema["minimum"]
    return lambda value: type(value) not in _NUMBERS or value >= limit


def _maximum(schema: dict[str, Any]) -> Predicate:
    limit = schema["maximum"]
    return lambda value: type(value) not in _NUMBERS or value <= limit


def _size(
    type_: Any, keyword: str, is_within: Callable[[int, int], bool]
) -> Callable[[dict[str, Any]], Predicate]:
    def make(schema: dict[str, Any]) -> Predicate:
        limit = schema[keyword]

        def check(value: Any) -> bool:
            return type(value) is not type_ or is_within(len(value), limit)

        return check

    return make


def _always(_: Any) -> bool:
    return True


def _never(_: Any) -> bool:
    return False


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}
_NUMBERS = frozenset({int, float})
_OBJECT = ("required", "properties", "additionalProperties")
_KEYWORDS: dict[str, Callable[[dict[str, Any]], Predicate]] = {
    "type": _type,
    **dict.fromkeys(_OBJECT, _object),
    "items": _items,
    "enum": _enum,
    "const": _const,
    "anyOf": _any_of,
    "pattern": _pattern,
    "minimum": _minimum,
    "maximum": _maximum,
    "minLength": _size(str, "minLength", ge),
    "maxLength": _size(str, "maxLength", le),
    "minItems": _size(list, "minItems", ge),
    "maxItems": _size(list, "maxItems", le),
}
