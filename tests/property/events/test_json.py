"""Data, canonical form and compiled schemas: over any JSON."""

import json
import re
from contextlib import suppress
from typing import Any
from unittest import mock

import jsonschema
import orjson
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from events.domain import payload
from events.domain.canonical import canonical, first_difference
from events.domain.envelope import Category
from events.domain.payload import DEPTH_MAX, INTEGER_MAX, EventDataNotJson, text_of
from events.domain.schema import NotCompilable, compiled

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
leaves = (
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False) | texts
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(texts, values, max_size=4)

names = st.sampled_from(["a", "b", "c"])
small = st.integers(0, 3)
json_types = st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"])


def schemas() -> st.SearchStrategy[Any]:
    def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.fixed_dictionaries(
            {},
            optional={
                "type": json_types | st.lists(json_types, min_size=1, max_size=3, unique=True),
                "properties": st.dictionaries(names, inner, max_size=3),
                "required": st.lists(names, max_size=2, unique=True),
                "additionalProperties": inner,
                "items": inner,
                "anyOf": st.lists(inner, min_size=1, max_size=2),
                "enum": st.lists(st.sampled_from(["", "a", None]), min_size=1, unique=True),
                "const": st.sampled_from(["a", None]),
                "pattern": st.sampled_from(["^a", "b$"]),
                "minimum": small, "maximum": small, "minLength": small, "maxLength": small,
                "minItems": small, "maxItems": small,
                "description": st.just("words"), "x-words": st.just(1),
            },
        )  # fmt: skip

    return st.recursive(st.booleans() | keywords(st.just({})), keywords, max_leaves=4)


near_values = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 2.0, 2.5, 4, "", "a", "ab", "abcd"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(objects)
def test_stored_text_says_what_was_emitted(data: dict[str, Any]) -> None:
    read = json.loads(text_of("tea.made", data))

    assert first_difference(read, data) is None


strange_leaves = (
    leaves | st.text(max_size=3) | st.floats() | st.integers() | st.binary(max_size=2)
    | st.dates() | st.just("\udc00") | st.just("\0") | st.just(Category.DOMAIN)
)  # fmt: skip
strange_values = st.recursive(
    strange_leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(
            st.text(max_size=2) | st.just("\0") | st.integers(0, 1), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=2), strange_values, max_size=3), st.integers(0, DEPTH_MAX + 2)
)
def test_what_is_checked_at_once_is_what_is_checked_value_by_value(
    data: dict[str, Any], depth: int
) -> None:
    for _ in range(depth):
        data = {"a": data}

    assert outcome(data, at_once=True) == outcome(data, at_once=False)


bracketed = st.recursive(
    st.text(r"{}[]\"'a", max_size=4) | st.integers(0, 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("[}a"), inner, max_size=3),
    max_leaves=40,
)


@given(bracketed, st.integers(0, DEPTH_MAX + 1), st.sampled_from([0, DEPTH_MAX]))
def test_how_deep_a_text_is_nested_is_how_deep_its_value_is(
    value: Any, depth: int, width: int
) -> None:
    for _ in range(depth):
        value = [value, {}]
    value = [value, *[{}] * width]

    assert payload._is_deep(orjson.dumps(value), value) == (payload._depth(value) > DEPTH_MAX)


def outcome(data: dict[str, Any], *, at_once: bool) -> str:
    look = payload._written_at_once if at_once else lambda _value: (None, None)
    with mock.patch.object(payload, "_written_at_once", look):
        try:
            return text_of("tea.made", data)
        except EventDataNotJson as refusal:
            return str(refusal)


@given(st.lists(st.dictionaries(st.text(max_size=2), strange_values, max_size=3), max_size=3))
def test_several_are_read_as_each_alone(several: list[dict[str, Any]]) -> None:
    facts = [("tea.made", data) for data in several]

    try:
        alone = [payload.plain(name, data) for name, data in facts]
    except EventDataNotJson as refusal:
        with pytest.raises(EventDataNotJson, match=f"^{re.escape(str(refusal))}$"):
            payload.all_plain(facts)
    else:
        assert payload.all_plain(facts) == alone


@given(values, values)
def test_two_values_differ_somewhere_exactly_if_their_canonical_bytes_do(
    left: Any, right: Any
) -> None:
    assert (first_difference(left, right) is None) == (canonical(left) == canonical(right))


@given(values)
def test_canonical_bytes_are_those_of_the_standard(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


def is_canonical(value: Any) -> bool:
    """Whether its canonical form is in the domain of that form: 2.0**53 becomes 2**53."""
    try:
        canonical(orjson.loads(canonical(value)))
    except ValueError:
        return False
    return True


@given(values.filter(is_canonical))
def test_canonical_bytes_survive_a_trip_through_json(value: Any) -> None:
    assert canonical(orjson.loads(canonical(value))) == canonical(value)


KEYWORDS = (
    *("type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const"),
    *("pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
    *("title", "description", "default", "examples", "deprecated", "format", "$id", "$schema"),
    "unheard-of",
)
odd_values: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, 1, 1.0, -1, "", "a", "string", "tea", "("),
        *([], ["a"], ["a", "a"], ["string"], [1], ["string", "string"], [None]),
        *([{}], [{"type": 1}], {}, {"a": 1}, {"a": {"type": "null"}}),
    ]
)


def is_json_schema(schema: Any) -> bool:
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError:
        return False
    return True


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(KEYWORDS), odd_values, min_size=1, max_size=3))
def test_nothing_is_compiled_that_is_no_json_schema(schema: dict[str, Any]) -> None:
    with suppress(NotCompilable):
        compiled(schema)
        assert is_json_schema(schema)


@settings(max_examples=100)
@given(schemas(), near_values)
def test_a_compiled_schema_says_what_jsonschema_says(schema: Any, value: Any) -> None:
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)

    assert compiled(schema)(value) == expected
