"""The times at which a schedule fires: cron with time zone and DST, a fixed interval, or once."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from events.domain.errors import Rejected
from workflows.work.domain.cron import slot_before, slots_after

SLOTS_MAX = 500
"""How many overdue slots one pass looks at."""
CADENCE_S_MAX = 366 * 86_400


class Missed(StrEnum):
    """What becomes of slots that could not be fired in time."""

    SKIP = "skip"
    MERGE = "merge"
    """One firing for all of them."""
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of a slot while the work of the one before is not finished."""

    SKIP = "skip"
    QUEUE = "queue"


class Fate(StrEnum):
    """What became of a slot."""

    FIRED = "fired"
    MISSED = "missed"
    OVERLAPPED = "overlapped"
    QUEUED = "queued"
    """Fires when the work of the slot before it is finished."""


class ScheduleInvalid(Rejected):
    code = "schedule_invalid"
    hint = "Correct the rule; nothing was changed."

    def __init__(self, detail: str, *, pointer: str) -> None:
        super().__init__(detail, pointer=pointer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Exactly one of `cron`, `every_s` (counted from `anchor_at`) and `at`."""

    cron: str = ""
    every_s: int | None = None
    at: datetime | None = None
    tz: str = "UTC"
    anchor_at: datetime

    def __post_init__(self) -> None:
        if sum((bool(self.cron), self.every_s is not None, self.at is not None)) != 1:
            raise ScheduleInvalid("Give exactly one of cron, every and at.", pointer="/cron")
        if self.every_s is not None and not 1 <= self.every_s <= CADENCE_S_MAX:
            raise ScheduleInvalid("A cadence is from one second to a year.", pointer="/every")
        if self.at is not None and self.at.tzinfo is None:
            raise ScheduleInvalid("A moment has an offset.", pointer="/at")
        if self.cron:
            _check_cron(self.cron)
        _zone(self.tz)

    def check_can_be_declared(self) -> None:
        """Refuse a zone that is another one on the next machine, or none on any clock.

        Not part of the rule itself: what was declared before this was known still fires.

        :raises ScheduleInvalid: if `tz` is such a zone.
        """
        if not is_place(self.tz):
            raise ScheduleInvalid(
                f"{self.tz!r} is not the same on every machine: "
                "say a place such as Europe/Berlin, or UTC.",
                pointer="/tz",
            )

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first slot later than `moment`, in UTC; none if there is none."""
        return next(self._slots_after(moment), None)

    def slots(self, *, first: datetime, until: datetime) -> list[datetime]:
        """Return the slots from `first` (a slot itself) to `until`, at most SLOTS_MAX."""
        later = takewhile(lambda slot: slot <= until, self._slots_after(first))
        return [first, *islice(later, SLOTS_MAX - 1)]

    def last_until(self, moment: datetime) -> datetime:
        """Return the last slot not later than `moment`, in UTC: there must be one."""
        if self.every_s is not None:
            step = timedelta(seconds=self.every_s)
            return self.anchor_at + step * ((moment - self.anchor_at) // step)
        if self.at is not None:
            return self.at
        # Going back by the clock may pass over a slot of a shift: step back, then forth.
        near = slot_before(self.cron, _zone(self.tz), moment)
        return self.slots(first=near, until=moment)[-1]

    def _slots_after(self, moment: datetime) -> Iterator[datetime]:
        if self.cron:
            yield from slots_after(self.cron, _zone(self.tz), moment)
        elif self.every_s is not None:
            step = timedelta(seconds=self.every_s)
            slot = self.anchor_at + step * ((moment - self.anchor_at) // step)
            while True:
                slot += step
                yield slot
        elif self.at is not None and self.at > moment:
            yield self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One slot to settle: fired or missed, standing for `stands_for` slots."""

    slot_at: datetime
    is_fired: bool
    stands_for: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    firings: Sequence[Firing]
    next_at: datetime | None


def plan(
    rule: Rule, *, first: datetime, now: datetime, missed: Missed, missed_after_s: float
) -> Plan:
    """Decide what becomes of the slots from `first` to `now`, and which is next.

    A slot is missed when the one after it is due as well, or when it is later than
    `missed_after_s`.
    """
    assert first <= now, "nothing is due"
    due = rule.slots(first=first, until=now)
    if missed is Missed.ALL:
        firings = [Firing(slot_at=slot, is_fired=True) for slot in due]
        return Plan(firings=firings, next_at=rule.next_after(due[-1]))
    last = due[-1] if len(due) < SLOTS_MAX else rule.last_until(now)
    is_late = (now - last).total_seconds() > missed_after_s
    is_fired = missed is Missed.MERGE or not is_late
    firing = Firing(slot_at=last, is_fired=is_fired, stands_for=len(due))
    return Plan(firings=[firing], next_at=rule.next_after(last))


_CADENCE = re.compile(r"(?P<count>\d{1,9})\s*(?P<unit>[smhd])", re.ASCII)
_ISO = re.compile(r"P(?:(?P<d>\d{1,6})D)?(?:T(?:(?P<h>\d{1,6})H)?(?:(?P<m>\d{1,6})M)?"
                  r"(?:(?P<s>\d{1,9})S)?)?", re.ASCII)  # fmt: skip
# Some file systems do not tell capitals apart, and then nor does ZoneInfo.
_NO_PLACE = re.compile(r"localtime|posixrules|factory|(posix|right)/.*", re.IGNORECASE)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def cadence_s(every: str | float | timedelta) -> int:
    """Read "30s", "5 m", "2h", "1d", "PT10M", seconds or a timedelta as whole seconds.

    :raises ScheduleInvalid: if it is none of these, or no whole number of seconds above zero.
    """
    seconds = _seconds_of(every)
    if seconds is None or seconds != int(seconds) or not 1 <= seconds <= CADENCE_S_MAX:
        raise ScheduleInvalid(
            f"{every!r} is no cadence: say 30s, 5m, 2h, 1d or PT10M.", pointer="/every"
        )
    return int(seconds)


def _seconds_of(every: str | float | timedelta) -> float | None:
    if isinstance(every, timedelta):
        return every.total_seconds()
    if not isinstance(every, str):
        return every
    if match := _CADENCE.fullmatch(every):
        return int(match["count"]) * _UNIT_S[match["unit"]]
    if (match := _ISO.fullmatch(every)) and any(match.groups()):
        return sum(int(count) * _UNIT_S[unit] for unit, count in match.groupdict("0").items())
    return None


def _check_cron(cron: str) -> None:
    if len(cron.split()) != 5:  # noqa: PLR2004 (minute hour day month weekday)
        raise ScheduleInvalid("A cron expression has five fields.", pointer="/cron")
    try:
        CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ScheduleInvalid(
            f"{cron!r} is no cron expression: {error}.", pointer="/cron"
        ) from error


def is_place(zone: str) -> bool:
    """Return whether a zone means the same everywhere, and keeps the time of civil clocks.

    `localtime` and `posixrules` are links that a machine sets; `right/` counts leap seconds;
    `posix/` is not on every machine; `Factory` is the zone of a machine that was not set up.
    """
    return _NO_PLACE.fullmatch(zone) is None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleInvalid(f"{name!r} is no time zone.", pointer="/tz") from error
