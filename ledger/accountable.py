"""Accountable tables: no change without its entry, no entry without its change. Enforced in SQL.

A migration names a table with `Accountable`. At commit its trigger looks for an entry of
the same transaction, and the trigger of the ledger looks for the change as the entry comes in
(both in migrations/schema/entry_rules.py); a transaction in which one of the two is missing
does not commit.
"""

from typing import Any, Final

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

TRIGGER_NOTED: Final = "ledger_change_is_noted"
TRIGGER_ON_RECORD: Final = "ledger_change_is_on_record"


class Accountable(Operation):
    """Let no row of `table` change (by `on`, `when`) without an entry about a `target`."""

    reversible = True

    def __init__(self, table: str, *, target: str, on: str, when: str = "true") -> None:
        self.table = table
        self.target = target
        self.on = on
        self.when = when

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The models do not change."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        table = schema_editor.quote_name(self.table)
        target = self.target.replace("'", "''")
        each = f"FOR EACH ROW WHEN ({self.when}) EXECUTE FUNCTION"
        schema_editor.execute(
            f"CREATE TRIGGER {TRIGGER_NOTED} AFTER {self.on} ON {table} "
            f"{each} ledger_note_change('{target}')"
        )
        schema_editor.execute(
            f"CREATE CONSTRAINT TRIGGER {TRIGGER_ON_RECORD} AFTER {self.on} ON {table} "
            f"DEFERRABLE INITIALLY DEFERRED {each} ledger_demand_entry('{target}')"
        )

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        table = schema_editor.quote_name(self.table)
        for trigger in (TRIGGER_NOTED, TRIGGER_ON_RECORD):
            schema_editor.execute(f"DROP TRIGGER {trigger} ON {table}")

    def describe(self) -> str:
        return f"Let {self.table} change only on record"
