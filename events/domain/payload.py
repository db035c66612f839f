"""The payload of an event: JSON that every parser reads alike, within published limits.

Checked and serialised in one go, because the text that was checked is the text that is
stored. Reading it back gives the announced data: tuples and enums become plain JSON.
"""

import math
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
    return written(name, data)[0]


def written(name: str, data: Any) -> tuple[str, dict[str, Any]]:
    """Return `data` as the JSON text to store, and as readers of the text will see it.

    Raises as `text_of` does.
    """
    if not isinstance(data, dict):
        raise EventDataNotJson(name, "", "the data of an event is an object")
    text, plain = _written_at_once(data)
    if text is None:
        _check_object(name, data, "", 1)
        text = orjson.dumps(data)
        plain = orjson.loads(text)
    if len(text) > BYTES_MAX:
        raise EventDataTooLarge(name, len(text))
    return text.decode(), plain


def all_written(facts: Sequence[tuple[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return what `written` returns of each name and data, after one look at all of them."""
    return _all_at_once(facts) or [written(name, data) for name, data in facts]


def _all_at_once(facts: Sequence[tuple[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Do for several what `_written_at_once` does for one; nothing if one is not plain."""
    given = [data for _, data in facts]
    try:
        texts = [orjson.dumps(data, option=orjson.OPT_STRICT_INTEGER) for data in given]
    except TypeError:
        return []
    joined = b"[%s]" % b",".join(texts)
    if len(joined) > BYTES_MAX or b"\\u0000" in joined:
        return []
    for text, data in zip(texts, given, strict=True):
        if type(data) is not dict or _is_deep(text, data):
            return []
    plain = orjson.loads(joined)
    if plain != given:
        return []
    return [(text.decode(), data) for text, data in zip(texts, plain, strict=True)]


def _written_at_once(data: dict[Any, Any]) -> tuple[bytes | None, Any]:
    """Return the text and what it says, if it is plain that it may be stored.

    A look at each value in Python takes ten times as long. What orjson writes of plain JSON
    says what was given, so whatever it bends (NaN, a tuple, a date) reads back as another.
    """
    try:
        text = orjson.dumps(data, option=orjson.OPT_STRICT_INTEGER)
    except TypeError:
        return None, None
    if b"\\u0000" in text or _is_deep(text, data):
        return None, None
    plain = orjson.loads(text)
    return (text, plain) if plain == data else (None, None)


def _is_deep(text: bytes, data: dict[Any, Any]) -> bool:
    # Few brackets are no deep nest.
    return text.count(b"{") + text.count(b"[") > DEPTH_MAX and _depth(data) > DEPTH_MAX


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
