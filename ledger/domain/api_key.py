"""The written form of a key: `daybook_<prefix>_<secret><checksum>`.

That of an agent begins with `daybook_agent_`, so that it is not taken for a person's.

The prefix is public and names the key. The secret is 32 random bytes. The checksum lets a
typing error, or a secret scanner, be answered without asking the database.
"""

import re
import zlib
from dataclasses import dataclass, field

PREFIX_CHARS = 12
SECRET_BYTES = 32

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_CHARS = 43  # ceil(256 / log2(62))
_CHECKSUM_CHARS = 6  # ceil(32 / log2(62))

_TAIL_CHARS = _SECRET_CHARS + _CHECKSUM_CHARS

SCANNER_PATTERN = rf"daybook_(?:agent_)?[0-9a-z]{{{PREFIX_CHARS}}}_[0-9A-Za-z]{{{_TAIL_CHARS}}}"
"""What secret scanners look for (docs/api.md publishes it)."""

_WRITTEN = re.compile(SCANNER_PATTERN)


@dataclass(frozen=True, slots=True)
class WrittenKey:
    """A key as its holder writes it. Its repr never shows the secret."""

    prefix: str
    text: str = field(repr=False)
    is_of_agent: bool = False

    def __str__(self) -> str:
        return f"{_head(self.prefix, is_of_agent=self.is_of_agent)}_…"


def write(*, prefix: str, random_bytes: bytes, is_of_agent: bool = False) -> WrittenKey:
    """Put a key together."""
    assert len(prefix) == PREFIX_CHARS
    assert len(random_bytes) == SECRET_BYTES
    secret = _base62(int.from_bytes(random_bytes, "big"), _SECRET_CHARS)
    body = f"{_head(prefix, is_of_agent=is_of_agent)}_{secret}"
    return WrittenKey(prefix, body + _checksum(body), is_of_agent)


def read(text: str) -> WrittenKey | None:
    """Take a key apart; None if it has not the form of a key."""
    if (
        not _WRITTEN.fullmatch(text)
        or _checksum(text[:-_CHECKSUM_CHARS]) != text[-_CHECKSUM_CHARS:]
    ):
        return None
    *head, prefix, _ = text.split("_")
    return WrittenKey(prefix, text, len(head) > 1)


def prefix_from(random_bytes: bytes) -> str:
    """Make a prefix (lower case and digits) from random bytes."""
    number = int.from_bytes(random_bytes, "big")
    return _base62(number, PREFIX_CHARS, alphabet=_ALPHABET[:10] + _ALPHABET[36:])


def _head(prefix: str, *, is_of_agent: bool) -> str:
    return f"daybook_agent_{prefix}" if is_of_agent else f"daybook_{prefix}"


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_CHARS)


def _base62(number: int, length: int, alphabet: str = _ALPHABET) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return "".join(reversed(digits))
