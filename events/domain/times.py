"""Moments as text."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """Return an aware moment as RFC 3339 has it, in UTC, with `Z` and up to microseconds."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def rfc3339_or_none(moment: datetime | None) -> str | None:
    """Return a moment as `rfc3339` does, None if there is none."""
    return None if moment is None else rfc3339(moment)
