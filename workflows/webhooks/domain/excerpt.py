"""Excerpts of requests and responses for the log: enough to debug, too little to leak."""

from collections.abc import Mapping

from events.domain.redaction import REDACTED
from workflows.webhooks.domain.signature import SIGNATURE
from workflows.work.domain.redaction import redact

EXCERPT_BYTES_MAX = 4096
HEADERS_KEPT_MAX = 30
HEADER_CHARS_MAX = 256

_NEVER_KEPT = frozenset({SIGNATURE, "authorization", "proxy-authorization", "cookie", "set-cookie"})


def excerpt(body: bytes) -> str:
    """Return the beginning of `body` as text without secrets, at most 4 KiB of it."""
    # Blot out first and cut then: half a secret would not be recognised.
    text = redact(body[: 2 * EXCERPT_BYTES_MAX].decode(errors="replace"))
    return text.encode()[:EXCERPT_BYTES_MAX].decode(errors="ignore")


def headers(given: Mapping[str, str]) -> dict[str, str]:
    """Return `given` for the log: the first thirty, cut, without credentials."""
    kept = {}
    for name, value in list(given.items())[:HEADERS_KEPT_MAX]:
        lower = name.lower()[:HEADER_CHARS_MAX]
        kept[lower] = REDACTED if lower in _NEVER_KEPT else _safe(lower, value)[:HEADER_CHARS_MAX]
    return kept


def _safe(name: str, value: str) -> str:
    # With its name, by which a short secret is known for one.
    return redact(f"{name}: {value}").removeprefix(f"{name}: ")
