"""Let transactional tests empty the tables that refuse it.

Django truncates every table after a test that commits; append-only tables refuse that, and
truncating seventy tables takes longer than the test. Deleting rows with the triggers asleep
is faster and needs a superuser, so this exists in the tests' wiring and nowhere else.
"""

from collections.abc import Sequence
from typing import Any

import pytest

ASLEEP = "SET LOCAL session_replication_role = replica"


def patch_flush(patch: pytest.MonkeyPatch) -> None:
    """Replace Django's TRUNCATE by DELETE with the triggers asleep."""
    from django.db.backends.postgresql.operations import (  # noqa: PLC0415 - before the settings.
        DatabaseOperations,
    )

    truncate = DatabaseOperations.sql_flush

    def delete(
        self: DatabaseOperations, style: Any, tables: Sequence[str], **options: Any
    ) -> list[str]:
        if options.get("reset_sequences"):
            return [ASLEEP, *truncate(self, style, tables, **options)]
        return [ASLEEP, *(_delete_from(self.quote_name(table)) for table in tables)]

    patch.setattr(DatabaseOperations, "sql_flush", delete)


def _delete_from(table: str) -> str:
    return f"DELETE FROM {table}"  # noqa: S608 - the names are those of our own models.
