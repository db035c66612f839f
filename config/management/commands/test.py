"""Django's `test`, as the owner of the tables, who may make the database that it runs on."""

from typing import Any

from django.core.management.commands import test
from django.test import override_settings

from config import roles


class Command(test.Command):
    """Tests as DATABASE_OWNER_URL, on a database that is made for it and thrown away."""

    def handle(self, *test_labels: str, **options: Any) -> None:
        """Run the tests of somebody's own apps."""
        # Django's test client speaks plainly, and would be redirected.
        with roles.as_owner(), override_settings(SECURE_SSL_REDIRECT=False):
            super().handle(*test_labels, **options)
