"""Whoever says what is no choice is told the choices, whatever they said it to."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from rest_framework import serializers

import_module("config.urls")


def shapes(above: type = serializers.BaseSerializer) -> Iterator[type]:
    each: type
    for each in above.__subclasses__():
        if not each.__module__.startswith(("rest_framework.", "drf_", "tests.")):
            yield each
        yield from shapes(each)


ASKED = sorted(
    {each for each in shapes() if each.__name__.endswith("In")},
    key=lambda each: f"{each.__module__}.{each.__name__}",
)
"""By their names, what clients say; the others are only answered with."""


def choosing(field: Any, path: str = "") -> Iterator[tuple[str, serializers.ChoiceField]]:
    if isinstance(field, serializers.ChoiceField):
        yield path, field
    elif child := getattr(field, "child", None):
        yield from choosing(child, f"{path}/0")
    elif isinstance(field, serializers.Serializer):
        for name, inner in field.fields.items():
            yield from choosing(inner, f"{path}/{name}")


@pytest.mark.parametrize("shape", ASKED, ids=lambda each: each.__name__)
def test_every_choice_of_a_request_is_named(shape: type[serializers.Serializer[Any]]) -> None:
    unnamed = [
        path
        for path, field in choosing(shape())
        if not str(field.error_messages["invalid_choice"]).startswith("Say one of: ")
    ]

    assert unnamed == []


def test_there_are_such_choices() -> None:
    assert sum(len(list(choosing(shape()))) for shape in ASKED) > 15
