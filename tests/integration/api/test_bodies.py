"""Bodies are held against fields that are made once, by whichever request comes first."""

import threading
from typing import Any

import pytest
from rest_framework import serializers

from ledger.bodies import Body, valid


class PartIn(Body):
    number = serializers.IntegerField(min_value=1)
    note = serializers.CharField(default="none")


class WholeIn(Body):
    name = serializers.CharField(max_length=10)
    tags = serializers.ListField(child=serializers.CharField(), default=list)
    parts = serializers.ListField(child=PartIn(), default=list)


class ChangeIn(WholeIn):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, partial=True, **options)


def test_one_body_leaves_nothing_behind_for_the_next() -> None:
    first = valid(WholeIn, {"name": "first", "tags": ["a"], "parts": [{"number": 1}]})
    first["tags"].append("b")
    second = valid(WholeIn, {"name": "second"})

    assert first["parts"] == [{"number": 1, "note": "none"}]
    assert second == {"name": "second", "tags": [], "parts": []}


def test_one_that_is_refused_harms_no_other() -> None:
    with pytest.raises(serializers.ValidationError) as refused:
        valid(WholeIn, {"name": "x" * 11, "parts": [{"number": 0}]})

    assert set(refused.value.detail) == {"name", "parts"}
    assert valid(WholeIn, {"name": "fine"})["name"] == "fine"


def test_what_may_be_left_out_of_one_shape_may_not_of_another() -> None:
    assert valid(ChangeIn, {}) == {}
    with pytest.raises(serializers.ValidationError):
        valid(WholeIn, {})
    assert valid(ChangeIn, {"tags": []}) == {"tags": []}


def test_fields_of_a_part_are_made_once_too() -> None:
    part = WholeIn().fields["parts"].child

    assert part.fields is part.fields
    assert WholeIn().fields is WholeIn().fields


def test_many_at_once_do_not_mix() -> None:
    together, found = threading.Barrier(8), dict[int, Any]()

    def ask(number: int) -> None:
        together.wait()
        for turn in range(1, 30):
            body = {"name": f"n{number}", "parts": [{"number": turn}] * number}
            found[number] = valid(WholeIn, body)
            assert found[number]["name"] == f"n{number}"

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {number: len(body["parts"]) for number, body in found.items()} == {
        number: number for number in range(1, 9)
    }
