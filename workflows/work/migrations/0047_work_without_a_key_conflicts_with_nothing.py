"""What is handed over is put on the list without ON CONFLICT if nothing of it has a key.

As of a step of a flow. PostgreSQL announces each row that may conflict to the others first (a
speculative insertion): a lock, and one more record in its log, also where the key is null. Without
that a step takes it a twentieth fewer instructions.
"""

from django.db import migrations

from workflows.work.migrations.schema.handing_over import (
    HAND_OVER,
    HAND_OVER_MANY,
    as_before,
    by_keys,
)


class Migration(migrations.Migration):
    dependencies = [("work", "0046_what_lost_a_worker_is_taken_alone")]

    operations = [
        migrations.RunSQL(by_keys(HAND_OVER, "p_wanted"), as_before(HAND_OVER)),
        migrations.RunSQL(by_keys(HAND_OVER_MANY, "p_following"), as_before(HAND_OVER_MANY)),
    ]
