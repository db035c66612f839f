"""What writes an entry with fewer checks of the same thing: ADR 0019 says what a check costs.

Entries are never taken away, so what a detail and an amendment refer to has to be there when
they come in, and never again. Their triggers see to that; a foreign key of each was checked at
the end of every transaction besides.
"""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from events.tables.row_rules import RulesOnInsert, ThenOnInsert
from ledger.migrations.schema.entry_rules import MUTATION

# The entry comes first, be it in the same statement: a trigger sees what that has written.
OF_AN_ENTRY = """
  IF NOT EXISTS (SELECT FROM ledger_entry WHERE id = NEW.entry_id) THEN
    RAISE EXCEPTION 'there is no entry %, whose detail this is', NEW.entry_id
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'ledger_mutation_is_of_an_entry',
            TABLE = 'ledger_mutation';
  END IF;
"""

WITH_ITS_ENTRY = RulesOnInsert(
    "ledger_mutation",
    columns=MUTATION.columns,
    rules=MUTATION.rules,
    then=f"{MUTATION.then}{OF_AN_ENTRY}",
)

# It raises, for whoever commits in the same breath.
DEMAND = """
CREATE FUNCTION ledger_demand_policies(asked uuid[]) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
  in_force uuid[] := (
    SELECT coalesce(array_agg(id ORDER BY name), '{}') FROM ledger_approvalpolicyversion
     WHERE status = 'active'
  );
BEGIN
  IF in_force <> asked THEN
    RAISE EXCEPTION 'other policies are in force than were asked' USING ERRCODE = 'DB004';
  END IF;
  RETURN true;
END $$;
"""

# ledger_reversal_steps_are_counted finds them as well.
DROP_INDEX = "DROP INDEX ledger_mutation_reverses_id_0d4c619e"
RESTORE_INDEX = """
CREATE INDEX ledger_mutation_reverses_id_0d4c619e ON ledger_mutation (reverses_id)
"""


def _reverses(*, db_index: bool) -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        blank=True,
        db_constraint=False,
        db_index=db_index,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="reversals",
        to="ledger.entry",
    )


class Migration(migrations.Migration):
    dependencies = [("ledger", "0090_reasons_are_kept_whole")]

    operations = [
        ThenOnInsert(MUTATION, WITH_ITS_ENTRY),
        migrations.RunSQL(DEMAND, "DROP FUNCTION ledger_demand_policies(uuid[])"),
        migrations.AlterField(
            "mutation",
            "entry",
            models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                primary_key=True,
                related_name="mutation",
                serialize=False,
                to="ledger.entry",
            ),
        ),
        migrations.AlterField("mutation", "reverses", _reverses(db_index=True)),
        # Django would take the unique one of the same column along.
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(DROP_INDEX, RESTORE_INDEX)],
            [migrations.AlterField("mutation", "reverses", _reverses(db_index=False))],
        ),
        migrations.AlterField(
            "entry",
            "amends",
            models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="amended_by",
                to="ledger.entry",
            ),
        ),
        # A key is a principal, and found as one.
        migrations.RemoveIndex("entry", "ledger_entries_of_token"),
    ]
