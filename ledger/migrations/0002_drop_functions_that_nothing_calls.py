"""Functions of triggers that are gone, which stayed for the way back; new databases lack them."""

from django.db import migrations

DROP = """
DROP FUNCTION IF EXISTS ledger_check_amended(), ledger_check_execution(), ledger_check_original(),
  ledger_demand_change(), ledger_queue_for_seal()
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_schema")]

    operations = [migrations.RunSQL(DROP, migrations.RunSQL.noop)]
