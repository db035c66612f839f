"""What operators read: names of models that are English nouns. No table changes."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0091_titles_of_approvals_fade'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='agentswitch',
            options={'verbose_name_plural': 'agent switches'},
        ),
        migrations.AlterModelOptions(
            name='sealed',
            options={'verbose_name': 'place in the seals', 'verbose_name_plural': 'places in the seals'},
        ),
        migrations.AlterModelOptions(
            name='unsealed',
            options={'verbose_name': 'entry without a seal', 'verbose_name_plural': 'entries without a seal'},
        ),
    ]
