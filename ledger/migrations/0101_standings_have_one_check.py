"""Hold a standing to its rules by one trigger, as an entry is: ADR 0019.

Each action that can be undone has one. Its nine CHECKs were read and planned anew for each, and
the key that refers to the entry was looked up a second time when the transaction ended: a third of
what PostgreSQL spends on the entry besides.
"""

import django.db.models.deletion
from django.db import migrations, models

from events.tables.row_rules import RulesOnWrite

# The entry comes first, be it in the same statement; and it is never taken away.
OF_AN_ENTRY = """
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (SELECT FROM ledger_entry WHERE id = NEW.entry_id) THEN
      RAISE EXCEPTION 'there is no entry %, whose standing this is', NEW.entry_id
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'ledger_standing_is_of_an_entry',
              TABLE = 'ledger_reversalstanding';
    END IF;
  ELSIF NEW.entry_id <> OLD.entry_id THEN
    RAISE EXCEPTION 'the standing of entry % is that of no other', OLD.entry_id
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'ledger_standing_is_of_an_entry',
            TABLE = 'ledger_reversalstanding';
  END IF;
"""

STANDING = RulesOnWrite(
    "ledger_reversalstanding",
    columns={
        "state": "text", "outcome": "text", "amount_cents": "bigint", "done_cents": "bigint",
        "running": "int", "running_cents": "bigint", "reversed_by_id": "uuid",
        "requests": "uuid[]", "steps": "int",
    },
    rules={
        "ledger_standing_state_is_known": "state IN ('available', 'completed', 'expired', "
        "'failed', 'not_reversible', 'requested', 'running')",
        "ledger_standing_outcome_is_one": "outcome = '' OR outcome IN ('failed', 'full', "
        "'partial')",
        "ledger_standing_amounts_are_not_negative": "done_cents >= 0 AND running_cents >= 0",
        "ledger_reversals_never_exceed_the_original": "amount_cents >= done_cents + running_cents",
        # So there are never less than none.
        "ledger_standing_running_has_something_under_way": "CASE WHEN state = 'running' "
        "THEN running > 0 ELSE running = 0 END",
        "ledger_standing_completed_says_by_what": "state <> 'completed' "
        "OR outcome IN ('full', 'partial') AND reversed_by_id IS NOT NULL",
        "ledger_standing_requested_says_under_what": "state <> 'requested' OR requests <> '{}'",
        "ledger_standing_counts_from_zero": "steps >= 0",
    },
    then=OF_AN_ENTRY,
)  # fmt: skip

WITHOUT_A_CHECK = """
ALTER TABLE ledger_reversalstanding
  DROP CONSTRAINT ledger_standing_outcome_is_known,
  DROP CONSTRAINT ledger_reversalstanding_running_check,
  DROP CONSTRAINT ledger_reversalstanding_steps_check
"""
WITH_A_CHECK = """
ALTER TABLE ledger_reversalstanding
  ADD CONSTRAINT ledger_standing_outcome_is_known
    CHECK (outcome IN ('', 'failed', 'full', 'partial')),
  ADD CONSTRAINT ledger_reversalstanding_running_check CHECK (running >= 0),
  ADD CONSTRAINT ledger_reversalstanding_steps_check CHECK (steps >= 0)
"""
IN_THE_MODEL = (
    "ledger_standing_state_is_known",
    "ledger_standing_outcome_is_known",
    "ledger_standing_amounts_are_not_negative",
    "ledger_reversals_never_exceed_the_original",
    "ledger_standing_running_has_something_under_way",
    "ledger_standing_completed_says_by_what",
    "ledger_standing_requested_says_under_what",
)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0100_policies_in_force_have_a_mark")]

    operations = [
        migrations.SeparateDatabaseAndState(
            [], [migrations.RemoveConstraint("reversalstanding", name) for name in IN_THE_MODEL]
        ),
        migrations.RunSQL(WITHOUT_A_CHECK, WITH_A_CHECK),
        STANDING,
        migrations.AlterField(
            "reversalstanding",
            "entry",
            models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                primary_key=True,
                related_name="standing",
                serialize=False,
                to="ledger.entry",
            ),
        ),
    ]
