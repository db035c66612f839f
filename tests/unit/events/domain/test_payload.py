from enum import StrEnum
from typing import Any

import pytest

from events.domain.payload import (
    BYTES_MAX,
    DEPTH_MAX,
    INTEGER_MAX,
    EventDataNotJson,
    EventDataTooLarge,
    text_of,
)


class Status(StrEnum):
    OPEN = "open"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({}, "{}"),
        ({"b": 1, "a": [None, True, 1.5, "ü"]}, '{"b":1,"a":[null,true,1.5,"ü"]}'),
        ({"pair": (1, 2), "status": Status.OPEN}, '{"pair":[1,2],"status":"open"}'),
        ({"n": INTEGER_MAX, "m": -INTEGER_MAX}, f'{{"n":{INTEGER_MAX},"m":{-INTEGER_MAX}}}'),
    ],
)
def test_is_the_json_in_the_order_of_the_emitter(data: dict[str, Any], text: str) -> None:
    assert text_of("tea.made", data) == text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "tea.made: the data of an event is an object."),
        ({"a": {"b": float("nan")}}, "tea.made/a/b: the number is not finite."),
        ({"a": [float("inf")]}, "tea.made/a/0: the number is not finite."),
        ({"a": INTEGER_MAX + 1}, "tea.made/a: the integer is beyond 2**53 - 1."),
        ({"a": "x\0"}, "tea.made/a: the text has a NUL."),
        ({"a\0": 1}, "tea.made: the text has a NUL."),
        ({"a": "\udc00"}, "tea.made/a: the text has a lone surrogate."),
        ({1: 1}, "tea.made: the key 1 is not a text."),
        ({"a": b"x"}, "tea.made/a: bytes is not JSON."),
        ({"a": {1, 2}}, "tea.made/a: set is not JSON."),
    ],
)
def test_refuses_what_readers_would_read_differently(data: Any, message: str) -> None:
    with pytest.raises(EventDataNotJson) as refusal:
        text_of("tea.made", data)

    assert str(refusal.value) == message


def test_refuses_what_is_nested_too_deep() -> None:
    assert text_of("tea.made", {"a": nested(DEPTH_MAX - 1)})

    with pytest.raises(EventDataNotJson, match="nested deeper than 64"):
        text_of("tea.made", {"a": nested(DEPTH_MAX)})


def test_refuses_what_is_too_large() -> None:
    room = BYTES_MAX - len('{"a":""}')
    assert len(text_of("tea.made", {"a": "x" * room})) == BYTES_MAX

    with pytest.raises(EventDataTooLarge) as refusal:
        text_of("tea.made", {"a": "x" * (room + 1)})

    assert refusal.value.facts == {"name": "tea.made", "bytes": BYTES_MAX + 1}
