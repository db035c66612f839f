"""Empties the tables after transactional tests, fast, including append-only ones.

Django truncates every table after a test that commits; append-only tables refuse that, and
truncating seventy tables takes longer than the test. Deleting rows with the triggers asleep
is faster and needs a superuser, so this exists in the tests' wiring and nowhere else.

Then Django creates content types and permissions anew, which took seven times as
long as to empty the tables. What is there after the first time is kept beside, in a schema
of its own, and every later time only what differs from that is put right.

A new connection has to learn every table before it can empty it. So a function does it, on a
connection that nobody else uses and that stays; and the connection of the tests stays too, its
session as at the beginning.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.pq import TransactionStatus

from config.testing import template

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

WITHOUT_TRIGGERS = "SET LOCAL session_replication_role = replica"
KEPT = "laid_down_after_a_flush"
AS_AT_THE_BEGINNING = """
CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ALL; UNLISTEN *; DISCARD TEMP;
SELECT pg_advisory_unlock_all()"""
IDLE = TransactionStatus.IDLE


# By database: the connection that can put all of it right.
_keepers: dict[str, "BaseDatabaseWrapper"] = {}


def patch_flush(patch: pytest.MonkeyPatch) -> None:
    """Replace Django's TRUNCATE by DELETE with the triggers asleep, and its signal by rows."""
    # Not above: the settings are chosen only now.
    from django.core.management.commands import flush  # noqa: PLC0415
    from django.core.management.sql import emit_post_migrate_signal  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415
    from django.db.backends.postgresql.operations import DatabaseOperations  # noqa: PLC0415
    from django.test import TransactionTestCase  # noqa: PLC0415

    def delete(
        self: DatabaseOperations, style: Any, tables: Sequence[str], **_options: Any
    ) -> list[str]:
        # Ids never begin anew: rows that were kept, here or to be told again, have theirs.
        return [WITHOUT_TRIGGERS, *(f"DELETE FROM {self.quote_name(table)}" for table in tables)]  # noqa: S608

    def create_and_keep(verbosity: int, interactive: Any, db: str, **options: Any) -> None:
        emit_post_migrate_signal(verbosity, interactive, db, **options)
        _forget(_name(connections[db]))
        _keepers[_name(connections[db])] = _keep(connections[db])

    patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _test: put_all_right())
    patch.setattr(DatabaseOperations, "sql_flush", delete)
    patch.setattr(flush, "emit_post_migrate_signal", create_and_keep)


def patch_end(patch: pytest.MonkeyPatch) -> None:
    """Let go of a database before it is destroyed; leave it to the end of its server, if it can."""
    from django.db.backends.postgresql.creation import DatabaseCreation  # noqa: PLC0415

    destroy = DatabaseCreation.destroy_test_db

    def leave_or_destroy(
        self: DatabaseCreation,
        old_database_name: str | None = None,
        verbosity: int = 1,
        keepdb: bool = False,  # noqa: FBT001, FBT002 - the signature is Django's.
        suffix: str | None = None,
    ) -> None:
        _forget(_name(self.connection))
        goes_with_its_server = template.VARIABLE in os.environ
        destroy(self, old_database_name, verbosity, keepdb or goes_with_its_server, suffix)

    patch.setattr(DatabaseCreation, "destroy_test_db", leave_or_destroy)


def _name(connection: "BaseDatabaseWrapper") -> str:
    return str(connection.settings_dict["NAME"])


def _forget(database: str) -> None:
    if database in _keepers:
        _keepers.pop(database).close()


def patch_connections(patch: pytest.MonkeyPatch) -> None:
    """Let a transactional test go on with the connection of the one before, if that is sound."""
    from django.db import connections  # noqa: PLC0415
    from django.test import TransactionTestCase  # noqa: PLC0415

    def are_in_disorder(_self: TransactionTestCase) -> bool:
        return not all(is_as_new(one) for one in connections.all(initialized_only=True))

    patch.setattr(TransactionTestCase, "_should_reload_connections", are_in_disorder)


def is_as_new(connection: "BaseDatabaseWrapper") -> bool:
    """Put the session back to how it began, and tell whether that could be done."""
    from django.db import Error  # noqa: PLC0415

    link = connection.connection
    if link is None:
        return True
    if connection.in_atomic_block or link.closed or link.info.transaction_status != IDLE:
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute(AS_AT_THE_BEGINNING)
        connection.init_connection_state()
    except Error:
        return False
    return True


def keeper() -> "BaseDatabaseWrapper":
    """Return the connection that can put the database right: no trigger hears what it does.

    :raises KeyError: if it was never put right yet.
    """
    from django.db import connection  # noqa: PLC0415

    found = _keepers[_name(connection)]
    # A test may have cut every connection there was.
    found.close_if_unusable_or_obsolete()
    return found


def put_all_right() -> None:
    """Empty the tables, but for what Django creates: as after every test that commits."""
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    if _name(connection) in _keepers:
        # Not by the command: to read how it was called takes longer than to do it.
        with keeper().cursor() as cursor:
            cursor.execute(f"SELECT {KEPT}.put_all_right()")
    else:
        call_command("flush", verbosity=0, interactive=False, reset_sequences=False)


# The names below are those of our own models.


def _emptied(number: int, table: str) -> str:
    """Return what empties the `number`th of the tables that are to have no rows."""
    # To delete from an empty table takes five times as long as to see that it is empty.
    return f"IF has_rows[{number}] THEN DELETE FROM {table}; END IF"  # noqa: S608


def _restored(table: str) -> str:
    """Return what makes `table` say again what was kept of it, and touches nothing else."""
    return f"""
IF (SELECT count(*) <> (SELECT count(*) FROM {KEPT}.{table})
        OR coalesce(bool_or(age(one.xmin) < age(since)), false) FROM {table} one) THEN
  DELETE FROM {table} one
   WHERE one::text NOT IN (SELECT kept::text FROM {KEPT}.{table} kept);
  INSERT INTO {table} SELECT * FROM {KEPT}.{table} kept
   WHERE kept::text NOT IN (SELECT one::text FROM {table} one);
  UPDATE {KEPT}.since SET at = pg_current_xact_id()::xid;
END IF"""  # noqa: S608


def _keep(connection: "BaseDatabaseWrapper") -> "BaseDatabaseWrapper":
    """Copy the tables that have rows, and return the connection that can put all of them right."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    names = [connection.ops.quote_name(table) for table in tables]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {KEPT} CASCADE; CREATE SCHEMA {KEPT}")
        cursor.execute(f"SELECT {', '.join(f'EXISTS (SELECT FROM {name})' for name in names)}")  # noqa: S608
        [found] = cursor.fetchall()
        kept = [name for name, has_rows in zip(names, found, strict=True) if has_rows]
        for name in kept:
            cursor.execute(f"CREATE TABLE {KEPT}.{name} AS TABLE {name}")
        emptied = [name for name in names if name not in kept]
        steps = [_emptied(number, name) for number, name in enumerate(emptied, start=1)]
        cursor.execute(
            _FUNCTION.format(
                found=", ".join(f"EXISTS (SELECT FROM {name})" for name in emptied),
                body=";\n".join([*steps, *map(_restored, kept)]),
            )
        )
    keeper = connection.copy()
    # Not by the function: whoever changes the role makes every plan of the session anew.
    options = keeper.settings_dict["OPTIONS"]
    options["options"] = f"{options.get('options', '')} -c session_replication_role=replica"
    return keeper


# `since`: no row of what is kept was written by a later transaction, or something has changed.
_FUNCTION = f"""
CREATE TABLE {KEPT}.since AS SELECT pg_current_xact_id()::xid AS at;
CREATE FUNCTION {KEPT}.put_all_right() RETURNS void
LANGUAGE plpgsql AS $body$
DECLARE
  has_rows boolean[] := ARRAY[{{found}}]::boolean[];
  since xid := (SELECT at FROM {KEPT}.since);
BEGIN
{{body}};
END
$body$"""  # noqa: S608
