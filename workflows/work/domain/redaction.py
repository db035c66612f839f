"""Redacts and shortens text for the journal: no secrets, no addresses, bounded size."""

from events.domain import redaction

ERROR_CHARS_MAX = 2_000
STACK_CHARS_MAX = 8_000


def redact(text: str) -> str:
    """Return `text` without secrets and addresses, as PostgreSQL can store it."""
    # PostgreSQL's text holds no NUL, and a lone surrogate has no UTF-8.
    storable = text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return redaction.redact(storable)


def short_error(text: str) -> str:
    """Return the beginning of an error's text, without secrets."""
    return redact(text[: ERROR_CHARS_MAX * 2])[:ERROR_CHARS_MAX]


def short_stack(text: str) -> str:
    """Return the end of a traceback, where the cause is, without secrets."""
    return redact(text[-STACK_CHARS_MAX * 2 :])[-STACK_CHARS_MAX:]
