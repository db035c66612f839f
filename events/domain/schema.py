"""JSON Schema compiled to plain functions, for the keywords that event schemas use.

jsonschema takes 30 µs for six properties, a tenth of a commit, and an event is checked each
time it is emitted; this takes 1 µs. It only says whether data are valid; jsonschema says why
not. A schema with any other keyword, or with an invalid value of a known one, is left to
jsonschema altogether: whatever is compiled is JSON Schema 2020-12.
"""

import re
from collections.abc import Callable
from operator import ge, le
from typing import Any

import jsonschema

from events.domain.json_pointer import pointer_to

Predicate = Callable[[Any], bool]
"""Of plain JSON, as orjson reads it: subclasses of its types are not known here."""

_TEXT_ANNOTATIONS = frozenset({"$comment", "title", "description", "format"})
_FLAG_ANNOTATIONS = frozenset({"deprecated", "readOnly", "writeOnly"})
ANNOTATIONS = _TEXT_ANNOTATIONS | _FLAG_ANNOTATIONS | {"default"}


class NotCompilable(Exception):
    """The schema says something that only jsonschema understands."""


def check(schema: Any) -> None:
    """Do nothing if `schema` is JSON Schema 2020-12.

    :raises jsonschema.SchemaError: if it is not.
    """
    try:
        compiled(schema)
    except NotCompilable:
        # 5 ms for ten properties, and a process declares a hundred and fifty schemas.
        jsonschema.Draft202012Validator.check_schema(schema)


def compiled(schema: Any) -> Predicate:
    """Return the function that says whether plain JSON satisfies `schema`.

    :raises NotCompilable: if the schema uses a keyword beyond those known here.
    """
    if isinstance(schema, bool):
        return _always if schema else _never
    if type(schema) is not dict:
        raise NotCompilable(schema)
    keywords = {word for word in schema if not _is_annotation(word, schema[word])}
    if not keywords <= _KEYWORDS.keys():
        raise NotCompilable(sorted(keywords - _KEYWORDS.keys()))
    # In the order of the table, and once for the three that make one function together.
    makers = dict.fromkeys(maker for word, maker in _KEYWORDS.items() if word in keywords)
    return _all_of([maker(schema) for maker in makers])


def faults(
    schema: Any, value: Any, *, at: str = "", checks_formats: bool = False
) -> list[tuple[str, str]]:
    """Return where `value` violates `schema`: a JSON pointer, which begins with `at`, and why."""
    formats = jsonschema.Draft202012Validator.FORMAT_CHECKER if checks_formats else None
    errors = jsonschema.Draft202012Validator(schema, format_checker=formats).iter_errors(value)
    return sorted((f"{at}{pointer_to(*error.absolute_path)}", error.message) for error in errors)


def _is_annotation(word: str, value: Any) -> bool:
    if word in _TEXT_ANNOTATIONS:
        return type(value) is str
    if word in _FLAG_ANNOTATIONS:
        return type(value) is bool
    return word in ANNOTATIONS or word.startswith("x-")


def _typed(schema: dict[str, Any], word: str, type_: type) -> Any:
    if type(schema[word]) is not type_:
        raise NotCompilable({word: schema[word]})
    return schema[word]


def _texts(values: Any) -> list[str]:
    """Return `values` if they are a list of texts that do not repeat."""
    if type(values) is not list or not all(type(value) is str for value in values):
        raise NotCompilable(values)
    if len(set(values)) != len(values):
        raise NotCompilable(values)
    return values


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
    names = [wanted] if type(wanted) is str else _texts(wanted)
    if not names or not _TYPES.keys() >= set(names):
        raise NotCompilable({"type": wanted})
    exact = {type_ for name in names for type_ in _TYPES[name]}
    if "integer" in names and "number" not in names:
        # 1.0 is an integer to JSON Schema.
        return lambda value: type(value) in exact or (type(value) is float and value.is_integer())
    return lambda value: type(value) in exact


def _object(schema: dict[str, Any]) -> Predicate:
    required = tuple(_texts(schema.get("required", [])))
    properties = _typed({"properties": {}, **schema}, "properties", dict)
    known = {name: compiled(sub) for name, sub in properties.items()}
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
    values = _typed(schema, "enum", list)
    # 1, 1.0 and true are equal to Python only.
    if not all(value is None or type(value) is str for value in values):
        raise NotCompilable("enum of other things than texts")
    allowed = frozenset(values)
    return lambda value: (value is None or type(value) is str) and value in allowed


def _const(schema: dict[str, Any]) -> Predicate:
    return _enum({"enum": [schema["const"]]})


def _any_of(schema: dict[str, Any]) -> Predicate:
    choices = tuple(compiled(sub) for sub in _typed(schema, "anyOf", list))
    if not choices:
        raise NotCompilable(schema)
    return lambda value: any(choice(value) for choice in choices)


def _pattern(schema: dict[str, Any]) -> Predicate:
    try:
        search = re.compile(_typed(schema, "pattern", str)).search
    except re.error as error:
        raise NotCompilable(schema["pattern"]) from error
    return lambda value: type(value) is not str or search(value) is not None


def _minimum(schema: dict[str, Any]) -> Predicate:
    limit = _limit(schema, "minimum")
    return lambda value: type(value) not in _NUMBERS or value >= limit


def _maximum(schema: dict[str, Any]) -> Predicate:
    limit = _limit(schema, "maximum")
    return lambda value: type(value) not in _NUMBERS or value <= limit


def _limit(schema: dict[str, Any], word: str) -> int | float:
    limit: int | float = schema[word]
    if type(limit) not in _NUMBERS:
        raise NotCompilable({word: limit})
    return limit


def _size(
    type_: Any, keyword: str, is_within: Callable[[int, int], bool]
) -> Callable[[dict[str, Any]], Predicate]:
    def make(schema: dict[str, Any]) -> Predicate:
        limit = _typed(schema, keyword, int)
        if limit < 0:
            raise NotCompilable({keyword: limit})

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
