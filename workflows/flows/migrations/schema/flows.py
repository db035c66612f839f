"""The tables of flows: what is under way, what it waits for, and what starts by itself."""

import django.contrib.postgres.indexes
from django.db import migrations, models

from ledger.accountable import Accountable

TABLES = [
    migrations.CreateModel(
        name="FlowSummary",
        fields=[
            ("flow_id", models.CharField(max_length=1024, primary_key=True, serialize=False)),
            (
                "status",
                models.CharField(
                    choices=[
                        ("active", "active"),
                        ("completed", "completed"),
                        ("failed", "failed"),
                    ],
                    max_length=10,
                ),
            ),
            ("status_at", models.DateTimeField()),
            ("outcome", models.CharField(max_length=10)),
            ("error", models.TextField(blank=True)),
            ("goals", models.JSONField(default=list)),
            ("labels", models.JSONField(default=dict)),
            ("parent_flow_id", models.CharField(blank=True, max_length=1024)),
            ("forked_from", models.CharField(blank=True, max_length=1024)),
            ("concurrency_key", models.CharField(blank=True, max_length=200)),
            ("is_paused", models.BooleanField(default=False)),
            ("started_at", models.DateTimeField()),
            ("started_by", models.CharField(blank=True, db_default="", max_length=255)),
            ("is_undone", models.BooleanField(db_default=False, default=False)),
            ("is_partly_undone", models.BooleanField(db_default=False, default=False)),
        ],
        options={
            "verbose_name": "flow",
            "indexes": [
                models.Index(fields=["status", "-status_at", "flow_id"], name="flows_by_status"),
                models.Index(fields=["-started_at", "flow_id"], name="flows_by_start"),
                models.Index(fields=["parent_flow_id"], name="flows_by_parent"),
                models.Index(
                    condition=models.Q(("forked_from", ""), _negated=True),
                    fields=["forked_from", "started_at"],
                    name="flows_by_original",
                ),
                django.contrib.postgres.indexes.GinIndex(fields=["labels"], name="flows_by_label"),
                django.contrib.postgres.indexes.GinIndex(
                    condition=models.Q(("parent_flow_id", "")),
                    fields=["goals"],
                    name="flows_by_goal",
                    opclasses=["jsonb_path_ops"],
                ),
                models.Index(
                    models.Case(
                        models.When(status="active", then=models.Value(0)),
                        default=models.Value(1),
                        output_field=models.IntegerField(),
                    ),
                    models.OrderBy(models.F("status_at"), descending=True),
                    models.F("flow_id"),
                    condition=models.Q(("parent_flow_id", "")),
                    name="flows_active_first",
                ),
                models.Index(
                    condition=models.Q(("concurrency_key", ""), _negated=True),
                    fields=["concurrency_key"],
                    name="flows_by_concurrency_key",
                ),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("status__in", ["active", "completed", "failed"])),
                    name="flows_status_is_one_of_three",
                ),
                models.UniqueConstraint(
                    condition=models.Q(
                        ("status", "active"), models.Q(("concurrency_key", ""), _negated=True)
                    ),
                    fields=("concurrency_key",),
                    name="flows_one_active_flow_per_concurrency_key",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Receipt",
        fields=[
            (
                "id",
                models.BigAutoField(
                    auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                ),
            ),
            ("flow_id", models.CharField(max_length=1024)),
            ("step_id", models.CharField(max_length=256)),
            ("token_hash", models.CharField(max_length=64)),
            (
                "verdict",
                models.CharField(
                    choices=[
                        ("first", "First"),
                        ("duplicate", "Duplicate"),
                        ("conflict", "Conflict"),
                        ("late", "Late"),
                    ],
                    max_length=10,
                ),
            ),
            ("body_hash", models.CharField(max_length=64)),
            ("received_at", models.DateTimeField()),
        ],
        options={
            "indexes": [models.Index(fields=["flow_id", "received_at"], name="flows_receipts")],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("verdict", "first")),
                    fields=("token_hash",),
                    name="flows_the_first_callback_wins",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="AwaitedCallback",
        fields=[
            ("flow_id", models.CharField(db_index=True, max_length=1024)),
            ("step_id", models.CharField(max_length=256)),
            ("token", models.UUIDField(primary_key=True, serialize=False)),
            ("since", models.DateTimeField()),
        ],
    ),
    migrations.CreateModel(
        name="Remembered",
        fields=[
            ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
            ("outputs", models.TextField()),
            ("made_at", models.DateTimeField()),
        ],
        options={
            "verbose_name": "remembered answer",
        },
    ),
    migrations.CreateModel(
        name="AwaitedEvent",
        fields=[
            ("flow_id", models.CharField(max_length=1024)),
            ("step_id", models.CharField(max_length=256)),
            ("token", models.UUIDField(primary_key=True, serialize=False)),
            ("event_name", models.CharField(max_length=200)),
            ("language", models.CharField(blank=True, max_length=10)),
            ("filter", models.TextField(blank=True)),
            ("correlation_id", models.CharField(blank=True, db_default="", max_length=255)),
            ("since", models.PositiveIntegerField(db_default=0)),
        ],
        options={
            "indexes": [models.Index(fields=["event_name"], name="flows_by_awaited_event")],
        },
    ),
    migrations.CreateModel(
        name="FeedCursor",
        fields=[
            ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
            ("position", models.PositiveBigIntegerField()),
        ],
    ),
    migrations.CreateModel(
        name="FlowStart",
        fields=[
            ("name", models.CharField(max_length=100, primary_key=True, serialize=False)),
            ("goals", models.JSONField(default=list)),
            ("init", models.JSONField(default=dict)),
            ("labels", models.JSONField(default=dict)),
            ("options", models.JSONField(default=dict)),
            ("cron", models.CharField(blank=True, max_length=120)),
            ("tz", models.CharField(default="UTC", max_length=60)),
            ("missed", models.CharField(default="skip", max_length=5)),
            ("event", models.CharField(blank=True, max_length=120)),
            ("language", models.CharField(blank=True, max_length=10)),
            ("filter", models.TextField(blank=True)),
            ("takes", models.JSONField(default=dict)),
            ("since", models.PositiveBigIntegerField(default=0)),
            ("enabled", models.BooleanField(default=True)),
            ("declared_by", models.CharField(max_length=255)),
            ("version", models.PositiveIntegerField(default=1)),
            ("created_at", models.DateTimeField()),
            ("updated_at", models.DateTimeField()),
            ("paused_because", models.TextField(blank=True, db_default="", default="")),
        ],
        options={
            "indexes": [
                models.Index(
                    condition=models.Q(("enabled", True), models.Q(("event", ""), _negated=True)),
                    fields=["event"],
                    name="flows_starts_by_event",
                )
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(models.Q(("cron", ""), _negated=True), ("event", "")),
                        models.Q(("cron", ""), models.Q(("event", ""), _negated=True)),
                        _connector="OR",
                    ),
                    name="flows_start_has_one_cause",
                ),
                models.CheckConstraint(
                    condition=models.Q(("missed__in", ["skip", "merge", "all"])),
                    name="flows_start_missed_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("paused_because", ""), ("enabled", False), _connector="OR"),
                    name="flows_start_that_is_paused_is_off",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="AwaitedApproval",
        fields=[
            ("approval_id", models.UUIDField(primary_key=True, serialize=False)),
            ("flow_id", models.CharField(db_index=True, max_length=1024)),
            ("step_id", models.CharField(max_length=256)),
            ("token", models.UUIDField(unique=True)),
        ],
    ),
]

RULES = [Accountable("flows_flowstart", target="flow_start", on="INSERT OR UPDATE OR DELETE")]
