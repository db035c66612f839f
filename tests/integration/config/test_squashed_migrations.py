"""A database of before the migrations were put together goes on; one from between is told so."""

from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from config import roles
from config.web import health
from events.tables import migration_status
from events.tables.migration_status import SchemaDiffers

pytestmark = pytest.mark.django_db

SCHEMA = "0001_schema"
LAST_OF_BEFORE = "0133_entries_are_found_by_an_unusual_end"


def forget(**which: str) -> None:
    MigrationRecorder(connection).migration_qs.filter(**which).delete()


def test_a_database_of_before_has_nothing_to_do_and_is_noted_as_up_to_date() -> None:
    forget(name=SCHEMA)

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    executor.check_replacements()

    assert plan == []
    noted = {app for app, name in executor.recorder.applied_migrations() if name == SCHEMA}
    assert noted == {"commerce", "events", "flows", "ledger", "webhooks", "work"}


class TestADatabaseFromBetween:
    @pytest.fixture(autouse=True)
    def between(self) -> None:
        forget(app="ledger", name=SCHEMA)
        forget(app="ledger", name=LAST_OF_BEFORE)

    def test_is_refused_by_migrate_which_says_what_it_lacks(self) -> None:
        with (
            # As the owner it would be on another connection, which does not see this.
            patch.object(roles, "as_owner"),
            pytest.raises(CommandError, match=rf"lacks ledger\.{LAST_OF_BEFORE}\. Migrate it"),
        ):
            call_command("migrate", verbosity=0)

    def test_is_told_by_every_command_to_migrate(self) -> None:
        with pytest.raises(SchemaDiffers, match=r"Type `python3 manage\.py migrate`"):
            migration_status.check()

    def test_is_not_ready(self) -> None:
        health._migrations.cache_clear()

        with pytest.raises(
            health.Unhealthy, match=rf"lacks 1 migration \(ledger\.{LAST_OF_BEFORE}\)"
        ):
            health._migrations()
