"""Flows whose outcome came while they were paused are not listed as paused."""

from typing import Any

from django.db import migrations


def end_pauses(apps: Any, _schema_editor: Any) -> None:
    rows = apps.get_model("flows", "FlowSummary").objects.filter(is_paused=True)
    rows.exclude(outcome="active").update(is_paused=False)


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0068_remembered_answers_are_found_by_age"),
    ]

    operations = [
        migrations.RunPython(end_pauses, migrations.RunPython.noop, elidable=True),
    ]
