"""Ask two questions of an entry that undoes, amends and needs nothing, where six were asked.

PL/pgSQL prepares each expression anew in each transaction. The rules are the same.
"""

from typing import Final

from django.db import migrations

from events.tables.row_rules import RulesOnInsert, ThenOnInsert
from ledger.migrations.schema.entry_rules import (
    ENTRY,
    OF_A_CHANGE_THEN,
    OF_ITS_TRUTH_THEN,
    TO_BE_SEALED_THEN,
)

GUARDED: Final = RulesOnInsert(
    ENTRY.table,
    columns=ENTRY.columns,
    rules=ENTRY.rules,
    then=f"""
  -- What has none of these keeps the rules of a change.
  IF NEW.reversal_kind <> 'none' OR NEW.reversal_command_id <> ''
     OR NEW.reversal_amount_cents IS NOT NULL OR NEW.reverses_id IS NOT NULL
     OR NEW.reversal_step <> '' OR NEW.reversal_number IS NOT NULL OR NEW.reversal_outcome <> ''
     OR NEW.reversed_cents <> 0 OR NEW.reversal_command_version IS NOT NULL THEN{OF_A_CHANGE_THEN}
  END IF;
  IF NEW.amends_id IS NOT NULL OR NEW.approval_id IS NOT NULL
     OR NEW.evaluated_risk IN ('critical', 'high')
     OR NEW.transaction_id <> pg_current_xact_id()::text::bigint OR NEW.created_at <> now() THEN
{OF_ITS_TRUTH_THEN}
  END IF;
{TO_BE_SEALED_THEN}""",
)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0134_delegations_keep_within_all_above")]

    operations = [ThenOnInsert(ENTRY, GUARDED)]
