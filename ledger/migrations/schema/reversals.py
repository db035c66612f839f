"""How far actions are undone."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="ReversalStanding",
        fields=[
            (
                "entry",
                models.OneToOneField(
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
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "state__in",
                            [
                                "available",
                                "completed",
                                "expired",
                                "failed",
                                "not_reversible",
                                "requested",
                                "running",
                            ],
                        )
                    ),
                    name="ledger_standing_state_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("outcome__in", ["", "failed", "full", "partial"])),
                    name="ledger_standing_outcome_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("done_cents__gte", 0), ("running_cents__gte", 0)),
                    name="ledger_standing_amounts_are_not_negative",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("amount_cents", None),
                        (
                            "amount_cents__gte",
                            django.db.models.expressions.CombinedExpression(
                                models.F("done_cents"), "+", models.F("running_cents")
                            ),
                        ),
                        _connector="OR",
                    ),
                    name="ledger_reversals_never_exceed_the_original",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("state", "running"), ("running__gt", 0)),
                        models.Q(models.Q(("state", "running"), _negated=True), ("running", 0)),
                        _connector="OR",
                    ),
                    name="ledger_standing_running_has_something_under_way",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("state", "completed"), _negated=True),
                        models.Q(
                            ("outcome__in", ["full", "partial"]), ("reversed_by__isnull", False)
                        ),
                        _connector="OR",
                    ),
                    name="ledger_standing_completed_says_by_what",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("state", "requested"), _negated=True),
                        models.Q(("requests", []), _negated=True),
                        _connector="OR",
                    ),
                    name="ledger_standing_requested_says_under_what",
                ),
            ],
        },
    ),
]
