"""Patterns of event names: a name, a prefix (`invoice.*`), or everything (`*`)."""

from events.domain.catalogue import is_name
from events.domain.errors import Rejected


class PatternMalformed(Rejected):
    code = "event_pattern_malformed"
    hint = "Use an event name, a prefix as in invoice.*, or *."

    def __init__(self, pattern: str) -> None:
        super().__init__(f"{pattern!r} is no pattern of event names.", pattern=pattern)


def matches(pattern: str, name: str) -> bool:
    """Whether `pattern` stands for `name`."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return name.startswith(pattern[:-1])
    return pattern == name


def checked(pattern: str) -> str:
    """Return `pattern`.

    :raises PatternMalformed: if it can match no event name.
    """
    stem = pattern[:-2] + "_x" if pattern.endswith(".*") else pattern
    if pattern == "*" or is_name(stem):
        return pattern
    raise PatternMalformed(pattern)
