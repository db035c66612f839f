from django.db import migrations

from events.append_only import AppendOnly
from ledger.accountable import ENTRIES, FUNCTIONS, Accountable

UNDO = """
DROP TRIGGER ledger_entry_is_true ON ledger_entry;
DROP FUNCTION ledger_demand_change();
DROP FUNCTION ledger_demand_entry();
DROP FUNCTION ledger_note_change();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0003_entries'),
    ]

    operations = [
        AppendOnly('ledger_entry'),
        AppendOnly('ledger_mutation'),
        AppendOnly('ledger_disclosure'),
        migrations.RunSQL(FUNCTIONS + ENTRIES, UNDO),
        # Not of last_used_at: that somebody came in is not a change of the key.
        Accountable(
            'ledger_apikey',
            target='api_key',
            on='INSERT OR UPDATE OF digest, owner_id, scopes, expires_at, successor_id, revoked_at',
        ),
    ]
