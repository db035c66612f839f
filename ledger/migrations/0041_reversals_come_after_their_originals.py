from django.db import migrations

# What is referred to must be there already, and what is there never changes: so the graph of
# reversals has no cycle, however its rows come in.
DO = """
CREATE FUNCTION ledger_check_original() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE original ledger_mutation;
BEGIN
  SELECT * INTO original FROM ledger_mutation WHERE entry_id = NEW.reverses_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'entry % undoes %, which records no change before it',
                    NEW.entry_id, NEW.reverses_id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
  END IF;
  IF original.reversal_kind = 'none' THEN
    RAISE EXCEPTION 'entry % undoes %, which declares no way back', NEW.entry_id, NEW.reverses_id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER ledger_reversal_has_an_original BEFORE INSERT ON ledger_mutation
  FOR EACH ROW WHEN (NEW.reverses_id IS NOT NULL) EXECUTE FUNCTION ledger_check_original();
"""

UNDO = """
DROP TRIGGER ledger_reversal_has_an_original ON ledger_mutation;
DROP FUNCTION ledger_check_original();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0040_reversals'),
    ]

    operations = [
        migrations.RunSQL(DO, UNDO),
    ]
