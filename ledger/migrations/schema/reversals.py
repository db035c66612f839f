"""How far actions are undone."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

from events.tables.row_rules import RulesOnWrite

TABLES = [
    migrations.CreateModel(
        name="ReversalStanding",
        fields=[
            (
                "entry",
                models.OneToOneField(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    primary_key=True,
                    related_name="standing",
                    serialize=False,
                    to="ledger.entry",
                ),
            ),
            (
                "state",
                models.CharField(
                    choices=[
                        ("not_reversible", "not reversible"),
                        ("available", "available"),
                        ("requested", "requested"),
                        ("running", "running"),
                        ("completed", "completed"),
                        ("failed", "failed"),
                        ("expired", "expired"),
                    ],
                    max_length=14,
                ),
            ),
            (
                "outcome",
                models.CharField(
                    blank=True,
                    choices=[("full", "full"), ("partial", "partial"), ("failed", "failed")],
                    db_default="",
                    max_length=7,
                ),
            ),
            ("amount_cents", models.BigIntegerField(blank=True, null=True)),
            ("currency", models.CharField(blank=True, db_default="", max_length=3)),
            ("done_cents", models.BigIntegerField(db_default=0)),
            ("running", models.PositiveIntegerField(db_default=0)),
            ("running_cents", models.BigIntegerField(db_default=0)),
            ("until", models.DateTimeField(blank=True, null=True)),
            ("expired_at", models.DateTimeField(blank=True, null=True)),
            ("steps", models.PositiveIntegerField(db_default=0)),
            (
                "reversed_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="ledger.entry",
                ),
            ),
            (
                "requests",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.UUIDField(), blank=True, db_default=[], size=None
                ),
            ),
        ],
        options={
            "indexes": [
                models.Index(
                    condition=models.Q(
                        ("state__in", ["available", "failed", "requested"]),
                        ("expired_at", None),
                        ("until__isnull", False),
                    ),
                    fields=["until"],
                    name="ledger_standings_by_end",
                ),
                models.Index(fields=["state", "-entry"], name="ledger_standings_by_state"),
                models.Index(
                    condition=models.Q(("requests", []), _negated=True),
                    fields=["entry"],
                    name="ledger_standings_with_requests",
                ),
            ],
        },
    ),
]

# The entry comes first, be it in the same statement; and it is never taken away.
OF_AN_ENTRY = """
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (SELECT FROM ledger_entry WHERE id = NEW.entry_id) THEN
      RAISE EXCEPTION 'there is no entry %, whose standing this is', NEW.entry_id
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'ledger_standing_is_of_an_entry',
              TABLE = 'ledger_reversalstanding';
    END IF;
  ELSIF NEW.entry_id <> OLD.entry_id THEN
    RAISE EXCEPTION 'the standing of entry % is that of no other', OLD.entry_id
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'ledger_standing_is_of_an_entry',
            TABLE = 'ledger_reversalstanding';
  END IF;
"""

STANDING = RulesOnWrite(
    "ledger_reversalstanding",
    columns={
        "state": "text", "outcome": "text", "amount_cents": "bigint", "done_cents": "bigint",
        "running": "int", "running_cents": "bigint", "reversed_by_id": "uuid",
        "requests": "uuid[]", "steps": "int",
    },
    rules={
        "ledger_standing_state_is_known": "state IN ('available', 'completed', 'expired', "
        "'failed', 'not_reversible', 'requested', 'running')",
        "ledger_standing_outcome_is_one": "outcome = '' OR outcome IN ('failed', 'full', "
        "'partial')",
        "ledger_standing_amounts_are_not_negative": "done_cents >= 0 AND running_cents >= 0",
        "ledger_reversals_never_exceed_the_original": "amount_cents >= done_cents + running_cents",
        # So there are never less than none.
        "ledger_standing_running_has_something_under_way": "CASE WHEN state = 'running' "
        "THEN running > 0 ELSE running = 0 END",
        "ledger_standing_completed_says_by_what": "state <> 'completed' "
        "OR outcome IN ('full', 'partial') AND reversed_by_id IS NOT NULL",
        "ledger_standing_requested_says_under_what": "state <> 'requested' OR requests <> '{}'",
        "ledger_standing_counts_from_zero": "steps >= 0",
    },
    then=OF_AN_ENTRY,
)  # fmt: skip

# What Django makes of a count.
WITHOUT_A_CHECK = """
ALTER TABLE ledger_reversalstanding
  DROP CONSTRAINT ledger_reversalstanding_running_check,
  DROP CONSTRAINT ledger_reversalstanding_steps_check
"""

RULES = [
    migrations.RunSQL(WITHOUT_A_CHECK, migrations.RunSQL.noop),
    STANDING,
]
