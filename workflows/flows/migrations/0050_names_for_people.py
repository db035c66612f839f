"""What operators read: names of models that are English nouns. No table changes."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('flows', '0002_flows_are_found_by_goal'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='flowsummary',
            options={'verbose_name': 'flow'},
        ),
        migrations.AlterModelOptions(
            name='remembered',
            options={'verbose_name': 'remembered answer'},
        ),
    ]
