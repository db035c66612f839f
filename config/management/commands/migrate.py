"""Django's `migrate`, as the owner of the tables, and with the grants renewed afterwards."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DataError

from config import roles
from events.tables import migration_status, squashed_migrations


class Command(migrate.Command):
    """Migrates as DATABASE_OWNER_URL; DATABASE_URL's role gets the rights to use the tables."""

    def handle(self, *arguments: Any, **options: Any) -> None:
        """Migrate, then grant."""
        with roles.as_owner():
            _refuse_a_database_that_is_between()
            try:
                super().handle(*arguments, **options)
            except DataError as error:
                raise CommandError(
                    "What the database holds does not fit into its tables as this migration would"
                    f" make them: {error}. It is not done; those before it are, and"
                    " `python3 manage.py migrate` goes to the newest from here."
                ) from error
            self._say_what_waits(**options)
            role = roles.runtime_role()
            if role and not (options["plan"] or options["check_unapplied"]):
                roles.grant(role)

    def _say_what_waits(self, **options: Any) -> None:
        if not (options["plan"] or options["check_unapplied"] or migration_status.is_complete()):
            self.stdout.write(
                "Policies, schedules and permissions are laid down when every migration is applied;"
                " until then no other command runs on this database."
            )


def _refuse_a_database_that_is_between() -> None:
    for name, missing in squashed_migrations.missing_parts().items():
        raise CommandError(
            f"{name} replaces a series of migrations of which this database lacks "
            f"{', '.join(missing)}. Migrate it with the last revision that has those files, "
            "then with this one."
        )
