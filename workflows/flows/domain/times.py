"""Times as Argyll formats them: RFC 3339, UTC, and the year 1 for an absent one."""

from datetime import UTC, datetime

NEVER = "0001-01-01T00:00:00Z"


def written(at: datetime | None) -> str:
    """Return `at` as text, with microseconds."""
    if at is None:
        return NEVER
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read(text: str | None) -> datetime | None:
    """Return the time that `written` wrote; None for the unset one."""
    if not text or text == NEVER:
        return None
    return datetime.fromisoformat(text)
