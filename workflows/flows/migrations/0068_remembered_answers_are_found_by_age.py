"""Answers that are to be forgotten are found without reading the others."""

from django.db import migrations, models

from events.tables.indexes import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("flows", "0001_schema"),
    ]

    operations = [
        AddIndexBesideWriters(
            model_name="remembered",
            index=models.Index(fields=["made_at"], name="flows_remembered_by_age"),
        ),
    ]
