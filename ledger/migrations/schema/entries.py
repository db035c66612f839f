"""Entries: who did what, by what authority, and what it changed or showed."""

import django.contrib.postgres.fields
import django.contrib.postgres.functions
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

import events.ids
import ledger.models.entries

UNUSUAL_ENDS = [
    "approved", "awaiting_approval", "cancelled", "compensated", "denied", "expired", "failed",
    "requested", "reversed", "superseded",
]  # fmt: skip

# A key is a principal, and found as one.
FOUND_BY_WORD = [
    "action_name", "target_id", "principal_id", "api_token_id", "workflow_step_id",
    "route_or_tool_name", "idempotency_key", "delegated_by_id", "capability_id",
]  # fmt: skip

TABLES = [
    migrations.CreateModel(
        name="Entry",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("occurred_at", models.DateTimeField()),
            (
                "created_at",
                models.DateTimeField(db_default=django.contrib.postgres.functions.TransactionNow()),
            ),
            (
                "transaction_id",
                models.BigIntegerField(db_default=ledger.models.entries.TransactionId()),
            ),
            ("action_name", models.CharField(max_length=120)),
            ("action_version", models.SmallIntegerField(db_default=1)),
            (
                "action_kind",
                models.CharField(
                    choices=[
                        ("read", "read"),
                        ("create", "create"),
                        ("update", "update"),
                        ("delete", "delete"),
                        ("execute", "execute"),
                        ("approve", "approve"),
                        ("reject", "reject"),
                        ("reverse", "reverse"),
                        ("compensate", "compensate"),
                        ("duplicate", "duplicate"),
                    ],
                    max_length=10,
                ),
            ),
            (
                "status",
                models.CharField(
                    choices=[
                        ("requested", "requested"),
                        ("awaiting_approval", "awaiting approval"),
                        ("approved", "approved"),
                        ("denied", "denied"),
                        ("succeeded", "succeeded"),
                        ("failed", "failed"),
                        ("reversed", "reversed"),
                        ("compensated", "compensated"),
                        ("expired", "expired"),
                        ("cancelled", "cancelled"),
                        ("superseded", "superseded"),
                    ],
                    max_length=17,
                ),
            ),
            (
                "evaluated_risk",
                models.CharField(
                    choices=[
                        ("low", "low"),
                        ("medium", "medium"),
                        ("high", "high"),
                        ("critical", "critical"),
                    ],
                    max_length=8,
                ),
            ),
            (
                "old_reason",
                models.CharField(blank=True, db_column="reason", db_default="", max_length=500),
            ),
            ("actor_type", models.CharField(blank=True, db_default="", max_length=40)),
            (
                "principal_type",
                models.CharField(
                    choices=[
                        ("agent", "agent"),
                        ("api_key", "api key"),
                        ("system", "system"),
                        ("user", "user"),
                        ("workflow", "workflow"),
                    ],
                    max_length=8,
                ),
            ),
            ("principal_id", models.CharField(max_length=255)),
            ("principal_subtype", models.CharField(blank=True, db_default="", max_length=40)),
            ("session_id", models.CharField(blank=True, db_default="", max_length=64)),
            ("api_token_id", models.CharField(blank=True, db_default="", max_length=255)),
            ("internal_request", models.BooleanField(db_default=False)),
            ("delegated_by_type", models.CharField(blank=True, db_default="", max_length=8)),
            ("delegated_by_id", models.CharField(blank=True, db_default="", max_length=255)),
            ("delegation_id", models.UUIDField(blank=True, null=True)),
            ("caller_type", models.CharField(blank=True, db_default="", max_length=20)),
            ("organization_id", models.CharField(blank=True, db_default="", max_length=255)),
            ("route_or_tool_name", models.CharField(blank=True, db_default="", max_length=255)),
            ("workflow_run_id", models.CharField(blank=True, db_default="", max_length=255)),
            ("workflow_step_id", models.CharField(blank=True, db_default="", max_length=255)),
            ("correlation_id", models.CharField(max_length=255)),
            ("causation_id", models.CharField(blank=True, db_default="", max_length=255)),
            ("idempotency_scope", models.CharField(blank=True, max_length=300, null=True)),
            ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
            ("idempotency_fingerprint", models.CharField(blank=True, db_default="", max_length=64)),
            ("target_type", models.CharField(max_length=60)),
            ("target_id", models.CharField(max_length=200)),
            ("capability_id", models.CharField(max_length=100)),
            ("capability_version", models.SmallIntegerField()),
            ("authorization_source", models.CharField(max_length=40)),
            ("approval_id", models.UUIDField(blank=True, null=True)),
            ("body", models.BinaryField()),
            ("digest", models.CharField(max_length=64)),
            (
                "amends",
                models.ForeignKey(
                    blank=True,
                    db_constraint=False,
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="amended_by",
                    to="ledger.entry",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "entries",
            "indexes": [
                models.Index(fields=["-occurred_at", "-id"], name="ledger_entries_by_time"),
                models.Index(fields=["transaction_id"], name="ledger_entries_of_transaction"),
                models.Index(
                    fields=["principal_type", "principal_id", "occurred_at"],
                    name="ledger_entries_of_principal",
                ),
                models.Index(
                    fields=["target_type", "target_id", "occurred_at"],
                    name="ledger_entries_of_target",
                ),
                models.Index(
                    fields=["correlation_id", "occurred_at"], name="ledger_entries_of_story"
                ),
                models.Index(
                    condition=models.Q(("evaluated_risk__in", ["critical", "high"])),
                    fields=["evaluated_risk", "status", "occurred_at"],
                    name="ledger_entries_of_grave_risk",
                ),
                models.Index(
                    condition=models.Q(("status__in", UNUSUAL_ENDS)),
                    fields=["status", "occurred_at"],
                    name="ledger_entries_of_unusual_end",
                ),
                django.contrib.postgres.indexes.BrinIndex(
                    autosummarize=True,
                    fields=FOUND_BY_WORD,
                    name="ledger_entries_by_word",
                    opclasses=["text_bloom_ops(n_distinct_per_range=150)"] * len(FOUND_BY_WORD),
                    pages_per_range=32,
                ),
                models.Index(
                    condition=models.Q(("causation_id", ""), _negated=True),
                    fields=["causation_id"],
                    name="ledger_entries_of_cause",
                ),
                models.Index(
                    condition=models.Q(("session_id", ""), _negated=True),
                    fields=["session_id", "occurred_at"],
                    name="ledger_entries_of_session",
                ),
                models.Index(
                    condition=models.Q(("workflow_run_id", ""), _negated=True),
                    fields=["workflow_run_id", "workflow_step_id", "occurred_at"],
                    name="ledger_entries_of_run",
                ),
                models.Index(
                    condition=models.Q(("approval_id__isnull", False)),
                    fields=["approval_id"],
                    name="ledger_entries_of_approval",
                ),
                models.Index(
                    condition=models.Q(("amends__isnull", False)),
                    fields=["amends"],
                    name="ledger_entries_that_amend",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("idempotency_key__isnull", False)),
                    fields=(
                        "idempotency_scope",
                        "action_name",
                        "target_type",
                        "target_id",
                        "idempotency_key",
                    ),
                    name="ledger_entry_is_written_once_per_key",
                ),
                models.UniqueConstraint(
                    condition=models.Q(
                        ("approval_id__isnull", False),
                        ("status__in", ["succeeded", "reversed", "compensated"]),
                        models.Q(("action_kind__in", ["approve", "reject"]), _negated=True),
                    ),
                    fields=("approval_id",),
                    name="ledger_approval_is_used_once",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Mutation",
        fields=[
            (
                "entry",
                models.OneToOneField(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    primary_key=True,
                    related_name="mutation",
                    serialize=False,
                    to="ledger.entry",
                ),
            ),
            ("command_input_ref", models.CharField(blank=True, db_default="", max_length=255)),
            ("command_result_ref", models.CharField(blank=True, db_default="", max_length=255)),
            ("summary", models.CharField(blank=True, db_default="", max_length=500)),
            (
                "reversal_kind",
                models.CharField(
                    choices=[
                        ("none", "none"),
                        ("revert", "revert"),
                        ("compensate", "compensate"),
                        ("domain_command", "domain command"),
                    ],
                    db_default="none",
                    max_length=14,
                ),
            ),
            ("reversal_command_id", models.CharField(blank=True, db_default="", max_length=255)),
            ("reversal_command_version", models.SmallIntegerField(blank=True, null=True)),
            ("reversal_args_ref", models.CharField(blank=True, db_default="", max_length=255)),
            (
                "reverses",
                models.ForeignKey(
                    blank=True,
                    db_constraint=False,
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="reversals",
                    to="ledger.entry",
                ),
            ),
            ("reversal_amount_cents", models.BigIntegerField(blank=True, null=True)),
            ("reversal_currency", models.CharField(blank=True, db_default="", max_length=3)),
            (
                "reversal_follow_ups",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=100),
                    blank=True,
                    db_default=[],
                    size=None,
                ),
            ),
            ("reversal_number", models.IntegerField(blank=True, null=True)),
            (
                "reversal_outcome",
                models.CharField(
                    blank=True,
                    choices=[("full", "full"), ("partial", "partial"), ("failed", "failed")],
                    db_default="",
                    max_length=7,
                ),
            ),
            (
                "reversal_step",
                models.CharField(
                    blank=True,
                    choices=[
                        ("requested", "requested"),
                        ("withdrawn", "withdrawn"),
                        ("begun", "begun"),
                        ("settled", "settled"),
                        ("returned", "returned"),
                        ("completed", "completed"),
                        ("failed", "failed"),
                        ("expired", "expired"),
                    ],
                    db_default="",
                    max_length=9,
                ),
            ),
            ("reversal_until", models.DateTimeField(blank=True, null=True)),
            ("reversal_why", models.CharField(blank=True, db_default="", max_length=500)),
            ("reversed_cents", models.BigIntegerField(db_default=0)),
            (
                "risk_facts",
                models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict),
            ),
        ],
        # A view: see mutations.py.
        options={"managed": False},
    ),
    migrations.CreateModel(
        name="Disclosure",
        fields=[
            (
                "entry",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.PROTECT,
                    primary_key=True,
                    related_name="disclosure",
                    serialize=False,
                    to="ledger.entry",
                ),
            ),
            (
                "old_reason_code",
                models.CharField(
                    blank=True, db_column="reason_code", db_default="", max_length=500
                ),
            ),
            (
                "disclosed_fields",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=60), size=None
                ),
            ),
            ("decision_policy", models.CharField(blank=True, db_default="", max_length=255)),
        ],
    ),
]
