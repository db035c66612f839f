"""Compares the schema of the database with this code: missing and unknown migrations.

It compares the rows of `django_migrations` with the files, which takes some milliseconds.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from events.tables import squashed_migrations

NAMED_MAX = 5


class SchemaDiffers(Exception):
    """The database was migrated by another revision. The message says what to do."""

    def __init__(self, found: "Difference") -> None:
        self.found = found
        super().__init__(" ".join(found.sentences()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Migrations as `app.name`, in the order in which they are applied."""

    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Return the differences and the commands to run, a sentence each, if any."""
        found = []
        if self.missing:
            found.append(
                f"The database lacks {_counted(self.missing)}. Type `python3 manage.py migrate`."
            )
        if self.unknown:
            found.append(
                f"The database has {_counted(self.unknown)} which this revision does not know. "
                "Run the revision that has them; or, with that one, type "
                f"{_ways_back(self.unknown)} first."
            )
        return found


def check() -> None:
    """Check that the database has the schema of this code.

    :raises SchemaDiffers: if it was migrated by an older or a newer revision, or not at all.
    """
    if (found := difference()) != Difference():
        raise SchemaDiffers(found)


def is_complete() -> bool:
    """Return whether no migration is missing, so that models can be queried."""
    return not difference().missing


def difference() -> Difference:
    """Return how the database differs from this code."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    missing = [f"{each.app_label}.{each.name}" for each, _ in plan]
    # Of these Django says that there is nothing to do.
    missing += [part for parts in squashed_migrations.missing_parts().values() for part in parts]
    return Difference(
        missing=tuple(missing),
        unknown=tuple(f"{app}.{name}" for app, name in _unknown(executor.loader)),
    )


def _unknown(loader: MigrationLoader) -> list[tuple[str, str]]:
    known = set(loader.disk_migrations)
    for each in loader.disk_migrations.values():
        known.update(each.replaces)
    ours = {config.label for config in apps.get_app_configs()}
    # Migrations of apps that are no longer installed are ignored.
    return sorted(key for key in loader.applied_migrations if key not in known and key[0] in ours)


def _counted(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED_MAX])
    more = len(names) - NAMED_MAX
    number = "1 migration" if len(names) == 1 else f"{len(names)} migrations"
    return f"{number} ({shown}{f' and {more} more' if more > 0 else ''})"


def _ways_back(unknown: Sequence[str]) -> str:
    apps_of = Counter(each.partition(".")[0] for each in unknown)
    return " and ".join(f"`python3 manage.py migrate {app} LAST_OF_OURS`" for app in apps_of)
