"""Django's `migrate`, as the owner of the tables, and with the grants renewed afterwards."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from config import roles, squashed_migrations


class Command(migrate.Command):
    """Migrates as DATABASE_OWNER_URL; DATABASE_URL's role gets the rights to use the tables."""

    def handle(self, *arguments: Any, **options: Any) -> None:
        """Migrate, then grant."""
        with roles.as_owner():
            _refuse_a_database_that_is_between()
            super().handle(*arguments, **options)
            role = roles.runtime_role()
            if role and not (options["plan"] or options["check_unapplied"]):
                roles.grant(role)


def _refuse_a_database_that_is_between() -> None:
    for name, missing in squashed_migrations.missing_parts().items():
        raise CommandError(
            f"{name} replaces a series of migrations of which this database lacks "
            f"{', '.join(missing)}. Migrate it with the last revision that has those files, "
            "then with this one."
        )
