"""What is sent out: messages to people, and products to content systems."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import events.ids

TABLES = [
    migrations.CreateModel(
        name="Delivery",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("channel", models.CharField(default="email", max_length=16)),
            ("provider", models.CharField(max_length=40)),
            ("recipient_sealed", models.BinaryField()),
            ("recipient_masked", models.CharField(blank=True, max_length=200)),
            ("subject", models.CharField(max_length=200)),
            ("document_keys", models.JSONField(default=list)),
            (
                "status",
                models.CharField(
                    choices=[
                        ("pending", "pending"),
                        ("sent", "sent"),
                        ("failed", "failed"),
                        ("cancelled", "cancelled"),
                    ],
                    max_length=16,
                ),
            ),
            ("work_id", models.UUIDField(blank=True, null=True)),
            ("provider_message_id", models.CharField(blank=True, max_length=200)),
            ("error", models.TextField(blank=True)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ("sent_at", models.DateTimeField(blank=True, null=True)),
            ("failed_at", models.DateTimeField(blank=True, null=True)),
            (
                "booking",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="deliveries",
                    to="commerce.booking",
                ),
            ),
            (
                "recipient_index",
                models.CharField(blank=True, db_default="", db_index=True, max_length=64),
            ),
        ],
        options={
            "verbose_name_plural": "deliveries",
            "indexes": [
                models.Index(fields=["created_at", "id"], name="commerce_deliveries_by_age")
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("status__in", ["pending", "sent", "failed", "cancelled"])),
                    name="commerce_delivery_status_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "sent"), ("sent_at__isnull", False)),
                        models.Q(
                            models.Q(("status", "sent"), _negated=True),
                            models.Q(("sent_at__isnull", False), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_delivery_sent_is_stamped",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "failed"), ("failed_at__isnull", False)),
                        models.Q(
                            models.Q(("status", "failed"), _negated=True),
                            models.Q(("failed_at__isnull", False), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_delivery_failed_is_stamped",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "pending"), _negated=True),
                        ("work_id__isnull", False),
                        _connector="OR",
                    ),
                    name="commerce_delivery_pending_has_work",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ExternalContent",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("product_id", models.UUIDField()),
            ("system", models.CharField(max_length=40)),
            ("external_id", models.CharField(blank=True, max_length=200)),
            ("checksum", models.CharField(blank=True, max_length=64)),
            ("synced_at", models.DateTimeField(blank=True, null=True)),
            ("failed_at", models.DateTimeField(blank=True, null=True)),
            ("last_error", models.TextField(blank=True)),
        ],
        options={
            "verbose_name_plural": "external content",
            "constraints": [
                models.UniqueConstraint(
                    fields=("product_id", "system"), name="commerce_product_has_one_copy_per_system"
                )
            ],
        },
    ),
]
