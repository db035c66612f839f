"""Django's `migrate`, as the owner of the tables, and with the grants renewed afterwards."""

from typing import Any

from django.core.management.commands import migrate

from config import roles


class Command(migrate.Command):
    """Migrates as DATABASE_OWNER_URL; DATABASE_URL's role gets the rights to use the tables."""

    def handle(self, *arguments: Any, **options: Any) -> None:
        """Migrate, then grant."""
        with roles.as_owner():
            super().handle(*arguments, **options)
            role = roles.runtime_role()
            if role and not (options["plan"] or options["check_unapplied"]):
                roles.grant(role)
