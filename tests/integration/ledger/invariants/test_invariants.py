import base64

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from events import context, doctor
from events.domain.principal import SYSTEM
from events.tables import triggers
from ledger import conf
from ledger.disclosure import disclosing
from ledger.domain.action import Action, Kind, Read, Target
from ledger.invariants import private_data
from ledger.invariants.entries import (
    columns_are_those_of_the_body,
    disclosures_name_fields,
    entries_and_changes_go_together,
)
from ledger.invariants.private_data import keys_of_subjects_open
from ledger.invariants.seals import sealing_keeps_up, seals_hold
from ledger.privacy import subjects
from ledger.recording import recorded
from ledger.sealing import soundness
from ledger.services import seals

pytestmark = pytest.mark.django_db

THING = Target(type="thing", id="t1")


def record() -> str:
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="api_key.read",
    )
    with context.acting(SYSTEM), recorded(action) as proof:
        return str(proof.entry_id)


class TestTheLedger:
    def test_is_healthy_after_an_action(self) -> None:
        record()

        assert entries_and_changes_go_together() == []

    def test_shows_an_entry_that_lost_its_detail(self) -> None:
        entry_id = record()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("UPDATE ledger_entry SET action_kind = 'read'")
            cursor.execute("SET LOCAL session_replication_role = origin")

        assert entries_and_changes_go_together() == [f"entry {entry_id} has no detail"]

    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER TABLE ledger_apikey DISABLE TRIGGER ledger_change_is_on_record",
            "DROP TRIGGER ledger_change_is_on_record ON ledger_apikey",
        ],
    )
    def test_shows_a_trigger_that_sleeps_or_is_gone(self, statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

        assert entries_and_changes_go_together() == [
            "ledger_apikey: the trigger ledger_change_is_on_record sleeps, or is gone"
        ]

    def test_knows_every_trigger_that_is_there(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal"
            )
            there = set(cursor.fetchall())

        assert triggers.made() == there


def tamper(*statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for each in statements:
            cursor.execute(each)
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.mark.django_db(transaction=True)
class TestSeals:
    def test_hold_after_sealing(self) -> None:
        record()
        seals.seal_entries()
        record()

        assert seals_hold() == []
        assert sealing_keeps_up() == []

    def test_that_are_only_late_are_a_matter_of_who_works(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record()
        monkeypatch.setattr(conf, "SEAL_LAG_S_MAX", -1)

        [found] = sealing_keeps_up()

        assert found.startswith("1 entries wait for ")
        assert seals_hold() == []
        [lag] = [each for each in doctor.checks() if each.id == "I13-lag"]
        assert lag.is_of_work

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            ("DELETE FROM ledger_unsealed", "entry {id} is neither sealed nor waits for it"),
            (
                "UPDATE ledger_checkpoint SET signature = repeat('0', 128)",
                "checkpoint 1 is not signed by its key",
            ),
            (
                "UPDATE ledger_checkpoint SET previous = repeat('1', 64)",
                "checkpoint 1 does not follow the one before it",
            ),
            (
                "UPDATE ledger_entry SET body = '{}', digest = encode(sha256('{}'), 'hex')",
                "checkpoint 1: an entry under it was changed",
            ),
            ("DELETE FROM ledger_sealed", "0 positions up to 0, but the seals cover 1"),
            (
                "UPDATE ledger_checkpoint SET statement = '{}'",
                "checkpoint 1 is kept with another statement",
            ),
            (
                "UPDATE ledger_checkpoint SET frontier = ARRAY[repeat('0', 64)]",
                "checkpoint 1 goes on from another tree",
            ),
            (
                "UPDATE ledger_checkpoint SET number = 2, size = 2",
                "1 checkpoints are gone from between the others",
            ),
        ],
    )
    def test_show_what_was_changed(self, change: str, found: str) -> None:
        record()
        seals.seal_entries()
        waiting = record()

        with transaction.atomic():
            tamper(change)

        assert found.format(id=waiting) in seals_hold()

    def test_of_long_ago_come_round(self) -> None:
        for _ in range(soundness.CHECKPOINTS_REREAD + 1):
            record()
            seals.seal_entries()
        assert seals_hold() == []

        with transaction.atomic():
            tamper(
                "UPDATE ledger_entry SET body = '{}', digest = encode(sha256('{}'), 'hex') "
                "WHERE id = (SELECT entry_id FROM ledger_sealed WHERE position = 1)"
            )

        # Of all but the newest there is one to draw.
        assert seals_hold() == ["checkpoint 1: an entry under it was changed"]


@pytest.mark.django_db(transaction=True)
class TestColumns:
    @pytest.mark.parametrize(
        ("change", "column"),
        [
            ("principal_id = 'mallory'", "principal_id"),
            ("target_id = 'another'", "target_id"),
            ("occurred_at = occurred_at - interval '1 microsecond'", "occurred_at"),
            ("delegation_id = gen_random_uuid()", "delegation_id"),
            ("reversal_kind = 'inverse'", "reversal_kind"),
            ("internal_request = NOT internal_request", "internal_request"),
        ],
    )
    def test_are_those_that_were_sealed(self, change: str, column: str) -> None:
        entry_id = record()
        assert columns_are_those_of_the_body() == []

        with transaction.atomic():
            tamper(f"UPDATE ledger_entry SET {change}")

        says = f"entry {entry_id} shows another {column} than was sealed"
        assert says in columns_are_those_of_the_body()


class TestDisclosures:
    def test_show_one_that_names_no_field(self) -> None:
        read = Read(name="thing.look", target=THING, capability="api_key.read", fields=("name",))
        with context.acting(SYSTEM):
            disclosing.disclosed(read, lambda: None)
        assert disclosures_name_fields() == []

        tamper("UPDATE ledger_disclosure SET disclosed_fields = '{}'")

        [found] = disclosures_name_fields()
        assert found.endswith("names no field")


def key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


class TestKeysOfSubjects:
    def test_open_after_another_key_came_before_theirs(self, settings: Settings) -> None:
        settings.LEDGER_DATA_KEYS = [key("a")]
        subjects.seal(b"Ada", subject="traveller/1", of="name")

        settings.LEDGER_DATA_KEYS = [key("b"), key("a")]

        assert keys_of_subjects_open() == []

    def test_are_named_when_theirs_is_gone(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(private_data, "KEYS_TRIED", 1)
        settings.LEDGER_DATA_KEYS = [key("a")]
        oldest = subjects.key_of("traveller/1")
        settings.LEDGER_DATA_KEYS = [key("b")]
        subjects.key_of("traveller/2")

        assert keys_of_subjects_open() == [
            f"the key {oldest.pk} of a subject opens with none of LEDGER_DATA_KEYS"
        ]
