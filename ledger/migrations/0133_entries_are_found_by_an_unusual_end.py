"""Index by their status the entries that did not succeed.

The list of what was denied, which is a few of a million, read all the others.
"""

from django.db import migrations, models
from django.db.models import Q

UNUSUAL = [
    "approved", "awaiting_approval", "cancelled", "compensated", "denied", "expired", "failed",
    "requested", "reversed", "superseded",
]  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("ledger", "0132_policies_in_force_are_named")]

    operations = [
        migrations.AddIndex(
            "entry",
            models.Index(
                fields=["status", "occurred_at"],
                name="ledger_entries_of_unusual_end",
                condition=Q(status__in=UNUSUAL),
            ),
        ),
    ]
