"""Put what a change adds to its entry into the entry's own row; `ledger_mutation` is a view of it.

A second row, with rules, a trigger and an index of its own, took PostgreSQL a quarter of what an
entry takes. What is there moves once; docs/runbook.md says how long that takes.
"""

from importlib import import_module
from typing import Any, Final

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from events.tables.append_only import TRIGGER_ROWS, TRIGGER_TABLE, AppendOnly
from events.tables.row_rules import RulesOnInsert
from ledger.migrations.schema.entry_rules import ENTRY, ENTRY_THEN, MUTATION

COLUMNS: Final = {
    "command_input_ref": "varchar(255) NOT NULL DEFAULT ''",
    "command_result_ref": "varchar(255) NOT NULL DEFAULT ''",
    "summary": "varchar(500) NOT NULL DEFAULT ''",
    "reversal_kind": "varchar(14) NOT NULL DEFAULT 'none'",
    "reversal_command_id": "varchar(255) NOT NULL DEFAULT ''",
    "reversal_command_version": "smallint",
    "reversal_args_ref": "varchar(255) NOT NULL DEFAULT ''",
    "reverses_id": "uuid",
    "reversal_amount_cents": "bigint",
    "reversal_currency": "varchar(3) NOT NULL DEFAULT ''",
    "reversal_follow_ups": "varchar(100)[] NOT NULL DEFAULT '{}'",
    "reversal_number": "integer",
    "reversal_outcome": "varchar(7) NOT NULL DEFAULT ''",
    "reversal_step": "varchar(9) NOT NULL DEFAULT ''",
    "reversal_until": "timestamptz",
    "reversal_why": "varchar(500) NOT NULL DEFAULT ''",
    "reversed_cents": "bigint NOT NULL DEFAULT 0",
    "risk_facts": "jsonb NOT NULL DEFAULT '{}'",
}
NAMES: Final = ", ".join(COLUMNS)

# A number is read only once: ledger_reversal_steps_are_counted finds what undoes an entry as well.
UNIQUE: Final = (
    "CREATE UNIQUE INDEX ledger_full_reversal_happens_once ON {table} (reverses_id) "
    "WHERE reversal_outcome = 'full'",
    "CREATE UNIQUE INDEX ledger_reversal_steps_are_counted ON {table} "
    "(reverses_id, reversal_number) WHERE reverses_id IS NOT NULL",
)

# Whoever asks does so by their own rights; nothing is written by this way.
VIEW: Final = (
    "CREATE VIEW ledger_mutation WITH (security_invoker = true) AS "
    f"SELECT id AS entry_id, {NAMES} FROM ledger_entry WHERE action_kind <> 'read'",
    "CREATE TRIGGER ledger_mutation_is_read INSTEAD OF INSERT OR UPDATE OR DELETE "
    "ON ledger_mutation FOR EACH ROW EXECUTE FUNCTION daybook_refuse_change()",
)

_GIVEN = ", ".join("NEW.id" if name == "entry_id" else f"NEW.{name}" for name in MUTATION.columns)
WITH_ITS_CHANGE: Final = RulesOnInsert(
    ENTRY.table,
    columns=ENTRY.columns,
    rules=ENTRY.rules,
    # What is undone is there before the row is: so the graph of reversals has no cycle.
    then=f"""
  broken := ledger_mutation_broken_rule({_GIVEN});
  IF broken IS NOT NULL THEN
    RAISE EXCEPTION 'new row for relation "ledger_entry" violates check constraint "%"', broken
      USING ERRCODE = 'check_violation', CONSTRAINT = broken, TABLE = 'ledger_entry';
  END IF;
  IF NEW.reverses_id IS NOT NULL THEN
    IF NOT EXISTS (
      SELECT FROM ledger_entry WHERE id = NEW.reverses_id AND action_kind <> 'read'
    ) THEN
      RAISE EXCEPTION 'entry % undoes %, which records no change before it',
                      NEW.id, NEW.reverses_id
        USING ERRCODE = 'integrity_constraint_violation',
              CONSTRAINT = 'ledger_reversal_has_an_original';
    END IF;
    IF EXISTS (
      SELECT FROM ledger_entry WHERE id = NEW.reverses_id AND reversal_kind = 'none'
    ) THEN
      RAISE EXCEPTION 'entry % undoes %, which declares no way back', NEW.id, NEW.reverses_id
        USING ERRCODE = 'integrity_constraint_violation',
              CONSTRAINT = 'ledger_reversal_has_an_original';
    END IF;
  END IF;
{ENTRY_THEN}""",
)


class MutationsMove(Operation):
    """Let entries have the columns of their details, and the table of these be a view."""

    reversible = True

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """What Django knows of it is told beside."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        added = ", ".join(f"ADD COLUMN {name} {type_}" for name, type_ in COLUMNS.items())
        told = ", ".join(f"{name} = m.{name}" for name in COLUMNS)
        for statement in (
            f"ALTER TABLE ledger_entry {added}",
            f"ALTER TABLE ledger_entry DISABLE TRIGGER {TRIGGER_ROWS}",
            f"UPDATE ledger_entry e SET {told} FROM ledger_mutation m WHERE m.entry_id = e.id",
            f"ALTER TABLE ledger_entry ENABLE TRIGGER {TRIGGER_ROWS}",
            f"DROP TRIGGER {TRIGGER_ROWS} ON ledger_mutation",
            f"DROP TRIGGER {TRIGGER_TABLE} ON ledger_mutation",
            "DROP TRIGGER ledger_mutation_keeps_its_rules ON ledger_mutation",
            "DROP TABLE ledger_mutation",
            "DROP FUNCTION ledger_mutation_keeps_its_rules()",
            *(each.format(table="ledger_entry") for each in UNIQUE),
            *VIEW,
            f"CREATE OR REPLACE {WITH_ITS_CHANGE.trigger}",
        ):
            schema_editor.execute(statement, params=None)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        dropped = ", ".join(f"DROP COLUMN {name}" for name in COLUMNS)
        columns = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
        rules = import_module("ledger.migrations.0080_entries_cost_less").WITH_ITS_ENTRY
        for statement in (
            "DROP TRIGGER ledger_mutation_is_read ON ledger_mutation",
            "DROP VIEW ledger_mutation",
            f"CREATE OR REPLACE {ENTRY.trigger}",
            f"CREATE TABLE ledger_mutation (entry_id uuid PRIMARY KEY, {columns})",
            f"INSERT INTO ledger_mutation (entry_id, {NAMES}) "
            f"SELECT id, {NAMES} FROM ledger_entry WHERE action_kind <> 'read'",
            "DROP INDEX ledger_full_reversal_happens_once",
            "DROP INDEX ledger_reversal_steps_are_counted",
            f"ALTER TABLE ledger_entry {dropped}",
            *(each.format(table="ledger_mutation") for each in UNIQUE),
            f"CREATE {rules.trigger}",
            "CREATE TRIGGER ledger_mutation_keeps_its_rules BEFORE INSERT ON ledger_mutation "
            "FOR EACH ROW EXECUTE FUNCTION ledger_mutation_keeps_its_rules()",
        ):
            schema_editor.execute(statement, params=None)
        AppendOnly("ledger_mutation").database_forwards(app_label, schema_editor)

    def describe(self) -> str:
        return "Put what a change adds to its entry into the entry's own row"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0120_payloads_have_one_check")]

    operations = [
        migrations.SeparateDatabaseAndState(
            [],
            [
                migrations.RemoveConstraint("mutation", "ledger_full_reversal_happens_once"),
                migrations.RemoveConstraint("mutation", "ledger_reversal_steps_are_counted"),
                migrations.AlterModelOptions("mutation", {"managed": False}),
            ],
        ),
        MutationsMove(),
    ]
