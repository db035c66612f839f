"""Whatever the rule and however the clock is set, the slots are what the clock reads."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim
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
    st.sampled_from(["*/7", "*/30"]),
    st.sets(st.integers(0, 59), min_size=1, max_size=3).map(
        lambda found: ",".join(map(str, found))
    ),
)
RULES_OF_THE_CLOCK = st.builds(
    "{} {} * * *".format, MINUTES, st.sampled_from(["*", "*/2", "*/3", "*/5"])
)


def read(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


@given(
    cron=RULES_OF_THE_CLOCK,
    shift=st.sampled_from(SHIFTS),
    asked_at=st.integers(-180, 180),
    seconds=st.sampled_from([0, 1, 59]),
)
@settings(max_examples=100)
def test_slots_around_a_shift_are_what_a_clock_reads_minute_by_minute(
    cron: str, shift: tuple[str, str], asked_at: int, seconds: int
) -> None:
    zone, at = ZoneInfo(shift[0]), datetime.fromisoformat(shift[1]).replace(tzinfo=UTC)
    rule = Rule(cron=cron, tz=shift[0], anchor_at=at)
    minutes = [at + number * MINUTE for number in range(-720, 720)]
    read_then = [
        minute
        for minute in minutes
        if next(CronSim(cron, read(minute, zone) - MINUTE)) == read(minute, zone)
    ]
    now = at + asked_at * MINUTE + timedelta(seconds=seconds)

    assert rule.next_after(now) == next(slot for slot in read_then if slot > now)
    assert rule.last_until(now) == [slot for slot in read_then if slot <= now][-1]
