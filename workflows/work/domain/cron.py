"""The slots of a cron rule by a clock that is set forward and back.

Note [What the clock reads]: as Debian's cron has it, and for shifts of any length.

- A rule whose hour or minute begins with `*` means the clock: it fires whenever the clock reads
  a time that matches. In a stretch that comes twice it fires twice; a time that is left out is
  never read.
- A rule that names its hours and minutes means something done at that time: it fires once in
  what comes twice, the first time, and right after the gap in which it would have been.

cronsim matches times of a clock that is never set. Given a zone it counts minutes on across a
shift, and by half an hour (Australia/Lord_Howe) it came to stand beside its own rule.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

_MINUTE = timedelta(minutes=1)


def slots_after(cron: str, zone: ZoneInfo, moment: datetime) -> Iterator[datetime]:
    """Return the slots later than `moment`, in UTC and in order."""
    for slot in _in_order(cron, zone, CronSim(cron, _start(zone, moment))):
        # Several times that are left out come to the same end of the gap.
        if slot > moment:
            moment = slot
            yield slot


def slot_before(cron: str, zone: ZoneInfo, moment: datetime) -> datetime:
    """Return a slot not later than `moment`, in UTC, and close to it: there must be one."""
    backwards = CronSim(cron, _local(zone, moment), reverse=True)
    readings = (slot for time in backwards for slot in _readings(cron, zone, time)[:1])
    return next(slot for slot in readings if slot <= moment)


def _in_order(cron: str, zone: ZoneInfo, times: Iterator[datetime]) -> Iterator[datetime]:
    again: list[datetime] = []
    for time in times:
        readings = _readings(cron, zone, time)
        while again and readings and again[0] < readings[0]:
            yield again.pop(0)
        yield from readings[:1]
        again += readings[1:]
    yield from again


def _readings(cron: str, zone: ZoneInfo, time: datetime) -> list[datetime]:
    """Return when the clock of `zone` reads `time`, as far as `cron` fires then."""
    first, second = _instants(zone, time)
    if _local(zone, first) == time:
        return [first] if first == second or _names_its_time(cron) else [first, second]
    return [_end_of_gap(zone, time)] if _names_its_time(cron) else []


def _end_of_gap(zone: ZoneInfo, time: datetime) -> datetime:
    while _local(zone, _instants(zone, time)[0]) != time:
        time += _MINUTE
    return _instants(zone, time)[0]


def _names_its_time(cron: str) -> bool:
    return not any(field.startswith("*") for field in cron.split()[:2])


def _start(zone: ZoneInfo, moment: datetime) -> datetime:
    """Return the time from which to look: earlier than now if that is still to come again."""
    time = _local(zone, moment)
    first, second = _instants(zone, time)
    return time - (second - first) if first == moment != second else time


def _local(zone: ZoneInfo, moment: datetime) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _instants(zone: ZoneInfo, time: datetime) -> tuple[datetime, datetime]:
    first, second = (time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second
