"""What succeeds at its first claim has no row of its own in the journal of attempts.

Nothing is rewritten: `work_every_attempt` reads a success wherever it is.
"""

import django.db.models.deletion
from django.db import migrations, models

from events.tables.functions import again
from workflows.work.migrations.schema.claiming import COMPLETE
from workflows.work.migrations.schema.handing_over import HAND_OVER, HAND_OVER_MANY
from workflows.work.migrations.schema.journal import EVERY_ATTEMPT, WRITE_DOWN


class Migration(migrations.Migration):
    dependencies = [("work", "0001_schema")]

    operations = [
        migrations.RunSQL(EVERY_ATTEMPT, WRITE_DOWN),
        again(COMPLETE),
        again(HAND_OVER),
        again(HAND_OVER_MANY),
        migrations.CreateModel(
            name="EveryAttempt",
            fields=[
                ("attempt", models.PositiveIntegerField()),
                ("fence", models.PositiveIntegerField()),
                ("worker", models.CharField(max_length=200)),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("cancelled", "cancelled"),
                            ("crashed", "crashed"),
                            ("done", "done"),
                            ("failed", "failed"),
                            ("snoozed", "snoozed"),
                            ("stale", "stale"),
                            ("timed_out", "timed_out"),
                        ],
                        max_length=10,
                    ),
                ),
                ("error_class", models.CharField(blank=True, default="", max_length=200)),
                ("error", models.TextField(blank=True, default="")),
                ("stack", models.TextField(blank=True, default="")),
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name": "attempt",
                "db_table": "work_every_attempt",
                "managed": False,
            },
        ),
        migrations.AlterField(
            model_name="attempt",
            name="work",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="ends",
                to="work.work",
            ),
        ),
    ]
