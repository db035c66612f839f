"""What a change adds to its entry: columns of the entry's own row, read through `ledger_mutation`.

As a table of its own, with rules, a trigger and an index, it took PostgreSQL a quarter of what an
entry takes.
"""

from typing import Final

from django.db import migrations

from events.tables.row_rules import RulesOnInsert

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
_NAMES: Final = ", ".join(COLUMNS)
_ADDED: Final = ", ".join(f"ADD COLUMN {name} {type_}" for name, type_ in COLUMNS.items())
_DROPPED: Final = ", ".join(f"DROP COLUMN {name}" for name in COLUMNS)

# A number is read only once: ledger_reversal_steps_are_counted finds what undoes an entry as well.
ROWS = f"""
ALTER TABLE ledger_entry {_ADDED};
CREATE UNIQUE INDEX ledger_full_reversal_happens_once ON ledger_entry (reverses_id)
  WHERE reversal_outcome = 'full';
CREATE UNIQUE INDEX ledger_reversal_steps_are_counted ON ledger_entry (reverses_id, reversal_number)
  WHERE reverses_id IS NOT NULL;
"""

# Whoever asks does so by their own rights; nothing is written by this way.
VIEW = f"""
CREATE VIEW ledger_mutation WITH (security_invoker = true) AS
  SELECT id AS entry_id, {_NAMES} FROM ledger_entry WHERE action_kind <> 'read';
CREATE TRIGGER ledger_mutation_is_read INSTEAD OF INSERT OR UPDATE OR DELETE ON ledger_mutation
  FOR EACH ROW EXECUTE FUNCTION daybook_refuse_change();
"""

# The trigger of the entry asks it: see entry_rules.py.
CHANGE = RulesOnInsert(
    "ledger_mutation",
    columns={
        "entry_id": "uuid", "reversal_kind": "text", "reversal_command_id": "text",
        "reversal_amount_cents": "bigint", "reverses_id": "uuid", "reversal_step": "text",
        "reversal_number": "int", "reversal_outcome": "text", "reversed_cents": "bigint",
        "reversal_command_version": "int",
    },
    rules={
        "ledger_mutation_reversal_is_known": "reversal_kind IN ('compensate', 'domain_command', "
        "'none', 'revert')",
        "ledger_mutation_names_what_undoes_it": "(reversal_kind = 'none') = "
        "(reversal_command_id = '')",
        "ledger_mutation_declared_amount_is_positive": "reversal_amount_cents > 0",
        "ledger_reversal_step_has_an_original": "reverses_id IS NULL AND reversal_step = '' "
        "AND reversal_number IS NULL OR reverses_id IS NOT NULL AND reversal_number >= 1 "
        "AND reversal_step <> ''",
        "ledger_reversal_outcome_fits_its_step": "CASE "
        "WHEN reversal_step IN ('completed', 'settled') "
        "THEN reversal_outcome IN ('full', 'partial') "
        "WHEN reversal_step IN ('failed', 'returned') THEN reversal_outcome = 'failed' "
        "ELSE reversal_outcome = '' END",
        "ledger_reversed_amount_is_not_negative": "reversed_cents >= 0",
        "ledger_mutation_does_not_reverse_itself": "reverses_id <> entry_id",
        "ledger_reversal_version_starts_at_one": "reversal_command_version >= 1",
    },
)  # fmt: skip

RULES = [
    migrations.RunSQL(ROWS, f"ALTER TABLE ledger_entry {_DROPPED}"),
    migrations.RunSQL(VIEW, "DROP VIEW ledger_mutation"),
    migrations.RunSQL(f"CREATE {CHANGE.rule}", "DROP FUNCTION ledger_mutation_broken_rule"),
]
