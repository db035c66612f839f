"""The payload of an event: JSON that every parser reads alike, within published limits.

Checked by writing it and reading it back, which gives the announced data: tuples and enums
become plain JSON. What is stored is written of those.
"""

import math
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import orjson

from events.domain.errors import Rejected

DEPTH_MAX = 64
INTEGER_MAX = 2**53 - 1
INLINE_BYTES_MAX = 64 * 1024
"""Above this the text lives once, under its hash, and the event refers to it."""
WARN_BYTES = 256 * 1024
BYTES_MAX = 1024 * 1024


class EventDataNotJson(Rejected):
    code = "event_data_not_json"
    hint = "Objects, lists, texts, finite numbers up to 2**53 - 1, true, false and null."

    def __init__(self, name: str, pointer: str, why: str) -> None:
        super().__init__(f"{name}{pointer}: {why}.", pointer=pointer, name=name)


class EventDataTooLarge(Rejected):
    code = "event_data_too_large"
    hint: ClassVar[str] = f"An event carries ids and bounded facts, at most {BYTES_MAX} bytes."

    def __init__(self, name: str, size: int) -> None:
        super().__init__(f"{name} carries {size} bytes.", name=name, bytes=size)


def text_of(name: str, data: Any) -> str:
    """Return `data` as the JSON text to store.

    :raises EventDataNotJson: if part of it is not JSON as everybody reads it.
    :raises EventDataTooLarge: if the text is longer than `BYTES_MAX`.
    """
    return _written(name, data)[0].decode()


def plain(name: str, data: Any) -> tuple[dict[str, Any], bool]:
    """Return `data` as readers of their text will see them, and whether that `is_large`.

    Raises as `text_of` does.
    """
    text, read = _written(name, data)
    return read, is_large(text)


def all_plain(facts: Sequence[tuple[str, Any]]) -> list[tuple[dict[str, Any], bool]]:
    """Return what `plain` returns of each name and data, after one look at all of them."""
    given = [data for _, data in facts]
    text, read = _written_at_once(given)
    if text is None or is_large(text) or set(map(type, given)) != {dict}:
        return [plain(name, data) for name, data in facts]
    return [(data, False) for data in read]


def is_large(text: bytes) -> bool:
    """Whether a text lives under its hash, and the event refers to it."""
    return len(text) > INLINE_BYTES_MAX


def _written(name: str, data: Any) -> tuple[bytes, dict[str, Any]]:
    if not isinstance(data, dict):
        raise EventDataNotJson(name, "", "the data of an event is an object")
    text, read = _written_at_once(data)
    if text is None:
        _check_object(name, data, "", 1)
        text = orjson.dumps(data)
        read = orjson.loads(text)
    if len(text) > BYTES_MAX:
        raise EventDataTooLarge(name, len(text))
    return text, read


def _written_at_once(value: dict[Any, Any] | list[Any]) -> tuple[bytes | None, Any]:
    """Return the text and what it says, if it is plain that it may be stored.

    A look at each value in Python takes ten times as long. What orjson writes of plain JSON
    says what was given, so whatever it bends (NaN, a tuple, a date) reads back as another.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
    except TypeError:
        return None, None
    if b"\\u0000" in text or _is_deep(text, value):
        return None, None
    read = orjson.loads(text)
    return (text, read) if read == value else (None, None)


def _is_deep(text: bytes, value: dict[Any, Any] | list[Any]) -> bool:
    # Few brackets are no deep nest.
    if text.count(b"{") + text.count(b"[") <= DEPTH_MAX:
        return False
    # Of most texts only the two quotes are left. Which of them go together does not matter.
    brackets = text.translate(_ONE_KIND_OF_BRACKET, _NO_STRUCTURE).replace(b'""', b"")
    if b"\\" in brackets:
        return _depth(value) > DEPTH_MAX
    brackets, depth = _TEXT_WITH_BRACKETS.sub(b"", brackets), 0
    while brackets and depth <= DEPTH_MAX:
        brackets = brackets.replace(b"{}", b"")
        depth += 1
    return depth > DEPTH_MAX


_ONE_KIND_OF_BRACKET = bytes.maketrans(b"[]", b"{}")
_TEXT_WITH_BRACKETS = re.compile(rb'"[^"]*"')
_NO_STRUCTURE = bytes(each for each in range(256) if each not in b'{}[]"\\')


def _depth(value: Any) -> int:
    """Return how deep plain JSON, a container, is nested."""
    depth = 0
    level = [value]
    while level:
        depth += 1
        level = [
            item
            for one in level
            for item in (one.values() if type(one) is dict else one)
            if type(item) is dict or type(item) is list
        ]
    return depth


def _check(name: str, value: Any, pointer: str, depth: int) -> None:
    if isinstance(value, str):
        _check_text(name, value, pointer)
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise EventDataNotJson(name, pointer, "the integer is beyond 2**53 - 1")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise EventDataNotJson(name, pointer, "the number is not finite")
    elif isinstance(value, dict):
        _check_object(name, value, pointer, depth + 1)
    elif isinstance(value, list | tuple):
        _check_list(name, value, pointer, depth + 1)
    else:
        raise EventDataNotJson(name, pointer, f"{type(value).__name__} is not JSON")


def _check_object(name: str, value: dict[Any, Any], pointer: str, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise EventDataNotJson(name, pointer, f"nested deeper than {DEPTH_MAX}")
    for key, item in value.items():
        if type(key) is not str:
            raise EventDataNotJson(name, pointer, f"the key {key!r} is not a text")
        _check_text(name, key, pointer)
        # Most leaves are texts: deciding here spares a call for each.
        if type(item) is str and item.isascii() and "\0" not in item:
            continue
        _check(name, item, f"{pointer}/{key}", depth)


def _check_list(name: str, value: list[Any] | tuple[Any, ...], pointer: str, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise EventDataNotJson(name, pointer, f"nested deeper than {DEPTH_MAX}")
    for index, item in enumerate(value):
        _check(name, item, f"{pointer}/{index}", depth)


def _check_text(name: str, value: str, pointer: str) -> None:
    if "\0" in value:
        raise EventDataNotJson(name, pointer, "the text has a NUL")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise EventDataNotJson(name, pointer, "the text has a lone surrogate")
