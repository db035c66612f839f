"""What must still happen."""

from django.db import migrations

from events.tables.schema import Tables
from workflows.work.migrations.schema import handing_over, rules, work


class Migration(migrations.Migration):
    initial = True
    # What databases of before have applied. All of it, or they cannot go on: ADR 0047.
    replaces = [
        ("work", "0001_tables_of_work"),
        ("work", "0002_let_attempts_only_grow"),
        ("work", "0003_vacuum_work_often"),
        ("work", "0004_hand_over_in_one_statement"),
        ("work", "0005_one_check_for_all_rules_of_a_row"),
        ("work", "0006_hand_over_for_several"),
        ("work", "0030_one_trigger_for_the_rules_of_work"),
    ]
    dependencies = []

    operations = [
        Tables(*work.TABLES),
        *rules.RULES,
        *handing_over.RULES,
    ]
