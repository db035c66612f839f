"""What customers show for what they booked."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import events.ids
from ledger.accountable import Accountable

TABLES = [
    migrations.CreateModel(
        name="Voucher",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("code", models.CharField(max_length=20, unique=True)),
            ("issued_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ("voided_at", models.DateTimeField(blank=True, null=True)),
            ("voided_because", models.CharField(blank=True, max_length=200)),
            (
                "booking",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="vouchers",
                    to="commerce.booking",
                ),
            ),
            (
                "item",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="commerce.bookingitem",
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("voided_at__isnull", True)),
                    fields=("item",),
                    name="commerce_one_valid_voucher_per_item",
                )
            ],
        },
    ),
]

RULES = [
    Accountable("commerce_voucher", target="voucher", on="INSERT OR UPDATE"),
]
