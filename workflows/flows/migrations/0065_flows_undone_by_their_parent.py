"""Child flows that have completed, and were undone when their parent failed."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('flows', '0051_lists_find_what_is_asked'),
    ]

    operations = [
        migrations.AddField(
            model_name='flowsummary',
            name='is_undone',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
