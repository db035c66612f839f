from datetime import UTC, datetime, timedelta

import pytest

from workflows.work.domain.timing import (
    SLOTS_MAX,
    Firing,
    Missed,
    Rule,
    ScheduleInvalid,
    cadence_s,
    is_place,
    plan,
)

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(rule: Rule, start: str, count: int) -> list[str]:
    moment, found = utc(start), []
    for _ in range(count):
        following = rule.next_after(moment)
        assert following is not None
        found.append(following.strftime("%m-%d %H:%M"))
        moment = following
    return found


class TestCronAcrossDst:
    def test_keeps_local_time(self) -> None:
        rule = Rule(cron="0 9 * * *", tz=BERLIN, anchor_at=NOON)

        assert slots(rule, "2026-03-28 00:00", 3) == ["03-28 08:00", "03-29 07:00", "03-30 07:00"]

    def test_fires_right_after_the_hour_that_is_missing(self) -> None:
        rule = Rule(cron="30 2 * * *", tz=BERLIN, anchor_at=NOON)

        assert slots(rule, "2026-03-28 12:00", 2) == ["03-29 01:00", "03-30 00:30"]

    def test_fires_once_in_the_hour_that_comes_twice(self) -> None:
        rule = Rule(cron="30 2 * * *", tz=BERLIN, anchor_at=NOON)

        assert slots(rule, "2026-10-24 12:00", 2) == ["10-25 00:30", "10-26 01:30"]

    def test_does_not_go_back_when_asked_within_the_second_of_the_two(self) -> None:
        rule = Rule(cron="30 2 * * *", tz=BERLIN, anchor_at=NOON)

        assert slots(rule, "2026-10-25 01:10", 1) == ["10-26 01:30"]

    def test_goes_on_in_real_time_when_every_hour_is_meant(self) -> None:
        rule = Rule(cron="*/30 * * * *", tz=BERLIN, anchor_at=NOON)

        assert slots(rule, "2026-10-25 00:15", 4) == [
            "10-25 00:30",
            "10-25 01:00",
            "10-25 01:30",
            "10-25 02:00",
        ]

    @pytest.mark.parametrize(
        ("cron", "start", "expected"),
        [
            # 01:30, 01:30 again, 02:30: half an hour is lived through twice.
            ("30 * * * *", "2027-04-03 14:00", ["04-03 14:30", "04-03 15:00", "04-03 16:00"]),
            ("15 * * * *", "2027-04-03 14:00", ["04-03 14:15", "04-03 15:45", "04-03 16:45"]),
            ("0 */2 * * *", "2027-04-03 14:00", ["04-03 15:30", "04-03 17:30", "04-03 19:30"]),
            # Asked in the first of the two half hours, about a time before now.
            ("40 * * * *", "2027-04-03 14:50", ["04-03 15:10", "04-03 16:10", "04-03 17:10"]),
            # Asked in the second.
            ("40 * * * *", "2027-04-03 15:20", ["04-03 16:10", "04-03 17:10", "04-03 18:10"]),
            ("45 1 * * *", "2027-04-03 14:00", ["04-03 14:45", "04-04 15:15", "04-05 15:15"]),
            # 01:30, 02:30, 03:30: half an hour is left out, from 02:00 on.
            ("30 * * * *", "2027-10-02 14:50", ["10-02 15:00", "10-02 15:30", "10-02 16:30"]),
            ("15 * * * *", "2027-10-02 14:40", ["10-02 14:45", "10-02 16:15", "10-02 17:15"]),
            ("15 2 * * *", "2027-10-02 14:50", ["10-02 15:30", "10-03 15:15", "10-04 15:15"]),
        ],
    )
    def test_goes_by_what_the_clock_reads_when_it_is_set_by_half_an_hour(
        self, cron: str, start: str, expected: list[str]
    ) -> None:
        rule = Rule(cron=cron, tz="Australia/Lord_Howe", anchor_at=NOON)

        assert slots(rule, start, 3) == expected

    def test_waits_for_a_leap_day(self) -> None:
        rule = Rule(cron="0 0 29 2 *", anchor_at=NOON)

        assert rule.next_after(NOON) == utc("2028-02-29 00:00")


class TestRule:
    @pytest.mark.parametrize(
        ("properties", "message"),
        [
            ({}, "Give exactly one of cron, every and at."),
            ({"cron": "* * * * *", "every_s": 5}, "Give exactly one of cron, every and at."),
            ({"cron": "* * * * * *"}, "A cron expression has five fields."),
            ({"cron": "61 * * * *"}, "'61 * * * *' is no cron expression: Bad minute."),
            ({"cron": "0 0 30 2 *"}, "'0 0 30 2 *' is no cron expression: Bad day-of-month."),
            ({"every_s": 0}, "A cadence is from one second to a year."),
            ({"at": datetime(2026, 1, 1)}, "A moment has an offset."),  # noqa: DTZ001
            ({"every_s": 5, "tz": "Mars/Base"}, "'Mars/Base' is no time zone."),
            ({"every_s": 5, "tz": "../../etc/passwd"}, "'../../etc/passwd' is no time zone."),
        ],
    )
    def test_refuses_what_never_fires(self, properties: dict[str, object], message: str) -> None:
        with pytest.raises(ScheduleInvalid) as refusal:
            Rule(anchor_at=NOON, **properties)  # type: ignore[arg-type]

        assert str(refusal.value) == message

    @pytest.mark.parametrize(
        "zone", ["localtime", "LOCALTIME", "posixrules", "Factory", "right/Europe/Berlin"]
    )
    def test_is_not_declared_in_a_zone_of_one_machine(self, zone: str) -> None:
        try:
            rule = Rule(cron="0 9 * * *", tz=zone, anchor_at=NOON)
        except ScheduleInvalid:
            return  # This machine has no such zone at all.

        with pytest.raises(ScheduleInvalid, match="is not the same on every machine") as refusal:
            rule.check_can_be_declared()
        assert refusal.value.pointer == "/tz"

    @pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Etc/GMT+5"])
    def test_is_declared_in_a_zone_that_is_the_same_everywhere(self, zone: str) -> None:
        assert is_place(zone)

    def test_fires_once_when_a_time_is_set(self) -> None:
        rule = Rule(at=NOON, anchor_at=NOON)

        assert rule.next_after(NOON - timedelta(seconds=1)) == NOON
        assert rule.next_after(NOON) is None

    def test_counts_a_cadence_from_its_anchor(self) -> None:
        rule = Rule(every_s=90, anchor_at=NOON)

        assert rule.next_after(NOON + timedelta(seconds=100)) == NOON + timedelta(seconds=180)


class TestCadence:
    @pytest.mark.parametrize(
        ("written", "seconds"),
        [
            ("30s", 30),
            ("5 m", 300),
            ("2h", 7200),
            ("1d", 86_400),
            ("PT10M", 600),
            ("P1DT1S", 86_401),
            (45, 45),
            (timedelta(minutes=1), 60),
        ],
    )
    def test_reads(self, written: str | float | timedelta, seconds: int) -> None:
        assert cadence_s(written) == seconds

    @pytest.mark.parametrize("written", ["0s", "", "P", "PT", "1 fortnight", "-5s", 0.5, 0, "٣s"])
    def test_refuses(self, written: str | float) -> None:
        with pytest.raises(ScheduleInvalid, match="is no cadence: say 30s, 5m, 2h, 1d or PT10M"):
            cadence_s(written)


class TestPlan:
    RULE = Rule(every_s=60, anchor_at=NOON)
    FIRST = NOON + timedelta(seconds=60)

    def planned(self, late_s: float, missed: Missed) -> tuple[list[Firing], datetime | None]:
        now = self.FIRST + timedelta(seconds=late_s)
        made = plan(self.RULE, first=self.FIRST, now=now, missed=missed, missed_after_s=60)
        return list(made.firings), made.next_at

    @pytest.mark.parametrize("missed", list(Missed))
    def test_fires_what_is_in_time(self, missed: Missed) -> None:
        assert self.planned(0.5, missed) == (
            [Firing(slot_at=self.FIRST, is_fired=True)],
            self.FIRST + timedelta(seconds=60),
        )

    def test_skips_what_was_missed_and_fires_the_one_in_time(self) -> None:
        fired, next_at = self.planned(185, Missed.SKIP)

        last = self.FIRST + timedelta(seconds=180)
        assert fired == [Firing(slot_at=last, is_fired=True, stands_for=4)]
        assert next_at == last + timedelta(seconds=60)

    def test_skips_all_when_the_last_is_too_late_as_well(self) -> None:
        rule = Rule(every_s=3600, anchor_at=NOON)
        first = NOON + timedelta(hours=1)
        made = plan(
            rule,
            first=first,
            now=first + timedelta(minutes=10),
            missed=Missed.SKIP,
            missed_after_s=60,
        )

        assert made.firings == [Firing(slot_at=first, is_fired=False)]
        assert made.next_at == NOON + timedelta(hours=2)

    def test_merges_what_was_missed_into_one(self) -> None:
        fired, _ = self.planned(3 * 60 + 59, Missed.MERGE)

        last = self.FIRST + timedelta(seconds=180)
        assert fired == [Firing(slot_at=last, is_fired=True, stands_for=4)]

    def test_makes_up_for_all(self) -> None:
        fired, next_at = self.planned(125, Missed.ALL)

        assert [firing.slot_at for firing in fired] == [
            self.FIRST + timedelta(seconds=60 * number) for number in range(3)
        ]
        assert next_at == self.FIRST + timedelta(seconds=180)

    def test_takes_a_long_absence_in_parts(self) -> None:
        fired, next_at = self.planned(60 * 2 * SLOTS_MAX, Missed.ALL)

        assert len(fired) == SLOTS_MAX
        assert next_at == fired[-1].slot_at + timedelta(seconds=60)

    @pytest.mark.parametrize("cron", ["* * * * *", "*/5 2,3 * * *"])
    def test_jumps_to_the_end_of_a_long_absence(self, cron: str) -> None:
        rule = Rule(cron=cron, tz=BERLIN, anchor_at=NOON)
        first = rule.next_after(utc("2026-03-01 00:00"))
        assert first is not None
        now = utc("2026-03-29 01:02:30")

        made = plan(rule, first=first, now=now, missed=Missed.MERGE, missed_after_s=60)

        [firing] = made.firings
        assert made.next_at is not None
        assert firing.slot_at <= now < made.next_at
        assert rule.next_after(firing.slot_at) == made.next_at
