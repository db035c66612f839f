"""Regular expressions on RE2: uninterruptible, in time linear in the text and in the pattern."""

from typing import Any

import re2

STEPS_MAX = 100_000_000
"""Characters times instructions of the pattern: at worst half a second of the processor."""
_quiet = re2.Options()
_quiet.log_errors = False


class NoPattern(ValueError):
    """It is no regular expression."""


class TextTooLong(ValueError):
    """Looking for the pattern may take longer than any script may."""

    def __init__(self) -> None:
        super().__init__("the text is too long for this pattern")


def compiled(pattern: str, *, text: str) -> Any:
    """Return a pattern of RE2 that is to be looked for in `text`.

    :raises NoPattern: if it is none.
    :raises TextTooLong: if that may take too long.
    """
    try:
        found = re2.compile(pattern, _quiet)
    except re2.error as error:
        raise NoPattern from error
    if found.programsize * len(text) > STEPS_MAX:
        raise TextTooLong
    return found
