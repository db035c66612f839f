"""The tables of webhooks: who listens, what was sent, and what they answered."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import events.ids
from events.tables.append_only import AppendOnly

TABLES = [
    migrations.CreateModel(
        name="Subscription",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("url", models.CharField(max_length=2048)),
            (
                "events",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=120), size=None
                ),
            ),
            ("description", models.CharField(blank=True, default="", max_length=500)),
            (
                "standing",
                models.CharField(
                    choices=[
                        ("active", "Active"),
                        ("paused", "Paused"),
                        ("gone", "Gone"),
                        ("failing", "Failing"),
                        ("deleted", "Deleted"),
                    ],
                    default="active",
                    max_length=10,
                ),
            ),
            ("failing_since", models.DateTimeField(blank=True, null=True)),
            ("created_by", models.CharField(max_length=200)),
            (
                "created_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            (
                "updated_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
        ],
        options={
            "indexes": [
                django.contrib.postgres.indexes.GinIndex(
                    condition=models.Q(("standing", "active")),
                    fields=["events"],
                    name="webhooks_who_listens",
                )
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        ("standing__in", ["active", "paused", "gone", "failing", "deleted"])
                    ),
                    name="webhooks_standing_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("events", []), _negated=True),
                    name="webhooks_subscription_names_an_event",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Secret",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("sealed", models.TextField()),
            (
                "created_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            ("retires_at", models.DateTimeField(blank=True, null=True)),
            (
                "subscription",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="secrets",
                    to="webhooks.subscription",
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("retires_at", None)),
                    fields=("subscription",),
                    name="webhooks_subscription_has_one_current_secret",
                ),
                models.UniqueConstraint(
                    condition=models.Q(("retires_at", None), _negated=True),
                    fields=("subscription",),
                    name="webhooks_subscription_has_one_retiring_secret",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Delivery",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "purpose",
                models.CharField(
                    choices=[("event", "Event"), ("replay", "Replay"), ("test", "Test")],
                    max_length=10,
                ),
            ),
            ("event_id", models.CharField(max_length=255)),
            ("event_name", models.CharField(max_length=120)),
            ("event_version", models.PositiveIntegerField()),
            ("message_id", models.CharField(max_length=300)),
            ("body", models.TextField()),
            ("body_hash", models.CharField(max_length=64)),
            (
                "status",
                models.CharField(
                    choices=[
                        ("pending", "Pending"),
                        ("delivered", "Delivered"),
                        ("failed", "Failed"),
                        ("abandoned", "Abandoned"),
                    ],
                    default="pending",
                    max_length=10,
                ),
            ),
            ("attempts_made", models.PositiveIntegerField(default=0)),
            ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
            ("error_class", models.CharField(blank=True, default="", max_length=20)),
            ("error", models.CharField(blank=True, default="", max_length=500)),
            (
                "created_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            ("finished_at", models.DateTimeField(blank=True, null=True)),
            (
                "replay_of",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="replays",
                    to="webhooks.delivery",
                ),
            ),
            (
                "subscription",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="deliveries",
                    to="webhooks.subscription",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "deliveries",
            "indexes": [
                models.Index(fields=["-created_at", "-id"], name="webhooks_latest"),
                models.Index(
                    fields=["subscription", "-created_at", "-id"], name="webhooks_of_subscription"
                ),
                models.Index(
                    condition=models.Q(("status", "pending")),
                    fields=["id"],
                    name="webhooks_pending",
                ),
                models.Index(
                    condition=models.Q(("status__in", ["failed", "abandoned"])),
                    fields=["-created_at", "-id"],
                    name="webhooks_given_up",
                ),
                models.Index(
                    condition=models.Q(("purpose__in", ["replay", "test"])),
                    fields=["event_id"],
                    name="webhooks_sent_again",
                ),
                models.Index(
                    condition=models.Q(("body", ""), _negated=True),
                    fields=["finished_at"],
                    name="webhooks_bodies_by_end",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("purpose", "event")),
                    fields=("event_id", "subscription"),
                    name="webhooks_event_is_sent_once_per_subscription",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("status__in", ["pending", "delivered", "failed", "abandoned"])
                    ),
                    name="webhooks_status_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("purpose__in", ["event", "replay", "test"])),
                    name="webhooks_purpose_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("finished_at", None), ("status", "pending")),
                        models.Q(
                            models.Q(("status", "pending"), _negated=True),
                            models.Q(("finished_at", None), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="webhooks_delivery_is_finished_exactly_when_it_has_an_end",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("purpose", "replay"), ("replay_of__isnull", False)),
                        models.Q(
                            models.Q(("purpose", "replay"), _negated=True), ("replay_of", None)
                        ),
                        _connector="OR",
                    ),
                    name="webhooks_replay_names_what_it_repeats",
                ),
                models.CheckConstraint(
                    condition=models.Q(("replay_of", models.F("id")), _negated=True),
                    name="webhooks_delivery_does_not_repeat_itself",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Attempt",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("number", models.PositiveIntegerField()),
            ("started_at", models.DateTimeField()),
            ("duration_ms", models.PositiveIntegerField()),
            ("url", models.CharField(max_length=2048)),
            ("request_headers", models.JSONField()),
            ("body_hash", models.CharField(max_length=64)),
            ("request_excerpt", models.TextField()),
            ("response_status", models.PositiveSmallIntegerField(null=True)),
            ("response_headers", models.JSONField(default=dict)),
            ("response_excerpt", models.TextField(blank=True, default="")),
            ("error_class", models.CharField(blank=True, default="", max_length=20)),
            ("error", models.CharField(blank=True, default="", max_length=500)),
            (
                "delivery",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="attempts",
                    to="webhooks.delivery",
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    fields=("delivery", "number"), name="webhooks_attempts_are_numbered"
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("error_class", ""),
                        (
                            "error_class__in",
                            ["network", "timeout", "4xx", "5xx", "rate_limited", "refused"],
                        ),
                        _connector="OR",
                    ),
                    name="webhooks_error_class_is_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Endpoint",
        fields=[
            ("origin", models.CharField(max_length=300, primary_key=True, serialize=False)),
            ("failures", models.PositiveIntegerField(default=0)),
            ("open_until", models.DateTimeField(blank=True, null=True)),
        ],
        options={
            "verbose_name": "endpoint",
        },
    ),
]

RULES = [AppendOnly("webhooks_attempt")]
