"""Times as Argyll formats them: RFC 3339, UTC, and the year 1 for an absent one."""

from datetime import datetime

from events.domain.times import rfc3339

NEVER = "0001-01-01T00:00:00Z"


def written(at: datetime | None) -> str:
    """Return `at` as text, with microseconds."""
    return NEVER if at is None else rfc3339(at)


def read(text: str | None) -> datetime | None:
    """Return the time that `written` wrote; None for the unset one."""
    if not text or text == NEVER:
        return None
    return datetime.fromisoformat(text)
