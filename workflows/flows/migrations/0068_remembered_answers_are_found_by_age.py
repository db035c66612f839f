"""Answers that are to be forgotten are found without reading the others."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0001_schema"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="remembered",
            index=models.Index(fields=["made_at"], name="flows_remembered_by_age"),
        ),
    ]
