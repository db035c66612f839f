from django.db import migrations

# As in 0041: a foreign key is checked at the end, so in one transaction two entries could each
# amend the other. What is amended must be there first, and what is there never changes: so what
# undoes and what amends are one graph without a cycle, however its rows come in.
DO = """
CREATE FUNCTION ledger_check_amended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM ledger_entry WHERE id = NEW.amends_id) THEN
    RAISE EXCEPTION 'entry % amends %, which is not there before it', NEW.id, NEW.amends_id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER ledger_amendment_has_an_original BEFORE INSERT ON ledger_entry
  FOR EACH ROW WHEN (NEW.amends_id IS NOT NULL) EXECUTE FUNCTION ledger_check_amended();
"""

UNDO = """
DROP TRIGGER ledger_amendment_has_an_original ON ledger_entry;
DROP FUNCTION ledger_check_amended();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0044_reversals_wait_for_approvals'),
    ]

    operations = [
        migrations.RunSQL(DO, UNDO),
    ]
