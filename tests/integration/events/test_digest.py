import pytest
from django.db import connection, transaction

from events import digest, recorder, sequencer

pytestmark = pytest.mark.django_db

CHANGES = [
    "data = '{\"number\":3}'",
    "name = 'tally.begun'",
    "stream = 'tally/t2'",
    "principal = 'user:mallory'",
    "event_id = 'another'",
    "version = 9",
    "category = 'internal'",
    "source = 'system'",
    "sequence = 9",
    "correlation_id = 'another'",
    "causation_id = 'another'",
    "payload_id = repeat('0', 64)",
    "emitted_at = emitted_at - interval '1 microsecond'",
    "recorded_at = recorded_at - interval '1 microsecond'",
]


@pytest.fixture
def _two_events() -> None:
    for number in (1, 2):
        with transaction.atomic():
            recorder.emit("tally.added", {"number": number}, stream=("tally", "t1"))
    assert sequencer.sequence_once() == 2


@pytest.mark.usefixtures("_two_events")
class TestTheDigest:
    def test_is_another_whatever_is_changed_of_an_event(self) -> None:
        found = {digest.of_positions(0, 2)}

        for change in CHANGES:
            with transaction.atomic():
                _tamper(f"UPDATE events_event SET {change} WHERE sequence = 2")
                found.add(digest.of_positions(0, 2))
                transaction.set_rollback(True)

        assert len(found) == 1 + len(CHANGES)

    def test_is_another_without_an_event_or_in_another_order(self) -> None:
        found = {digest.of_positions(0, 3)}

        for change in (
            "DELETE FROM events_event WHERE sequence = 1",
            "UPDATE events_position SET position = 3 WHERE position = 1",
        ):
            with transaction.atomic():
                _tamper(change)
                found.add(digest.of_positions(0, 3))
                transaction.set_rollback(True)

        assert len(found) == 3

    def test_is_of_the_positions_asked_for_only(self) -> None:
        both, second = digest.of_positions(0, 2), digest.of_positions(1, 2)

        _tamper("UPDATE events_event SET data = '{}' WHERE sequence = 1")

        assert digest.of_positions(1, 2) == second
        assert digest.of_positions(0, 2) != both

    def test_does_not_depend_on_the_session(self) -> None:
        here = digest.of_positions(0, 2)

        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL TIME ZONE 'Pacific/Auckland'; SET LOCAL DateStyle = 'German'")

        assert digest.of_positions(0, 2) == here


def test_of_nothing_is_that_of_no_bytes() -> None:
    assert digest.last_position() == 0
    assert digest.of_positions(0, 0) == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


def _tamper(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL session_replication_role = replica; {statement}")
        cursor.execute("SET LOCAL session_replication_role = origin")
