"""Let transactional tests empty the tables, fast, and those too that refuse it.

Django truncates every table after a test that commits; append-only tables refuse that, and
truncating seventy tables takes longer than the test. Deleting rows with the triggers asleep
is faster and needs a superuser, so this exists in the tests' wiring and nowhere else.

Then Django lays down content types and permissions anew, which took seven times as
long as to empty the tables. What is there after the first time is kept beside, in a schema
of its own, and every later time only what differs from that is put right.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

ASLEEP = "SET LOCAL session_replication_role = replica"
KEPT = "laid_down_after_a_flush"


def patch_flush(patch: pytest.MonkeyPatch) -> None:
    """Replace Django's TRUNCATE by DELETE with the triggers asleep, and its signal by rows."""
    # Not above: the settings are chosen only now.
    from django.core.management.commands import flush  # noqa: PLC0415
    from django.core.management.sql import emit_post_migrate_signal  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415
    from django.db.backends.postgresql.operations import DatabaseOperations  # noqa: PLC0415

    truncate = DatabaseOperations.sql_flush
    lay_down = emit_post_migrate_signal
    kept: dict[str, list[str]] = {}

    def delete(
        self: DatabaseOperations, style: Any, tables: Sequence[str], **options: Any
    ) -> list[str]:
        database = str(self.connection.settings_dict["NAME"])
        if options.get("reset_sequences"):
            # The ids begin anew, and what was kept has others.
            kept.pop(database, None)
            return [ASLEEP, *truncate(self, style, tables, **options)]
        return [_emptying([self.quote_name(table) for table in tables], kept.get(database, []))]

    def lay_down_or_keep(verbosity: int, interactive: Any, db: str, **options: Any) -> None:
        database = str(connections[db].settings_dict["NAME"])
        if database not in kept:
            lay_down(verbosity, interactive, db, **options)
            kept[database] = _keep(connections[db])

    patch.setattr(DatabaseOperations, "sql_flush", delete)
    patch.setattr(flush, "emit_post_migrate_signal", lay_down_or_keep)


# The names below are those of our own models.


def _emptying(tables: Sequence[str], kept: Sequence[str]) -> str:
    """Return one trip: all `tables` are emptied, and the `kept` ones say what was laid down."""
    others = [f"DELETE FROM {table}" for table in tables if table not in kept]  # noqa: S608
    return "; ".join([ASLEEP, *others, *map(_put_right, kept)])


def _put_right(table: str) -> str:
    """Return what makes `table` say again what was kept of it, and touches nothing else."""
    return f"""
DELETE FROM {table} one
 WHERE one::text NOT IN (SELECT kept::text FROM {KEPT}.{table} kept);
INSERT INTO {table} SELECT * FROM {KEPT}.{table} kept
 WHERE kept::text NOT IN (SELECT one::text FROM {table} one)"""  # noqa: S608


def _keep(connection: "BaseDatabaseWrapper") -> list[str]:
    """Copy the tables that have rows, and return their names."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    names = [connection.ops.quote_name(table) for table in tables]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {KEPT} CASCADE; CREATE SCHEMA {KEPT}")
        cursor.execute(f"SELECT {', '.join(f'EXISTS (SELECT FROM {name})' for name in names)}")  # noqa: S608
        [found] = cursor.fetchall()
        kept = [name for name, has_rows in zip(names, found, strict=True) if has_rows]
        for name in kept:
            cursor.execute(f"CREATE TABLE {KEPT}.{name} AS TABLE {name}")
    return kept
