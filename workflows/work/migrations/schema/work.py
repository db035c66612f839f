"""The tables of work: the to-do list, what was tried, what starts by the clock, and who works."""

import django.contrib.postgres.fields
import django.contrib.postgres.functions
import django.db.models.deletion
from django.db import migrations, models

import events.ids

TABLES = [
    migrations.CreateModel(
        name="Work",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("kind", models.CharField(max_length=120)),
            ("queue", models.CharField(default="default", max_length=60)),
            ("subject", models.CharField(blank=True, default="", max_length=200)),
            ("input", models.TextField(null=True)),
            ("input_hash", models.CharField(max_length=64, null=True)),
            ("result", models.TextField(null=True)),
            ("result_hash", models.CharField(max_length=64, null=True)),
            (
                "status",
                models.CharField(
                    choices=[
                        ("cancelled", "cancelled"),
                        ("dead", "dead"),
                        ("discarded", "discarded"),
                        ("done", "done"),
                        ("leased", "leased"),
                        ("poisoned", "poisoned"),
                        ("ready", "ready"),
                        ("retry", "retry"),
                        ("scheduled", "scheduled"),
                    ],
                    max_length=10,
                ),
            ),
            ("due_at", models.DateTimeField()),
            ("priority", models.SmallIntegerField(default=0)),
            ("attempt", models.PositiveIntegerField(default=0)),
            ("fence", models.PositiveIntegerField(default=0)),
            ("failures", models.PositiveSmallIntegerField(default=0)),
            ("max_attempts", models.PositiveSmallIntegerField()),
            ("crashes", models.PositiveSmallIntegerField(default=0)),
            ("crash_budget", models.PositiveSmallIntegerField()),
            ("claimed_at", models.DateTimeField(null=True)),
            ("lease_until", models.DateTimeField(null=True)),
            ("leased_by", models.CharField(blank=True, default="", max_length=200)),
            ("rung_at", models.DateTimeField(null=True)),
            ("rings", models.PositiveSmallIntegerField(default=0)),
            ("cancel_requested_at", models.DateTimeField(null=True)),
            ("reason", models.TextField(blank=True, default="")),
            ("last_error_class", models.CharField(blank=True, default="", max_length=200)),
            ("last_error", models.TextField(blank=True, default="")),
            ("idempotency_key", models.CharField(max_length=255, null=True)),
            ("fingerprint", models.CharField(max_length=64, null=True)),
            ("principal", models.CharField(max_length=200)),
            ("correlation_id", models.CharField(max_length=200)),
            ("causation_id", models.CharField(max_length=200, null=True)),
            (
                "created_at",
                models.DateTimeField(db_default=django.contrib.postgres.functions.TransactionNow()),
            ),
            ("finished_at", models.DateTimeField(null=True)),
        ],
        options={
            "verbose_name_plural": "work",
            "db_table": "work",
            "indexes": [
                models.Index(
                    models.F("kind"),
                    models.OrderBy(models.F("priority"), descending=True),
                    models.F("due_at"),
                    condition=models.Q(("status__in", ["ready", "retry", "scheduled"])),
                    name="work_due",
                ),
                models.Index(
                    condition=models.Q(("status__in", ["retry", "scheduled"])),
                    fields=["due_at"],
                    name="work_timers",
                ),
                models.Index(
                    condition=models.Q(("status", "leased")),
                    fields=["lease_until"],
                    name="work_leases",
                ),
                models.Index(
                    condition=models.Q(("status__in", ["dead", "poisoned"])),
                    fields=["id"],
                    name="work_letters",
                ),
                models.Index(
                    condition=models.Q(("finished_at__isnull", False)),
                    fields=["subject"],
                    name="work_finished_by_subject",
                ),
                models.Index(
                    condition=models.Q(("finished_at__isnull", False)),
                    fields=["correlation_id"],
                    name="work_finished_by_story",
                ),
                models.Index(
                    condition=models.Q(
                        ("status__in", ["cancelled", "dead", "discarded", "done", "poisoned"])
                    ),
                    fields=["status", "kind"],
                    name="work_finished_by_kind",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("idempotency_key__isnull", False)),
                    fields=("kind", "idempotency_key"),
                    name="work_happens_once_per_kind_and_key",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Attempt",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("attempt", models.PositiveIntegerField()),
            ("fence", models.PositiveIntegerField()),
            ("worker", models.CharField(max_length=200)),
            ("started_at", models.DateTimeField()),
            ("ended_at", models.DateTimeField()),
            (
                "outcome",
                models.CharField(
                    choices=[
                        ("cancelled", "cancelled"),
                        ("crashed", "crashed"),
                        ("done", "done"),
                        ("failed", "failed"),
                        ("snoozed", "snoozed"),
                        ("stale", "stale"),
                        ("timed_out", "timed_out"),
                    ],
                    max_length=10,
                ),
            ),
            ("error_class", models.CharField(blank=True, default="", max_length=200)),
            ("error", models.TextField(blank=True, default="")),
            ("stack", models.TextField(blank=True, default="")),
            (
                "work",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="attempts",
                    to="work.work",
                ),
            ),
        ],
        options={
            "db_table": "work_attempt",
            "indexes": [models.Index(fields=["work", "id"], name="work_attempts_of_one")],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("outcome", "stale"), _negated=True),
                    fields=("work", "attempt"),
                    name="work_attempt_ends_once",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Schedule",
        fields=[
            ("name", models.CharField(max_length=120, primary_key=True, serialize=False)),
            ("kind", models.CharField(max_length=120)),
            ("input", models.TextField(default="{}")),
            ("cron", models.CharField(blank=True, default="", max_length=120)),
            ("every_s", models.PositiveIntegerField(null=True)),
            ("at", models.DateTimeField(null=True)),
            ("tz", models.CharField(default="UTC", max_length=60)),
            (
                "missed",
                models.CharField(
                    choices=[("all", "all"), ("merge", "merge"), ("skip", "skip")], max_length=5
                ),
            ),
            (
                "overlap",
                models.CharField(choices=[("queue", "queue"), ("skip", "skip")], max_length=5),
            ),
            ("enabled", models.BooleanField(default=True)),
            ("anchor_at", models.DateTimeField()),
            ("next_at", models.DateTimeField(null=True)),
            ("principal", models.CharField(max_length=200)),
            (
                "created_at",
                models.DateTimeField(db_default=django.contrib.postgres.functions.TransactionNow()),
            ),
            (
                "updated_at",
                models.DateTimeField(db_default=django.contrib.postgres.functions.TransactionNow()),
            ),
        ],
        options={
            "db_table": "work_schedule",
            "indexes": [
                models.Index(
                    condition=models.Q(("enabled", True)),
                    fields=["next_at"],
                    name="work_schedules_by_next_slot",
                )
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(
                            models.Q(("cron", ""), _negated=True),
                            ("at__isnull", True),
                            ("every_s__isnull", True),
                        ),
                        models.Q(("at__isnull", True), ("cron", ""), ("every_s__gte", 1)),
                        models.Q(("at__isnull", False), ("cron", ""), ("every_s__isnull", True)),
                        _connector="OR",
                    ),
                    name="work_schedule_has_one_rule",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("missed__in", ["all", "merge", "skip"]), ("overlap__in", ["queue", "skip"])
                    ),
                    name="work_schedule_policies_are_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Slot",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("slot_at", models.DateTimeField()),
            (
                "fate",
                models.CharField(
                    choices=[
                        ("fired", "fired"),
                        ("missed", "missed"),
                        ("overlapped", "overlapped"),
                        ("queued", "queued"),
                    ],
                    max_length=10,
                ),
            ),
            ("stands_for", models.PositiveIntegerField(default=1)),
            (
                "created_at",
                models.DateTimeField(db_default=django.contrib.postgres.functions.TransactionNow()),
            ),
            (
                "schedule",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="slots",
                    to="work.schedule",
                ),
            ),
            (
                "work",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.PROTECT, to="work.work"
                ),
            ),
        ],
        options={
            "db_table": "work_slot",
            "indexes": [
                models.Index(
                    condition=models.Q(("fate", "queued")),
                    fields=["schedule", "slot_at"],
                    name="work_slots_in_the_queue",
                )
            ],
            "constraints": [
                models.UniqueConstraint(
                    fields=("schedule", "slot_at"), name="work_slot_fires_exactly_once"
                ),
                models.CheckConstraint(
                    condition=models.Q(("fate__in", ["fired", "missed", "overlapped", "queued"])),
                    name="work_slot_fate_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("fate", "fired"), ("work__isnull", False)),
                        models.Q(
                            models.Q(("fate", "fired"), _negated=True), ("work__isnull", True)
                        ),
                        _connector="OR",
                    ),
                    name="work_slot_has_work_exactly_when_fired",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Worker",
        fields=[
            ("name", models.CharField(max_length=200, primary_key=True, serialize=False)),
            (
                "role",
                models.CharField(
                    choices=[("celery", "celery"), ("sweeper", "sweeper")], max_length=10
                ),
            ),
            ("started_at", models.DateTimeField()),
            ("seen_at", models.DateTimeField()),
            ("stopped_at", models.DateTimeField(null=True)),
            (
                "queues",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=60), db_default=["default"], size=None
                ),
            ),
        ],
        options={
            "db_table": "work_worker",
        },
    ),
    migrations.CreateModel(
        name="Checkup",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            (
                "checked_at",
                models.DateTimeField(db_default=django.contrib.postgres.functions.TransactionNow()),
            ),
            ("is_healthy", models.BooleanField()),
            ("findings", models.JSONField(default=dict)),
            ("duration_ms", models.PositiveIntegerField()),
        ],
        options={
            "db_table": "work_checkup",
            "indexes": [models.Index(fields=["-checked_at"], name="work_checkups_by_time")],
        },
    ),
]
