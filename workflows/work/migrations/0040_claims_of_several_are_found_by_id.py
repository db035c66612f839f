"""`work_hand_over_many` looks for the claims it completes by their ids, whatever it was planned for.

A function keeps its plans until the table is analysed. Without statistics nearly nothing seems
to have no `cancel_requested_at`, so the plan began with whatever that is: it read all of `work`
for each commit, 4,000 pages at 6,000 rows, which took longer than the events.
"""

from importlib import import_module

from django.db import migrations

_BEFORE = import_module(
    "workflows.work.migrations.0035_what_is_handed_over_together_is_read_once"
).HAND_OVER_MANY.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")

_BY_ID = "WHERE work.id = one.claim"
_BY_IDS = f"""WHERE work.id = ANY (ARRAY(
               SELECT known.claim FROM json_to_recordset(p_claims) AS known (claim uuid)))
         AND {_BY_ID.removeprefix("WHERE ")}"""

HAND_OVER_MANY = _BEFORE.replace(_BY_ID, _BY_IDS)


class Migration(migrations.Migration):
    dependencies = [("work", "0035_what_is_handed_over_together_is_read_once")]

    operations = [migrations.RunSQL(HAND_OVER_MANY, _BEFORE)]
