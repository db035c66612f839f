"""Light work that has lost a worker is no part of a batch any more.

Every row of a batch is charged with the crash of its worker. Taken together again and again, all
of them would be poisoned with the one that kills.
"""

from typing import Final

from django.db import migrations

from workflows.work.migrations.schema import claiming

BEFORE: Final = claiming.CLAIM_NEXT.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
_MAY_BE_TAKEN: Final = "WHERE work.lease_until IS NULL AND work.finished_at IS NULL\n"
ALONE: Final = BEFORE.replace(
    _MAY_BE_TAKEN, f"{_MAY_BE_TAKEN}        AND (p_limit = 1 OR work.crashes = 0)\n"
)
assert ALONE != BEFORE, "it has that condition"


class Migration(migrations.Migration):
    dependencies = [("work", "0001_schema")]

    operations = [migrations.RunSQL(ALONE, BEFORE)]
