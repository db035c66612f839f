"""Makes invisible and bidirectional control characters visible. Escaping is up to templates."""

import json
import re
import unicodedata
from typing import Any

# Controls, formats (bidi overrides, zero widths), separators, private use, surrogates.
_DECEPTIVE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})

_BEYOND_PLAIN = re.compile(r"[^\t\n\r\x20-\x7e]+")
# Fields that are not prose, or that are sent back unchanged.
_NOT_SHOWN = re.compile(
    r"(<(?P<whole>textarea|script|style)\b.*?</(?P=whole)>|<[^>]*>)", re.DOTALL | re.IGNORECASE
)


def visible(text: str) -> str:
    """Show characters that hide themselves or turn the line around as `\\u202e`."""
    if text.isprintable():
        return text
    return "".join(_escape(char) if _deceives(char) else char for char in text)


def visible_lines(text: str) -> str:
    """Do the same for a text of several lines, and leave the ends of its lines alone."""
    return "\n".join(visible(line) for line in text.split("\n"))


def visible_page(page: str) -> str:
    """Do the same for what a page shows that is written already.

    Its layout is left alone, and so are values of fields: they come back as they are.
    """
    shown, at = [], 0
    for markup in _NOT_SHOWN.finditer(page):
        shown += [_visible_words(page[at : markup.start()]), markup[0]]
        at = markup.end()
    return "".join([*shown, _visible_words(page[at:])])


def _visible_words(words: str) -> str:
    return _BEYOND_PLAIN.sub(lambda found: visible(found[0]), words)


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
