"""Document numbers: a series counts up within a period, without gaps."""

from datetime import date
from enum import StrEnum

from events.domain.errors import Conflict

SEQUENCE_MAX = 999_999


class Reset(StrEnum):
    NEVER = "never"
    ANNUAL = "annual"
    MONTHLY = "monthly"


class SeriesExhausted(Conflict):
    code = "number_series_exhausted"
    hint = "Start a new series."

    def __init__(self, series: str, period: str) -> None:
        super().__init__(
            f"Series {series} has no number left in period {period or 'of all time'}.",
            series=series,
            period=period,
        )


def period_of(reset: Reset, day: date) -> str:
    """Return the period of `day`: "", a year ("26") or a month ("2611")."""
    match reset:
        case Reset.NEVER:
            return ""
        case Reset.ANNUAL:
            return f"{day:%y}"
        case Reset.MONTHLY:
            return f"{day:%y%m}"


def format_number(prefix: str, period: str, sequence: int) -> str:
    """Return `BK-2611-000001`, or `BK-000001` when the series has no periods.

    :raises SeriesExhausted: if `sequence` has more than six digits.
    """
    if sequence > SEQUENCE_MAX:
        raise SeriesExhausted(prefix, period)
    return "-".join(part for part in (prefix, period, f"{sequence:06d}") if part)
