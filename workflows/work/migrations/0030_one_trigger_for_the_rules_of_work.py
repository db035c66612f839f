"""The rules of work as one trigger for each table, and nothing beside it.

Django adds a CHECK to every count (`attempt >= 0`): there were nine, which PostgreSQL read and
planned anew for each of the three rows that a step writes. With them in the rules, and these in
a trigger, `work_hand_over` takes a seventh less.
"""

from importlib import import_module

from django.db import migrations

from events.row_rules import RulesOnInsert, RulesOnWrite

before = import_module("workflows.work.migrations.0005_one_check_for_all_rules_of_a_row")

WORK = RulesOnWrite(
    "work",
    columns={**before.WORK.columns, "rings": "int"},
    rules={
        **before.WORK.rules,
        # The other counts are at least as great: work_counts_every_attempt_and_fence and
        # work_keeps_to_its_budgets.
        "work_counts_from_zero": "failures >= 0 AND crashes >= 0 AND rings >= 0",
    },
)

ATTEMPT = RulesOnInsert(
    "work_attempt",
    columns={**before.ATTEMPT.columns, "attempt": "int", "fence": "int"},
    rules={
        **before.ATTEMPT.rules,
        "work_attempt_counts_from_zero": "attempt >= 0 AND fence >= 0",
    },
)

_COUNTS = {
    "work": ("attempt", "fence", "failures", "max_attempts", "crashes", "crash_budget", "rings"),
    "work_attempt": ("attempt", "fence"),
}


class Migration(migrations.Migration):
    dependencies = [("work", "0006_hand_over_for_several")]

    operations = [
        *(
            migrations.RunSQL(
                f"ALTER TABLE {table} DROP CONSTRAINT {table}_{column}_check",
                f"ALTER TABLE {table} ADD CONSTRAINT {table}_{column}_check CHECK ({column} >= 0)",
            )
            for table, columns in _COUNTS.items()
            for column in columns
        ),
        WORK,
        ATTEMPT,
    ]
