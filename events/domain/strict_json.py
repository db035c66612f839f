"""The one strict JSON decoder of every interface: API, WebSocket, webhook, callback.

It refuses what Python's parser accepts or crashes on, and what PostgreSQL would refuse later:
NaN and Infinity, duplicate keys, NUL, lone surrogates, deep nesting, integers that other
parsers round. All checks of the common case run in C.
"""

import json
import re
from itertools import accumulate
from typing import Any, Final, NoReturn

from events.domain.errors import Malformed, TooLarge

BYTES_MAX: Final = 1024 * 1024
DEPTH_MAX: Final = 64
INTEGER_MAX: Final = 2**53 - 1
"""Above it JavaScript and many JSON libraries silently change the number."""

# An unterminated string matches to the end, so that the search never starts over.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
# Only a number with an exponent or at least 16 digits can be out of range.
_LARGE_NUMBER = re.compile(r"[0-9]{16}|[0-9][eE]")
_ODD_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_ODD_CHARACTER = re.compile("[\0\ud800-\udfff]")


class JsonMalformed(Malformed):
    """`reason` is one of a few fixed sentences: what was sent is never echoed."""

    code = "json_malformed"
    hint = "Send one JSON document in UTF-8, as RFC 8259 and RFC 7493 (I-JSON) describe it."

    def __init__(self, reason: str, *, position: int | None = None) -> None:
        super().__init__(f"The JSON is malformed: {reason}.")
        if position is not None:
            self.facts["position"] = position


class JsonTooLarge(TooLarge):
    code = "json_too_large"
    hint = "Send a smaller request."

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"The JSON is larger than {bytes_max} bytes.", bytes_max=bytes_max)


def loads(source: bytes | str, *, bytes_max: int = BYTES_MAX, depth_max: int = DEPTH_MAX) -> Any:
    """Decode one document.

    :raises JsonTooLarge: if it has more than `bytes_max` bytes.
    :raises JsonMalformed: if it is anything but strict JSON.
    """
    text = _text_of(source, bytes_max)
    skeleton = _STRING.sub("", text)
    _check_depth(skeleton, depth_max)
    decoder = _GUARDED if _LARGE_NUMBER.search(skeleton) else _PLAIN
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise JsonMalformed(_reason_of(error), position=error.pos) from None
    if _ODD_ESCAPE.search(text):
        _check_strings(value)
    return value


def _text_of(source: bytes | str, bytes_max: int) -> str:
    try:
        raw = source.encode() if isinstance(source, str) else source
    except UnicodeEncodeError:
        raise JsonMalformed("it has a lone surrogate") from None
    if len(raw) > bytes_max:
        raise JsonTooLarge(bytes_max)
    try:
        return raw.decode() if isinstance(source, bytes) else source
    except UnicodeDecodeError as error:
        raise JsonMalformed("it is not UTF-8", position=error.start) from None


def _check_depth(skeleton: str, depth_max: int) -> None:
    if skeleton.count("[") + skeleton.count("{") <= depth_max:
        return
    steps = map(_STEP.__getitem__, _BRACKET.findall(skeleton))
    if max(accumulate(steps)) > depth_max:
        raise JsonMalformed(f"it is nested more than {depth_max} levels deep")


def _check_strings(value: Any) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if _ODD_CHARACTER.search(item):
                raise JsonMalformed("it has a NUL or a lone surrogate")
        elif isinstance(item, list):
            pending += item
        elif isinstance(item, dict):
            pending += item
            pending += item.values()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise JsonMalformed("an object has the same key twice")
    return value


def _integer(digits: str) -> int:
    # The length first: int() takes quadratic time, and refuses more than 4,300 digits.
    if len(digits) > len(str(INTEGER_MAX)) + 1 or abs(int(digits)) > INTEGER_MAX:
        raise JsonMalformed(f"an integer is beyond {INTEGER_MAX}; send it as a string")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise JsonMalformed("a number is too large")
    return value


def _constant(_name: str) -> NoReturn:
    raise JsonMalformed("NaN and Infinity are not JSON")


def _reason_of(error: json.JSONDecodeError) -> str:
    # The parser's own words are fixed phrases: they quote nothing of the document.
    return error.msg[:1].lower() + error.msg[1:]


_PLAIN = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_GUARDED = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_number,
)
