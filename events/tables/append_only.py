"""Append-only tables: declared here, enforced by triggers and by the grants of the role.

A model is declared with `@append_only.model`; its migration installs the triggers with
`AppendOnly(table)`. The runtime role has no UPDATE, DELETE or TRUNCATE on any of `tables()`.
"""

from typing import Any, TypeVar

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

M = TypeVar("M", bound=type[models.Model])

TRIGGER_ROWS = "append_only_rows"
TRIGGER_TABLE = "append_only_table"

_tables: set[str] = set()

# One function for all tables, replaced in place: the migrations of apps are not ordered.
_REFUSAL = """
CREATE OR REPLACE FUNCTION daybook_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation';
END $$
"""


def model(cls: M) -> M:
    """Declare that the table of `cls` is append-only."""
    _tables.add(cls._meta.db_table)
    return cls


def tables() -> frozenset[str]:
    """Return the names of all append-only tables."""
    return frozenset(_tables)


class AppendOnly(Operation):
    """Refuse UPDATE and DELETE of any row, and TRUNCATE, of `table`."""

    reversible = True

    def __init__(self, table: str) -> None:
        self.table = table

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The models do not change."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        table = schema_editor.quote_name(self.table)
        schema_editor.execute(_REFUSAL, params=None)
        schema_editor.execute(
            f"CREATE TRIGGER {TRIGGER_ROWS} BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION daybook_refuse_change()"
        )
        # A row trigger does not see TRUNCATE.
        schema_editor.execute(
            f"CREATE TRIGGER {TRIGGER_TABLE} BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION daybook_refuse_change()"
        )

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        table = schema_editor.quote_name(self.table)
        for trigger in (TRIGGER_ROWS, TRIGGER_TABLE):
            schema_editor.execute(f"DROP TRIGGER {trigger} ON {table}")

    def describe(self) -> str:
        return f"Let {self.table} only grow"
