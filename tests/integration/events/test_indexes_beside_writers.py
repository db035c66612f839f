"""How an index is made while others write, and in the place of one that was left half made.

The statements and no more: made for real it would wait for whatever other tests have left open.
"""

import pytest
from django.db import connection, migrations, models
from django.db.migrations.state import ProjectState

from events.tables.indexes import AddIndexBesideWriters
from workflows.work.models import Checkup

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_index_is_made_without_a_lock_against_writers() -> None:
    operation = AddIndexBesideWriters(
        "checkup", models.Index(fields=["duration_ms"], name="by_length")
    )
    before = ProjectState()
    before.add_model(migrations.state.ModelState.from_model(Checkup))
    after = before.clone()
    operation.state_forwards("work", after)

    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        operation.database_forwards("work", editor, before, after)

    assert editor.collected_sql == [
        "SET lock_timeout = 0;",
        'DROP INDEX CONCURRENTLY IF EXISTS "by_length";',
        'CREATE INDEX CONCURRENTLY "by_length" ON "work_checkup" ("duration_ms");',
        "RESET lock_timeout;",
    ]
