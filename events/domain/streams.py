"""Stream keys: an id path as one text, so that a prefix of the path is a prefix of the text.

Every element is followed by `/`, with `~` and `/` escaped as in a JSON pointer (RFC 6901).
`("invoice", "7")` is `invoice/7/`: no sibling (`invoice/70/`) begins with it, all children do.
"""

from functools import lru_cache
from typing import ClassVar

from events.domain.envelope import Stream
from events.domain.errors import Rejected

KEY_CHARS_MAX = 512

_AFTER_SEPARATOR = chr(ord("/") + 1)


class StreamMalformed(Rejected):
    code = "stream_malformed"
    hint = "A stream is a path of one or more non-empty texts, first its kind."

    def __init__(self, stream: object) -> None:
        super().__init__(f"{stream!r} names no stream.", stream=repr(stream))


class StreamTooLong(Rejected):
    code = "stream_too_long"
    hint: ClassVar[str] = f"A stream key has at most {KEY_CHARS_MAX} characters."

    def __init__(self, chars: int) -> None:
        super().__init__(f"The stream key has {chars} characters.", chars=chars)


def key_of(stream: Stream) -> str:
    """Return the text that stands for `stream` in the database.

    :raises StreamMalformed: if it is empty, or an element is empty or no storable text.
    :raises StreamTooLong: if the key is longer than `KEY_CHARS_MAX`.
    """
    key = ""
    for element in stream:
        if not _is_storable(element):
            raise StreamMalformed(stream)
        key += element.replace("~", "~0").replace("/", "~1") + "/"
    if not key:
        raise StreamMalformed(stream)
    if len(key) > KEY_CHARS_MAX:
        raise StreamTooLong(len(key))
    return key


@lru_cache(maxsize=1_024)
def stream_of(key: str) -> Stream:
    """Read what `key_of` wrote."""
    # Who reads a stream reads the same key with each event.
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in key.split("/")[:-1])


def key_range(prefix: Stream) -> tuple[str, str]:
    """Return the half-open range, in byte order, of all keys under `prefix` and its own."""
    key = key_of(prefix)
    return key, key[:-1] + _AFTER_SEPARATOR


def _is_storable(element: object) -> bool:
    if not isinstance(element, str) or not element or "\0" in element:
        return False
    return element.isascii() or not any("\ud800" <= char <= "\udfff" for char in element)
