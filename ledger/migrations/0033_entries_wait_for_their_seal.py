from django.db import migrations

from events.append_only import AppendOnly

# Whoever inserts an entry, and however: it waits for its seal.
QUEUE = """
CREATE FUNCTION ledger_queue_for_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ledger_unsealed (entry_id) VALUES (NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_entry_waits_for_seal AFTER INSERT ON ledger_entry
  FOR EACH ROW EXECUTE FUNCTION ledger_queue_for_seal();

INSERT INTO ledger_unsealed (entry_id) SELECT id FROM ledger_entry ORDER BY transaction_id, id;

-- A deleted row is gone only after vacuum, and this table is a queue.
ALTER TABLE ledger_unsealed SET (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0
);
"""

UNDO = """
DROP TRIGGER ledger_entry_waits_for_seal ON ledger_entry;
DROP FUNCTION ledger_queue_for_seal();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0032_seals'),
    ]

    operations = [
        migrations.RunSQL(QUEUE, UNDO),
        AppendOnly('ledger_sealed'),
        AppendOnly('ledger_signingkey'),
        AppendOnly('ledger_checkpoint'),
    ]
