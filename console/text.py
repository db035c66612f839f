"""Text of any origin, made safe for the eye. Safe for the page is what templates do."""

import json
import re
import unicodedata
from typing import Any

# Controls, formats (bidi overrides, zero widths), separators, private use, surrogates.
_DECEPTIVE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})

_BEYOND_PLAIN = re.compile(r"[^\t\n\r\x20-\x7e]+")


def visible(text: str) -> str:
    """Show characters that hide themselves or turn the line around as `\\u202e`."""
    if text.isprintable():
        return text
    return "".join(_escape(char) if _deceives(char) else char for char in text)


def visible_lines(text: str) -> str:
    """Do the same for a text of several lines, and leave the ends of its lines alone."""
    return "\n".join(visible(line) for line in text.split("\n"))


def visible_page(page: str) -> str:
    """Do the same for a page that is written already, and leave its layout alone."""
    return _BEYOND_PLAIN.sub(lambda found: visible(found[0]), page)


def pretty(value: Any) -> str:
    """Write `value` as indented JSON, still JSON when read back."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    # Inside JSON strings the escapes mean the characters; line ends are our own.
    return visible_lines(text)


def _deceives(char: str) -> bool:
    return unicodedata.category(char) in _DECEPTIVE


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFFFF:  # noqa: PLR2004 - the end of the plane that one escape reaches.
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
