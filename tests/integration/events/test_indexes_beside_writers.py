"""An index is made while others write, and in the place of one that was left half made."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connection, migrations, models, transaction
from django.db.migrations.state import ProjectState

from events.tables.indexes import AddIndexBesideWriters
from tests.live import eventually
from workflows.work.models import Checkup

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "work_checkups_by_length"
OPERATION = AddIndexBesideWriters("checkup", models.Index(fields=["duration_ms"], name=NAME))
PATIENCE_S = 30


@pytest.fixture(autouse=True)
def _no_index_is_left() -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {NAME}")


def make(operation: migrations.operations.base.Operation) -> None:
    """Run an operation as `migrate` does, in a migration that is not atomic."""
    before = ProjectState()
    before.add_model(migrations.state.ModelState.from_model(Checkup))
    after = before.clone()
    operation.state_forwards("work", after)
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("work", editor, before, after)


def make_and_hang_up() -> None:
    make(OPERATION)
    connection.close()


def check_up() -> None:
    Checkup.objects.create(is_healthy=True, duration_ms=1)


def check_up_and_hang_up() -> None:
    check_up()
    connection.close()


def is_valid() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = %s",
            [NAME],
        )
        [(found,)] = cursor.fetchall()
    return bool(found)


def is_waited_for() -> bool:
    with connection.cursor() as cursor:
        # Within a transaction PostgreSQL would show the same picture again and again.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND query LIKE %s)",
            [f"CREATE INDEX%{NAME}%"],
        )
        [(found,)] = cursor.fetchall()
    return bool(found)


def test_others_write_meanwhile() -> None:
    maker = threading.Thread(target=make_and_hang_up)
    writer = threading.Thread(target=check_up_and_hang_up)
    with transaction.atomic():
        check_up()  # Until this commits the index is waited for.
        maker.start()
        eventually(is_waited_for)

        writer.start()
        writer.join(PATIENCE_S)

        assert not writer.is_alive()
        assert maker.is_alive()
    maker.join(PATIENCE_S)

    assert is_valid() is True
    assert Checkup.objects.count() == 2


def test_one_that_was_left_half_made_is_made_again() -> None:
    make(OPERATION)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [NAME]
        )
    assert is_valid() is False

    make(OPERATION)

    assert is_valid() is True
