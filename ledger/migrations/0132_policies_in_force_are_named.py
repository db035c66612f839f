"""The one row of the policies in force has a plural that people can read."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ledger", "0131_the_voice_of_a_delegate_is_marked")]

    operations = [
        migrations.AlterModelOptions(
            name="policiesinforce",
            options={"verbose_name_plural": "policies in force"},
        ),
    ]
