"""Indexes for tables that are in use: those who write to them do not wait.

`migrate` may run beside the processes of the revision before. An index that is made the plain way
locks the table against every write for as long as that takes.
"""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.migrations import AddIndex


class AddIndexBesideWriters(AddIndexConcurrently):
    """AddIndexConcurrently that has patience and can be tried again. Needs `atomic = False`.

    PostgreSQL waits for every transaction that was open when it began, however long
    `lock_timeout` says; cut short, it leaves an invalid index in the place of the one that is
    wanted (PostgreSQL's manual, "Building Indexes Concurrently").
    """

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Make the index, in the place of what an earlier try has left."""
        name = schema_editor.quote_name(self.index.name)
        schema_editor.execute("SET lock_timeout = 0")
        try:
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        finally:
            schema_editor.execute("RESET lock_timeout")

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Drop the index the plain way, which takes no time."""
        AddIndex.database_backwards(self, app_label, schema_editor, from_state, to_state)
