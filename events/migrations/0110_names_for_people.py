"""What operators read: names of models that are English nouns. No table changes."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0040_appends_cost_less'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='storedevent',
            options={'verbose_name': 'event'},
        ),
        migrations.AlterModelOptions(
            name='unsequenced',
            options={'verbose_name': 'event without a position', 'verbose_name_plural': 'events without a position'},
        ),
    ]
