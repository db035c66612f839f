"""Several events come to an append as a text of lines and fields, and not as JSON.

A step of a flow takes PostgreSQL a twentieth less. The `events_append` that takes JSON stays where
there is one, for processes of the revision before. What they would write together with others is
refused, so that each writes for itself.
"""

from django.db import migrations

from events.migrations.schema.verbs import APPEND, APPEND_MANY
from events.tables.functions import again


class Migration(migrations.Migration):
    dependencies = [("events", "0001_schema")]

    operations = [again(APPEND), again(APPEND_MANY)]
