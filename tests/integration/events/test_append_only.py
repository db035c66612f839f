import pytest
from django.db import IntegrityError, connection, transaction

from events import invariants, recorder
from events.models import StoredEvent
from events.tables import append_only

pytestmark = pytest.mark.django_db

# Deferred foreign keys of what the test itself wrote are checked before a TRUNCATE.
STATEMENTS = [
    "UPDATE events_event SET name = 'tally.closed'",
    "DELETE FROM events_event",
    "SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE events_event, events_payload",
]


@pytest.fixture(autouse=True)
def _one_event() -> None:
    with transaction.atomic():
        recorder.emit("tally.added", {"number": 1}, stream=("tally", "t1"))


@pytest.mark.parametrize("sql", STATEMENTS)
def test_what_is_recorded_stays_as_it_is(sql: str) -> None:
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)

    assert StoredEvent.objects.get().name == "tally.added"


@pytest.mark.parametrize("table", sorted(append_only.tables()))
def test_the_doctor_misses_a_disabled_trigger_on_any_table_that_only_grows(table: str) -> None:
    assert invariants.append_only_tables_are_guarded() == []

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {append_only.TRIGGER_TABLE}")

    found = invariants.append_only_tables_are_guarded()
    assert found == [f"{table} lacks its trigger append_only_table"]


def test_the_doctor_sees_a_role_with_the_right_to_change_the_record() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE daybook_tests_meddler")
        cursor.execute("GRANT SELECT, INSERT, DELETE ON events_event TO daybook_tests_meddler")
        cursor.execute("SET LOCAL ROLE daybook_tests_meddler")

        found = invariants.append_only_tables_are_guarded()

        cursor.execute("RESET ROLE")
    assert found == ["this role may DELETE events_event"]
