"""Members of one name, in several spellings or twice, as Go's encoding/json decodes them."""

from typing import Any

import pytest

from workflows.flows.domain import decoder, shapes
from workflows.flows.domain.errors import MalformedRequest
from workflows.flows.domain.shapes import ANYTHING, FLAG, INTEGER, TEXT

_CONFIG = shapes.Struct("Config", {"mode": TEXT, "size": INTEGER})
_FORM = shapes.Struct(
    "Form",
    {
        "id": TEXT,
        "size": INTEGER,
        "is_on": FLAG,
        "goals": shapes.ListOf(TEXT, "[]string"),
        "labels": shapes.MapOf(TEXT, "api.Labels"),
        "parts": shapes.MapOf(_CONFIG, "api.Parts"),
        "config": _CONFIG,
        "free": ANYTHING,
    },
)


def read(raw: str) -> dict[str, Any]:
    document, is_repeating = decoder.first_members(raw.encode())
    named = shapes.in_their_case(document, _FORM)
    found = shapes.check(decoder.plain(named) if is_repeating else named, _FORM)
    assert type(found) is dict
    return found


class TestMembersOfOneName:
    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            ('{"id": "a", "ID": "b"}', {"id": "b"}),
            ('{"ID": "b", "id": "a"}', {"id": "a"}),
            ('{"id": "a", "ID": "b", "id": "c"}', {"id": "c"}),
            ('{"id": "a", "ID": null}', {"id": "a"}),
            ('{"is_on": true, "Is_On": null}', {"is_on": True}),
            ('{"size": 3, "SIZE": null, "\\u017fize": 4}', {"size": 4}),
        ],
    )
    def test_replace_a_scalar_unless_they_are_null(
        self, raw: str, expected: dict[str, Any]
    ) -> None:
        assert read(raw) == expected

    @pytest.mark.parametrize("again", ["config", "Config"])
    def test_add_to_an_object_field_by_field(self, again: str) -> None:
        raw = f'{{"config": {{"mode": "a", "size": 1}}, "{again}": {{"SIZE": 2}}}}'

        assert read(raw) == {"config": {"mode": "a", "size": 2}}

    def test_add_to_a_map_whose_entries_they_replace(self) -> None:
        raw = (
            '{"labels": {"a": "1", "b": "2"}, "Labels": {"B": "3", "a": "4"},'
            ' "parts": {"p": {"mode": "x"}, "q": {}}, "Parts": {"p": {"size": 1}}}'
        )

        assert read(raw) == {
            "labels": {"b": "2", "B": "3", "a": "4"},
            "parts": {"q": {}, "p": {"size": 1}},
        }

    def test_replace_an_entry_that_a_map_has_twice(self) -> None:
        raw = '{"parts": {"p": {"mode": "x"}, "p": {"size": 1}}}'

        assert read(raw) == {"parts": {"p": {"size": 1}}}

    @pytest.mark.parametrize("name", ["config", "labels", "goals", "free"])
    def test_empty_what_is_not_a_scalar_if_they_are_null(self, name: str) -> None:
        value = '["a"]' if name == "goals" else '{"mode": "a"}'

        assert read(f'{{"{name}": {value}, "{name.upper()}": null}}') == {name: None}

    def test_replace_a_list_but_for_its_nulls(self) -> None:
        assert read('{"goals": ["a", "b", "c"], "GOALS": [null, "x"]}') == {"goals": ["a", "x"]}
        assert read('{"goals": ["a"], "GOALS": ["x", null]}') == {"goals": ["x", ""]}

    def test_replace_what_may_be_anything(self) -> None:
        raw = '{"free": {"a": 1}, "Free": {"b": 1, "b": {"c": 1, "c": [{"d": 1, "d": 2}]}}}'

        assert read(raw) == {"free": {"b": {"c": [{"d": 2}]}}}

    @pytest.mark.parametrize(
        ("raw", "field"),
        [
            ('{"id": 1, "ID": "a"}', "Form.id of type string"),
            ('{"ID": "a", "id": 1}', "Form.id of type string"),
            ('{"id": "a", "is_on": 1, "ID": 2}', "Form.is_on of type bool"),
            ('{"goals": [1], "GOALS": ["a"]}', "Form.goals.0 of type string"),
            ('{"config": {"mode": 1}, "Config": {"mode": "a"}}', "Form.config.mode of type string"),
            ('{"parts": {"p": {"mode": 1}, "p": {}}}', "Form.parts.p.mode of type string"),
        ],
    )
    def test_are_told_of_when_the_first_is_of_another_type(self, raw: str, field: str) -> None:
        with pytest.raises(MalformedRequest, match=f"number into Go struct field .*{field}"):
            read(raw)
