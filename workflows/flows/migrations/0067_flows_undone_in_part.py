"""Flows of which something could not be undone say so in the list."""

from django.db import migrations, models

SAY_OF_EARLIER_ONES = """
UPDATE flows_flowsummary SET is_partly_undone = true
 WHERE outcome <> 'active'
   AND 'flow/' || flow_id || '/' IN (SELECT stream FROM events_event WHERE name = 'comp_failed')
"""


class Migration(migrations.Migration):

    dependencies = [
        ("flows", "0066_nobody_awaits_what_has_ended"),
    ]

    operations = [
        migrations.AddField(
            model_name="flowsummary",
            name="is_partly_undone",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RunSQL(SAY_OF_EARLIER_ONES, migrations.RunSQL.noop),
    ]
