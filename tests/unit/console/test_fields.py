"""The fields of forms, each by itself: what they take, and what they say of the rest."""

from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError

from console import fields
from console.fields import JsonField, NamesField
from console.flows.start import TIMEOUT_S_MAX, AnyField, NumberField, OptionsForm


def refusal(field: forms.Field, text: str) -> str:
    with pytest.raises(ValidationError) as refused:
        field.clean(text)
    [message] = refused.value.messages
    return message


class TestNames:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("invoice.settled", ["invoice.settled"]),
            (" invoice.* ,, booking.completed, ", ["invoice.*", "booking.completed"]),
            (",".join(["a.b"] * fields.NAMES_MAX), ["a.b"] * fields.NAMES_MAX),
            (" , ", []),
            ("", []),
        ],
    )
    def test_are_taken_apart_at_commas(self, text: str, names: list[str]) -> None:
        assert NamesField(required=False).clean(text) == names

    @pytest.mark.parametrize("text", ["in voice", "invoice.settled, a..b", "*.settled", "a\nb"])
    def test_are_refused_if_no_event_can_be_called_so(self, text: str) -> None:
        assert refusal(NamesField(), text) == "Give a type such as invoice.settled, or invoice.*"

    def test_are_so_many_at_most(self) -> None:
        text = ",".join(["a.b"] * (fields.NAMES_MAX + 1))

        assert refusal(NamesField(), text) == "Up to 50 types."

    def test_may_be_missing_only_where_they_are_not_required(self) -> None:
        assert refusal(NamesField(), "") == "This field is required."


class TestJson:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
            (" 7 ", 7),
            ("false", False),
            ("0", 0),
            ('""', ""),
            ("null", None),
        ],
    )
    def test_is_taken_as_it_says(self, text: str, value: Any) -> None:
        found = JsonField().clean(text)

        assert (type(found), found) == (type(value), value)

    @pytest.mark.parametrize("text", ["", "  "])
    def test_is_none_if_there_is_none_and_none_is_needed(self, text: str) -> None:
        assert JsonField(required=False).clean(text) is None
        assert refusal(JsonField(), text) == "This field is required."

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{", "expecting property name enclosed in double quotes"),
            ('{"a": 1, "a": 2}', "an object has the same key twice"),
            ("NaN", "NaN and Infinity are not JSON"),
            ("9007199254740993", "an integer is beyond 9007199254740991; send it as a string"),
            ("[" * 65 + "]" * 65, "it is nested more than 64 levels deep"),
            ("[" * 100_000, "it is nested more than 64 levels deep"),
            ('"\\u0000"', "it has a NUL or a lone surrogate"),
            ("1 2", "extra data"),
        ],
    )
    def test_is_as_strict_as_that_of_the_api(self, text: str, reason: str) -> None:
        assert refusal(JsonField(), text) == (f"This is not JSON: The JSON is malformed: {reason}.")

    def test_has_so_many_characters_at_most_however_long_they_are(self) -> None:
        longest = '"' + "€" * (fields.JSON_CHARS_MAX - 2) + '"'

        assert JsonField().clean(longest) == longest[1:-1]
        assert "at most 500000 characters" in refusal(JsonField(), longest + " x")

    @pytest.mark.parametrize(
        ("kind", "taken", "refused", "name"),
        [(dict, "{}", "[]", "object"), (list, "[]", "{}", "array"), (dict, "{}", "null", "object")],
    )
    def test_is_of_the_type_that_is_asked_for(
        self, kind: type, taken: str, refused: str, name: str
    ) -> None:
        assert JsonField(kind=kind).clean(taken) == kind()
        assert refusal(JsonField(kind=kind), refused) == f"Write a JSON {name}."

    @pytest.mark.parametrize("text", ["true", '"1"', "[]", "null x"])
    def test_is_a_number_where_one_is_asked_for(self, text: str) -> None:
        assert NumberField().clean("-1.5") == -1.5
        assert refusal(NumberField(), text)

    @pytest.mark.parametrize(
        ("text", "value"), [("7", 7), ("seven", "seven"), ('"7"', "7"), ("[7]", [7]), ("tr", "tr")]
    )
    def test_may_be_plain_text_for_an_attribute_of_any_type(self, text: str, value: Any) -> None:
        assert AnyField().clean(text) == value

    @pytest.mark.parametrize("text", ["{7", "[7", '"7', ""])
    def test_is_meant_by_what_begins_like_it(self, text: str) -> None:
        assert refusal(AnyField(), text)


class TestDeadline:
    @pytest.mark.parametrize(
        ("text", "options"),
        [
            ("", {}),
            ("1", {"timeout_ms": 1_000}),
            (str(TIMEOUT_S_MAX), {"timeout_ms": 31_622_400_000}),
        ],
    )
    def test_is_given_in_seconds(self, text: str, options: dict[str, Any]) -> None:
        form = OptionsForm({"timeout_s": text})

        assert form.is_valid()
        assert form.options() == options

    @pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", str(TIMEOUT_S_MAX + 1), "9" * 400])
    def test_is_within_a_year(self, text: str) -> None:
        form = OptionsForm({"timeout_s": text})

        assert not form.is_valid()
        assert [*form.errors] == ["timeout_s"]
