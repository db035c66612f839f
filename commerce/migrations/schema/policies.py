"""On what terms a booking can be cancelled."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import events.ids

TABLES = [
    migrations.CreateModel(
        name="CancellationPolicy",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("name", models.CharField(max_length=200, unique=True)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
        ],
        options={
            "verbose_name_plural": "cancellation policies",
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("name", ""), _negated=True),
                    name="commerce_policy_has_a_name",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="CancellationPolicyVersion",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("number", models.PositiveIntegerField()),
            (
                "status",
                models.CharField(
                    choices=[
                        ("draft", "draft"),
                        ("published", "published"),
                        ("retired", "retired"),
                    ],
                    max_length=16,
                ),
            ),
            ("currency", models.CharField(max_length=3)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ("published_at", models.DateTimeField(blank=True, null=True)),
            (
                "policy",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="versions",
                    to="commerce.cancellationpolicy",
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    fields=("policy", "number"), name="commerce_policy_numbers_its_versions"
                ),
                models.UniqueConstraint(
                    condition=models.Q(("status", "published")),
                    fields=("policy",),
                    name="commerce_policy_has_one_published_version",
                ),
                models.CheckConstraint(
                    condition=models.Q(("status__in", ["draft", "published", "retired"])),
                    name="commerce_policy_version_status_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                    name="commerce_policy_version_currency_is_iso",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "draft"), ("published_at__isnull", True)),
                        models.Q(
                            models.Q(("status", "draft"), _negated=True),
                            models.Q(("published_at__isnull", True), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_policy_version_says_when_it_was_published",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="CancellationRule",
        fields=[
            (
                "id",
                models.BigAutoField(
                    auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                ),
            ),
            ("days_before", models.PositiveIntegerField()),
            ("refund_bp", models.PositiveIntegerField(default=0)),
            ("flat_amount_cents", models.BigIntegerField(blank=True, null=True)),
            (
                "refund_type",
                models.CharField(
                    choices=[
                        ("cash", "cash"),
                        ("credit", "credit"),
                        ("cash_or_credit", "cash or credit"),
                        ("none", "none"),
                        ("mixed", "mixed"),
                    ],
                    max_length=16,
                ),
            ),
            ("label", models.CharField(blank=True, max_length=200)),
            (
                "version",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="rules",
                    to="commerce.cancellationpolicyversion",
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    fields=("version", "days_before"), name="commerce_rule_days_do_not_repeat"
                ),
                models.CheckConstraint(
                    condition=models.Q(("refund_bp__lte", 10000)),
                    name="commerce_rule_gives_at_most_all",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("flat_amount_cents__isnull", True),
                        ("flat_amount_cents__gte", 0),
                        _connector="OR",
                    ),
                    name="commerce_rule_flat_amount_is_not_negative",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("refund_type__in", ["cash", "credit", "cash_or_credit", "none", "mixed"])
                    ),
                    name="commerce_rule_type_is_known",
                ),
            ],
        },
    ),
]
