"""Formats large whole numbers as Argyll does: with all digits, without an exponent."""

import re
from decimal import Decimal
from typing import Any

_PATTERN = r"\d(?:\.\d+)?[eE]\+?\d|\d{16}\.0"
_IN_TEXT, _IN_BYTES = re.compile(_PATTERN), re.compile(_PATTERN.encode())
_LEAST, _END = -(2**63), 2**64
"""What any reader of 64 bits can take. Beyond it a double stays as it is."""


def has_exponents(text: str | bytes) -> bool:
    """Return whether `text`, JSON, may have a whole number that is not in its digits."""
    if isinstance(text, str):
        return _IN_TEXT.search(text) is not None
    return _IN_BYTES.search(text) is not None


def in_digits(value: Any) -> Any:
    """Return JSON in which whole doubles beyond 2^53 are integers: their shortest digits, then
    zeros. To a reader of doubles both are the same number."""
    match value:
        case float() if value.is_integer():
            whole = int(Decimal(repr(value)))
            return whole if _LEAST <= whole < _END else value
        case list() | tuple():
            return [in_digits(item) for item in value]
        case dict():
            return {key: in_digits(item) for key, item in value.items()}
        case _:
            return value
