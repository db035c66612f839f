"""Whatever the rule and however the clock is set, the slots are what the clock reads."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.work.domain.timing import Rule

MINUTE = timedelta(minutes=1)
# Set by half an hour, by an hour, by two, and at midnight.
SHIFTS = [
    ("Australia/Lord_Howe", "2027-04-03 15:00"),
    ("Australia/Lord_Howe", "2027-10-02 15:30"),
    ("Europe/Berlin", "2026-10-25 01:00"),
    ("Europe/Berlin", "2026-03-29 01:00"),
    ("Antarctica/Troll", "2026-10-25 01:00"),
    ("Antarctica/Troll", "2026-03-29 01:00"),
    ("America/Havana", "2026-03-08 05:00"),
]
MINUTES = st.one_of(
    st.sampled_from([("*/7", {*range(0, 60, 7)}), ("*/30", {0, 30})]),
    st.sets(st.integers(0, 59), min_size=1, max_size=3).map(
        lambda found: (",".join(map(str, found)), found)
    ),
)
EVERY_HOURS = st.sampled_from([("*", 1), ("*/2", 2), ("*/3", 3), ("*/5", 5)])


def read(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone)


@given(
    minute=MINUTES,
    hour=EVERY_HOURS,
    shift=st.sampled_from(SHIFTS),
    asked_at=st.integers(-180, 180),
    seconds=st.sampled_from([0, 1, 59]),
)
@settings(max_examples=100)
def test_slots_around_a_shift_are_what_a_clock_reads_minute_by_minute(
    minute: tuple[str, set[int]],
    hour: tuple[str, int],
    shift: tuple[str, str],
    asked_at: int,
    seconds: int,
) -> None:
    zone, at = ZoneInfo(shift[0]), datetime.fromisoformat(shift[1]).replace(tzinfo=UTC)
    rule = Rule(cron=f"{minute[0]} {hour[0]} * * *", tz=shift[0], anchor_at=at)
    clock = {then: read(then, zone) for then in (at + n * MINUTE for n in range(-720, 720))}
    read_then = [
        then for then, says in clock.items() if says.minute in minute[1] and not says.hour % hour[1]
    ]
    now = at + asked_at * MINUTE + timedelta(seconds=seconds)

    assert rule.next_after(now) == next(slot for slot in read_then if slot > now)
    assert rule.last_until(now) == [slot for slot in read_then if slot <= now][-1]
