import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any, ClassVar

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, transaction

from events import doctor, invariants, recorder, samples, sequencer
from events.models import StoredEvent

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _five_events() -> None:
    with transaction.atomic():
        for number in range(5):
            recorder.emit("tally.added", {"number": number}, stream=("tally", "t1"))
    sequencer.sequence_once()
    with transaction.atomic():
        recorder.emit("tally.added", {"number": 5}, stream=("tally", "t1"))


def tamper(sql: str) -> None:
    """Do what triggers and grants refuse to everybody but a superuser."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.mark.parametrize(
    ("sql", "inspect", "violations"),
    [
        (
            "DELETE FROM events_event WHERE sequence = 2",
            invariants.streams_are_gapless,
            ["tally/t1/ has an event 3, and none before it"],
        ),
        (
            "DELETE FROM events_position WHERE position = 2",
            invariants.every_event_has_its_place,
            [
                "4 positions lie between 1 and 5",
                "1 events have neither a position nor a place in the queue",
            ],
        ),
        (
            "DELETE FROM events_unsequenced",
            invariants.every_event_has_its_place,
            ["1 events have neither a position nor a place in the queue"],
        ),
        (
            "INSERT INTO events_unsequenced SELECT event FROM events_position LIMIT 1",
            invariants.every_event_has_its_place,
            ["1 events have a position and wait for one too"],
        ),
        (
            """INSERT INTO events_unsequenced (event, others)
            SELECT -1, array_agg(event) FROM events_position WHERE position < 3""",
            invariants.every_event_has_its_place,
            [
                "2 events have a position and wait for one too",
                "1 events wait for a position twice, or are no events",
            ],
        ),
        (
            "UPDATE events_unsequenced SET others = ARRAY[event]",
            invariants.every_event_has_its_place,
            ["1 events wait for a position twice, or are no events"],
        ),
        (
            "ALTER TABLE events_event DISABLE TRIGGER events_event_keeps_its_rules",
            invariants.events_are_held_to_their_rules,
            ["events_event: the trigger events_event_keeps_its_rules sleeps, or is gone"],
        ),
        (
            "ALTER TABLE events_event DROP CONSTRAINT events_one_event_per_id",
            invariants.constraints_are_there,
            ["events_event: the constraint events_one_event_per_id is gone"],
        ),
        (
            "INSERT INTO events_payload VALUES (repeat('0', 64), 'text')",
            invariants.payloads_are_as_hashed,
            [f"the payload {'0' * 64} is not what its hash says"],
        ),
        (
            "INSERT INTO events_position VALUES (6, -1)",
            invariants.every_event_has_its_place,
            ["1 positions point at no event"],
        ),
        (
            """UPDATE events_position SET event = -event;
            UPDATE events_position SET event =
              (SELECT id FROM events_event WHERE sequence = 6 - position)""",
            invariants.every_event_has_its_place,
            ["4 positions run against the order of their stream"],
        ),
        (
            "UPDATE events_event SET recorded_at = now() - interval '1 minute'",
            invariants.sequencer_keeps_up,
            ["1 events wait, the oldest for 60"],  # And as long as the machine took to look.
        ),
    ],
)
def test_finds_what_was_tampered_with(
    sql: str, inspect: Callable[[], list[str]], violations: list[str]
) -> None:
    assert inspect() == []

    tamper(sql)

    found = inspect()
    assert len(found) == len(violations)
    assert all(map(str.startswith, found, violations))


class TestALongLog:
    """Of six events the last two are looked at, and two of the four before them."""

    DAMAGE: ClassVar = {
        invariants.streams_are_gapless: "DELETE FROM events_event WHERE sequence = {}",
        invariants.every_event_has_its_place: "DELETE FROM events_position WHERE event = "
        "(SELECT id FROM events_event WHERE sequence = {})",
    }

    @pytest.fixture(autouse=True)
    def _two_of_each(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(samples, "SAMPLED_MAX", 2)
        sequencer.sequence_once()
        assert [check() for check in self.DAMAGE] == [[], []]

    @pytest.mark.parametrize("check", DAMAGE)
    def test_is_looked_at_where_it_is_new(self, check: Callable[[], list[str]]) -> None:
        tamper(self.DAMAGE[check].format(5))

        assert check() != []

    @pytest.mark.parametrize("check", DAMAGE)
    def test_is_looked_at_everywhere_sooner_or_later(self, check: Callable[[], list[str]]) -> None:
        tamper(self.DAMAGE[check].format(2))

        found = [bool(check()) for _ in range(100)]

        assert True in found
        assert False in found


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def _checks_of_their_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "_checks", {})

        @doctor.check("I10", "ten is ten")
        def ten() -> list[str]:
            return []

        @doctor.check("I2", "two is two")
        def two() -> list[str]:
            return [f"two is {number}" for number in range(25)]

        @doctor.check("tea", "there is tea")
        def tea() -> list[str]:
            raise ZeroDivisionError("no kettle")

    def run(self, *args: str) -> str:
        output = StringIO()
        with pytest.raises(SystemExit) as exit_:
            call_command("doctor", *args, stdout=output, no_color=True)
        assert exit_.value.code == 1
        return output.getvalue()

    def test_prints_a_line_per_check_and_what_it_found(self) -> None:
        lines = self.run().splitlines()

        assert lines[:2] == ["FAIL I2: two is two", "       two is 0"]
        assert lines[21:] == [
            "       and 5 more",
            "ok   I10: ten is ten",
            "FAIL tea: there is tea",
            "       could not be checked: ZeroDivisionError: no kettle",
        ]

    def test_prints_json_for_programs(self) -> None:
        findings: list[dict[str, Any]] = json.loads(self.run("--json"))

        assert [each["id"] for each in findings] == ["I2", "I10", "tea"]
        assert [each["count"] for each in findings] == [25, 0, 1]

    def test_ends_well_when_all_is_well(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for id_ in ("I2", "tea"):
            monkeypatch.delitem(doctor._checks, id_)

        call_command("doctor", stdout=StringIO())


class TestWhatWaits:
    @pytest.fixture(autouse=True)
    def _somebody_is_late(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "_checks", {})

        @doctor.check("lag", "nobody is late", is_of_work=True)
        def lag() -> list[str]:
            return ["somebody is late"]

    def test_fails_while_others_are_connected(self) -> None:
        with psycopg.connect(**connection.get_connection_params()):
            [found] = doctor.run(is_visit=True)

        assert not found.is_healthy

    def test_is_told_and_does_not_fail_while_nothing_runs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Other tests of this process keep connections to this database.
        monkeypatch.setattr(doctor, "others_are_connected", lambda: False)
        output = StringIO()

        call_command("doctor", stdout=output, no_color=True)

        assert output.getvalue().splitlines() == [
            "wait lag: nobody is late",
            "       somebody is late",
            "       Nothing runs here: it waits for the next process that is started.",
        ]

    def test_fails_when_a_process_of_the_product_asks(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(doctor, "others_are_connected", lambda: False)

        assert [each.is_healthy for each in doctor.run()] == [False]

    def test_does_not_excuse_what_the_data_say(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "others_are_connected", lambda: False)
        doctor.check("I2", "two is two")(lambda: ["two is three"])

        found = {each.id: each.is_healthy for each in doctor.run(is_visit=True)}

        assert found == {"I2": False, "lag": True}


@pytest.mark.django_db(transaction=True)
class TestACheck:
    def test_sees_one_moment_of_what_others_change_meanwhile(self) -> None:
        def inspect() -> list[str]:
            before = StoredEvent.objects.count()
            with ThreadPoolExecutor(1) as other:
                other.submit(somebody_writes).result()
            return [] if StoredEvent.objects.count() == before else ["something came in between"]

        before = StoredEvent.objects.count()
        found = doctor.examine(doctor.Check(id="lab", meaning="a test", inspect=inspect))

        assert (found.count, StoredEvent.objects.count()) == (0, before + 1)

    def test_holds_no_transaction_while_it_asks_others(self) -> None:
        def inspect() -> list[str]:
            return ["there is one"] if connection.in_atomic_block else []

        check = doctor.Check(id="lab", meaning="a test", inspect=inspect, asks_others=True)

        assert doctor.examine(check).count == 0
        assert [each.id for each in doctor.checks() if each.asks_others] == ["I13-witnesses"]


def somebody_writes() -> None:
    try:
        with transaction.atomic():
            recorder.emit("tally.added", {"number": 6}, stream=("tally", "t2"))
    finally:
        connection.close()
