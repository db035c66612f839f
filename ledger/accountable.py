"""What may not change without an entry, nor have an entry without a change: said in SQL.

A migration names a table with `Accountable`. At commit its trigger looks for an entry of
the same transaction, and the trigger of the ledger (of migration 0047, which took the place
of `ENTRIES`) looks for the change as the entry comes in; a transaction in which one of the
two is missing does not commit, whoever wrote it.
"""

from typing import Any, Final

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

TRIGGER_NOTED: Final = "ledger_change_is_noted"
TRIGGER_ON_RECORD: Final = "ledger_change_is_on_record"
TRIGGER_IS_TRUE: Final = "ledger_entry_is_true"

# A savepoint that is rolled back takes the note along, as it does the change.
FUNCTIONS: Final = """
CREATE OR REPLACE FUNCTION ledger_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('daybook.changed',
    coalesce(nullif(current_setting('daybook.changed', true), ''), ',') || TG_ARGV[0] || ',', true);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION ledger_demand_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- By ledger_entries_of_transaction. The time tells this transaction from its namesake in
  -- a database that was restored from a dump.
  IF NOT EXISTS (
    SELECT FROM ledger_entry
     WHERE transaction_id = pg_current_xact_id()::text::bigint AND created_at = now()
       AND status IN ('succeeded', 'reversed', 'compensated') AND action_kind <> 'read'
  ) THEN
    RAISE EXCEPTION '% of a row of % is not on record in the ledger', TG_OP, TG_TABLE_NAME
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME,
            TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION ledger_demand_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.transaction_id <> pg_current_xact_id()::text::bigint OR NEW.created_at <> now() THEN
    RAISE EXCEPTION 'entry % claims another transaction than its own', NEW.id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
  END IF;
  IF NEW.status = 'succeeded' AND NEW.action_kind IN ('create', 'update', 'delete')
     AND strpos(coalesce(current_setting('daybook.changed', true), ''),
                ',' || NEW.target_type || ',') = 0
     -- The triggers themselves are the list of what is accountable.
     AND EXISTS (SELECT FROM pg_trigger
                  WHERE tgname = 'ledger_change_is_on_record'
                    AND tgargs = convert_to(NEW.target_type, 'UTF8') || '\\x00'::bytea)
     AND NEW.evaluated_risk IN ('high', 'critical')
  THEN
    RAISE EXCEPTION 'entry % records a change of a % that did not happen', NEW.id, NEW.target_type
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NULL;
END $$;
"""

ENTRIES: Final = f"""
CREATE CONSTRAINT TRIGGER {TRIGGER_IS_TRUE} AFTER INSERT ON ledger_entry
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_demand_change()
"""


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
