"""Subscriptions count their changes, so that nobody changes what somebody else has changed since."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("webhooks", "0001_schema"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="version",
            field=models.PositiveIntegerField(db_default=1, default=1),
        ),
    ]
