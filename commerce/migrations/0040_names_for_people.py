"""What operators read: names of models that are English nouns. No table changes."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('commerce', '0030_chargebacks_are_reviewed_and_surpluses_go_back'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='travellerpersonal',
            options={'verbose_name': 'personal data of a traveller', 'verbose_name_plural': 'personal data of travellers'},
        ),
    ]
