"""Bookings, what they hold, and who travels."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import events.ids
from ledger.accountable import Accountable

TABLES = [
    migrations.CreateModel(
        name="Booking",
        fields=[
            ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
            ("number", models.CharField(max_length=40, unique=True)),
            (
                "status",
                models.CharField(
                    choices=[
                        ("draft", "draft"),
                        ("on_hold", "on hold"),
                        ("awaiting_payment", "awaiting payment"),
                        ("confirmed", "confirmed"),
                        ("in_progress", "in progress"),
                        ("completed", "completed"),
                        ("expired", "expired"),
                        ("cancelled", "cancelled"),
                    ],
                    max_length=20,
                ),
            ),
            ("revision", models.PositiveIntegerField()),
            ("currency", models.CharField(max_length=3)),
            ("sell_amount_cents", models.BigIntegerField()),
            ("pax", models.PositiveIntegerField()),
            ("service_date", models.DateField()),
            ("external_ref", models.CharField(blank=True, max_length=200)),
            ("notifications_suppressed", models.BooleanField(default=False)),
            ("hold_expires_at", models.DateTimeField(blank=True, null=True)),
            ("entitlement", models.JSONField(blank=True, null=True)),
            ("refunded_cents", models.BigIntegerField(default=0)),
            ("created_by", models.CharField(max_length=200)),
            ("created_at", models.DateTimeField()),
            ("awaiting_payment_at", models.DateTimeField(blank=True, null=True)),
            ("paid_at", models.DateTimeField(blank=True, null=True)),
            ("confirmed_at", models.DateTimeField(blank=True, null=True)),
            ("started_at", models.DateTimeField(blank=True, null=True)),
            ("completed_at", models.DateTimeField(blank=True, null=True)),
            ("expired_at", models.DateTimeField(blank=True, null=True)),
            ("cancelled_at", models.DateTimeField(blank=True, null=True)),
            ("documents_sent_at", models.DateTimeField(blank=True, null=True)),
        ],
        options={
            "indexes": [
                models.Index(fields=["created_at", "id"], name="commerce_bookings_by_age"),
                models.Index(
                    fields=["external_ref"],
                    name="commerce_bookings_by_reference",
                    opclasses=["varchar_pattern_ops"],
                ),
                models.Index(
                    condition=models.Q(("status__in", ["awaiting_payment", "on_hold"])),
                    fields=["hold_expires_at"],
                    name="commerce_holds_by_end",
                ),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "status__in",
                            [
                                "draft",
                                "on_hold",
                                "awaiting_payment",
                                "confirmed",
                                "in_progress",
                                "completed",
                                "expired",
                                "cancelled",
                            ],
                        )
                    ),
                    name="commerce_booking_status_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                    name="commerce_booking_currency_is_iso",
                ),
                models.CheckConstraint(
                    condition=models.Q(("revision__gte", 1)),
                    name="commerce_booking_revision_counts_from_one",
                ),
                models.CheckConstraint(
                    condition=models.Q(("sell_amount_cents__gte", 0)),
                    name="commerce_booking_price_is_not_negative",
                ),
                models.CheckConstraint(
                    condition=models.Q(("pax__gte", 1)), name="commerce_booking_has_a_traveller"
                ),
                models.CheckConstraint(
                    condition=models.Q(("refunded_cents__gte", 0)),
                    name="commerce_booking_refund_is_not_negative",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(
                            ("status__in", ["awaiting_payment", "on_hold"]),
                            ("hold_expires_at__isnull", False),
                        ),
                        models.Q(
                            models.Q(
                                ("status__in", ["awaiting_payment", "on_hold"]), _negated=True
                            ),
                            models.Q(("hold_expires_at__isnull", False), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_booking_hold_has_an_end",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "awaiting_payment"), _negated=True),
                        ("awaiting_payment_at__isnull", False),
                        _connector="OR",
                    ),
                    name="commerce_booking_awaiting_payment_is_stamped",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "confirmed"), _negated=True),
                        ("confirmed_at__isnull", False),
                        _connector="OR",
                    ),
                    name="commerce_booking_confirmed_is_stamped",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "in_progress"), _negated=True),
                        ("started_at__isnull", False),
                        _connector="OR",
                    ),
                    name="commerce_booking_in_progress_is_stamped",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "completed"), _negated=True),
                        ("completed_at__isnull", False),
                        _connector="OR",
                    ),
                    name="commerce_booking_completed_is_stamped",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "expired"), _negated=True),
                        ("expired_at__isnull", False),
                        _connector="OR",
                    ),
                    name="commerce_booking_expired_is_stamped",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "cancelled"), _negated=True),
                        ("cancelled_at__isnull", False),
                        _connector="OR",
                    ),
                    name="commerce_booking_cancelled_is_stamped",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="BookingItem",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("title", models.CharField(max_length=200)),
            ("quantity", models.PositiveIntegerField()),
            ("unit_amount_cents", models.BigIntegerField()),
            ("service_date", models.DateField()),
            (
                "status",
                models.CharField(
                    choices=[
                        ("open", "open"),
                        ("confirmed", "confirmed"),
                        ("fulfilled", "fulfilled"),
                        ("cancelled", "cancelled"),
                    ],
                    max_length=16,
                ),
            ),
            ("terms", models.JSONField(blank=True, null=True)),
            (
                "booking",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="items",
                    to="commerce.booking",
                ),
            ),
            (
                "product",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="commerce.product",
                ),
            ),
            (
                "slot",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="commerce.slot",
                ),
            ),
        ],
        options={
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        ("status__in", ["open", "confirmed", "fulfilled", "cancelled"])
                    ),
                    name="commerce_item_status_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("quantity__gte", 1)),
                    name="commerce_item_quantity_is_positive",
                ),
                models.CheckConstraint(
                    condition=models.Q(("unit_amount_cents__gte", 0)),
                    name="commerce_item_price_is_not_negative",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Allocation",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("quantity", models.PositiveIntegerField()),
            (
                "status",
                models.CharField(
                    choices=[
                        ("held", "held"),
                        ("confirmed", "confirmed"),
                        ("fulfilled", "fulfilled"),
                        ("expired", "expired"),
                        ("cancelled", "cancelled"),
                        ("released", "released"),
                    ],
                    max_length=16,
                ),
            ),
            ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
            (
                "booking",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="allocations",
                    to="commerce.booking",
                ),
            ),
            (
                "item",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="allocation",
                    to="commerce.bookingitem",
                ),
            ),
            (
                "slot",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="allocations",
                    to="commerce.slot",
                ),
            ),
        ],
        options={
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "status__in",
                            ["held", "confirmed", "fulfilled", "expired", "cancelled", "released"],
                        )
                    ),
                    name="commerce_allocation_status_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("quantity__gte", 1)),
                    name="commerce_allocation_takes_a_seat",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Traveller",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "category",
                models.CharField(
                    choices=[
                        ("adult", "adult"),
                        ("child", "child"),
                        ("infant", "infant"),
                        ("senior", "senior"),
                        ("other", "other"),
                    ],
                    max_length=16,
                ),
            ),
            ("is_primary", models.BooleanField(default=False)),
            ("revision", models.PositiveIntegerField(default=1)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            (
                "booking",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="travellers",
                    to="commerce.booking",
                ),
            ),
        ],
        options={
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        ("category__in", ["adult", "child", "infant", "senior", "other"])
                    ),
                    name="commerce_traveller_category_is_known",
                ),
                models.UniqueConstraint(
                    condition=models.Q(("is_primary", True)),
                    fields=("booking",),
                    name="commerce_booking_has_one_primary_traveller",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="TravellerPersonal",
        fields=[
            (
                "traveller",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    primary_key=True,
                    related_name="personal",
                    serialize=False,
                    to="commerce.traveller",
                ),
            ),
            ("sealed", models.BinaryField()),
            (
                "email_index",
                models.CharField(blank=True, db_default="", db_index=True, max_length=64),
            ),
        ],
        options={
            "verbose_name": "personal data of a traveller",
            "verbose_name_plural": "personal data of travellers",
        },
    ),
    migrations.CreateModel(
        name="BookingContact",
        fields=[
            (
                "booking",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    primary_key=True,
                    related_name="contact",
                    serialize=False,
                    to="commerce.booking",
                ),
            ),
            ("sealed", models.BinaryField()),
            (
                "email_index",
                models.CharField(blank=True, db_default="", db_index=True, max_length=64),
            ),
        ],
    ),
]

RULES = [
    # Only of the status, and only of a row that stays: a rebuild writes rows anew.
    Accountable(
        "commerce_booking",
        target="booking",
        on="UPDATE",
        when="OLD.status IS DISTINCT FROM NEW.status",
    ),
    Accountable("commerce_travellerpersonal", target="traveller", on="DELETE"),
    Accountable("commerce_bookingcontact", target="contact", on="DELETE"),
]
