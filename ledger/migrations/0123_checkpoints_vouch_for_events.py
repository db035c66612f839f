"""Let each checkpoint sign what the log of events says. Those of before stay as they are."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0122_entries_have_two_indexes_less")]

    operations = [
        migrations.AddField("checkpoint", "events_through", models.BigIntegerField(null=True)),
        migrations.AddField(
            "checkpoint", "events_digest", models.CharField(max_length=64, null=True)
        ),
        migrations.AddConstraint(
            "checkpoint",
            models.CheckConstraint(
                condition=models.Q(("events_digest", None), ("events_through", None))
                | models.Q(
                    ("events_digest__regex", "^[0-9a-f]{64}$"), ("events_through__gte", 0)
                ),
                name="ledger_checkpoint_of_events_is_whole",
            ),
        ),
    ]
