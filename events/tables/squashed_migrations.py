"""Squashed migrations: a database has applied all of a series, or none of it (ADR 0047).

One that has applied a part was migrated by a revision in between. Django would report that
there is nothing to do, and leave the app half migrated.
"""

from collections.abc import Iterable

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.recorder import MigrationRecorder


def missing_parts() -> dict[str, list[str]]:
    """Return the missing migrations of each partly applied series, by its squashed migration."""
    loader = MigrationLoader(connection, load=False)
    loader.load_disk()
    applied = MigrationRecorder(connection).applied_migrations()
    return missing_of(loader.disk_migrations.values(), set(applied))


def missing_of(
    migrations: Iterable[Migration], applied: set[tuple[str, str]]
) -> dict[str, list[str]]:
    """Return, for each series of which some are `applied`, those that are not."""
    series = {str(each): each.replaces for each in migrations if each.replaces}
    return {
        name: [f"{app}.{old}" for app, old in replaced if (app, old) not in applied]
        for name, replaced in series.items()
        if 0 < len(applied.intersection(replaced)) < len(replaced)
    }
