from django.db import migrations

from events.append_only import AppendOnly


class Migration(migrations.Migration):
    dependencies = [("work", "0001_tables_of_work")]

    operations = [AppendOnly("work_attempt")]
