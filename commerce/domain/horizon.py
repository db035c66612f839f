"""How far from today business reaches: beyond it a date is a slip of the keyboard.

Databases take the years 1 to 9999. A departure in one of those is never found by whoever looks
for it, and a hold until then keeps its seats for good.
"""

from datetime import date, datetime, timedelta

from events.domain.errors import Rejected

HORIZON = timedelta(days=36_525)
"""A hundred years either way. Wide on purpose: "2099" is how people write "at some time"."""

CLOCKS_DIFFER = timedelta(hours=1)
"""How far the clock of another system may be ahead of ours."""


class BeyondHorizon(Rejected):
    code = "beyond_horizon"
    hint = "Check the year: dates are limited to a hundred years before or after today."

    def __init__(self, when: date, *, pointer: str) -> None:
        super().__init__(
            f"{when.isoformat()} is more than a hundred years from today.",
            pointer=pointer,
            given=when.isoformat(),
        )


class StillToCome(Rejected):
    code = "still_to_come"
    hint = "Give the time at which it happened, or leave it out if that is now."

    def __init__(self, when: datetime, *, pointer: str) -> None:
        super().__init__(
            f"{when.isoformat()} is in the future.",
            pointer=pointer,
            given=when.isoformat(),
        )


def check_within(when: datetime | None, *, now: datetime, pointer: str) -> None:
    """Do nothing if `when` is a time that business has to do with. None is.

    :raises BeyondHorizon: if it is further from `now` than `HORIZON`.
    """
    if when is not None and abs(when - now) > HORIZON:
        raise BeyondHorizon(when, pointer=pointer)


def check_day_within(day: date | None, *, today: date, pointer: str) -> None:
    """Do for a day what `check_within` does for a moment."""
    if day is not None and abs(day - today) > HORIZON:
        raise BeyondHorizon(day, pointer=pointer)


def check_happened(when: datetime | None, *, now: datetime, pointer: str) -> None:
    """Do nothing if something may have happened at `when`. None is now.

    :raises StillToCome: if that is later than `now`, beyond what clocks differ.
    :raises BeyondHorizon: if it is longer ago than `HORIZON`.
    """
    check_within(when, now=now, pointer=pointer)
    if when is not None and when > now + CLOCKS_DIFFER:
        raise StillToCome(when, pointer=pointer)
