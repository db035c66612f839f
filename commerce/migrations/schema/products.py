"""What is sold, and when."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import events.ids
from events.tables.row_rules import RulesOnWrite

TABLES = [
    migrations.CreateModel(
        name="Product",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("name", models.CharField(max_length=200)),
            ("description", models.TextField(blank=True)),
            (
                "status",
                models.CharField(
                    choices=[("draft", "draft"), ("active", "active"), ("archived", "archived")],
                    max_length=16,
                ),
            ),
            ("currency", models.CharField(max_length=3)),
            ("sell_amount_cents", models.BigIntegerField()),
            ("cost_amount_cents", models.BigIntegerField(blank=True, null=True)),
            ("supplier", models.CharField(blank=True, max_length=200)),
            ("duration_minutes", models.PositiveIntegerField(blank=True, null=True)),
            ("tags", models.JSONField(blank=True, default=list)),
            ("revision", models.PositiveIntegerField(default=1)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ("updated_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            (
                "cancellation_policy",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="products",
                    to="commerce.cancellationpolicy",
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["created_at", "id"], name="commerce_products_by_age")],
        },
    ),
    migrations.CreateModel(
        name="Slot",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("starts_at", models.DateTimeField()),
            ("ends_at", models.DateTimeField(blank=True, null=True)),
            ("unlimited", models.BooleanField(default=False)),
            ("capacity", models.PositiveIntegerField(blank=True, null=True)),
            ("remaining", models.IntegerField(blank=True, editable=False, null=True)),
            ("revision", models.PositiveIntegerField(default=1)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            (
                "product",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="slots",
                    to="commerce.product",
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["created_at", "id"], name="commerce_slots_by_age")],
            "constraints": [
                models.UniqueConstraint(
                    fields=("product", "starts_at"), name="commerce_slot_starts_once_per_product"
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("remaining__isnull", True), ("remaining__gte", 0), _connector="OR"
                    ),
                    name="commerce_slot_never_sells_more_than_it_has",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("remaining__isnull", True),
                        ("remaining__lte", models.F("capacity")),
                        _connector="OR",
                    ),
                    name="commerce_slot_never_has_more_than_its_capacity",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("unlimited", True), ("capacity__isnull", True)),
                        models.Q(
                            models.Q(("unlimited", True), _negated=True),
                            models.Q(("capacity__isnull", True), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_slot_has_a_capacity_unless_unlimited",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("capacity__isnull", True), ("remaining__isnull", True)),
                        models.Q(
                            models.Q(("capacity__isnull", True), _negated=True),
                            models.Q(("remaining__isnull", True), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_slot_counts_what_remains_of_a_capacity",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("ends_at__isnull", True),
                        ("ends_at__gt", models.F("starts_at")),
                        _connector="OR",
                    ),
                    name="commerce_slot_ends_after_it_starts",
                ),
            ],
        },
    ),
]

PRODUCT = RulesOnWrite(
    "commerce_product",
    columns={
        "status": "text", "currency": "text", "name": "text", "sell_amount_cents": "bigint",
        "cost_amount_cents": "bigint", "duration_minutes": "int", "revision": "int",
    },
    rules={
        "commerce_product_status_is_known": "status IN ('active', 'archived', 'draft')",
        "commerce_product_currency_is_iso": "currency ~ '^[A-Z]{3}$'",
        "commerce_product_has_a_name": "name <> ''",
        "commerce_product_price_is_not_negative": "sell_amount_cents >= 0",
        "commerce_product_cost_is_not_negative": "cost_amount_cents >= 0",
        "commerce_product_duration_is_not_negative": "duration_minutes >= 0",
        "commerce_product_revision_counts_from_one": "revision >= 1",
    },
)  # fmt: skip

# What Django makes of a count.
WITHOUT_A_CHECK = """
ALTER TABLE commerce_product
  DROP CONSTRAINT commerce_product_duration_minutes_check,
  DROP CONSTRAINT commerce_product_revision_check
"""

RULES = [
    migrations.RunSQL(WITHOUT_A_CHECK, migrations.RunSQL.noop),
    PRODUCT,
]
