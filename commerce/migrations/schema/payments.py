"""Money that comes in and goes back."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import events.ids
from ledger.accountable import Accountable

TABLES = [
    migrations.CreateModel(
        name="Payment",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "status",
                models.CharField(
                    choices=[
                        ("pending", "pending"),
                        ("completed", "completed"),
                        ("failed", "failed"),
                        ("charged_back", "charged back"),
                    ],
                    max_length=16,
                ),
            ),
            (
                "method",
                models.CharField(
                    choices=[
                        ("bank_transfer", "bank transfer"),
                        ("credit_card", "credit card"),
                        ("debit_card", "debit card"),
                        ("cash", "cash"),
                        ("cheque", "cheque"),
                        ("wallet", "wallet"),
                        ("direct_bill", "direct bill"),
                        ("travel_credit", "travel credit"),
                        ("other", "other"),
                    ],
                    max_length=16,
                ),
            ),
            ("amount_cents", models.BigIntegerField()),
            ("currency", models.CharField(max_length=3)),
            ("reference", models.CharField(blank=True, max_length=200)),
            ("provider", models.CharField(blank=True, max_length=40)),
            ("failure_reason", models.TextField(blank=True)),
            ("paid_at", models.DateTimeField(blank=True, null=True)),
            ("recorded_by", models.CharField(max_length=200)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            (
                "invoice",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="payments",
                    to="commerce.invoice",
                ),
            ),
            ("charged_back_cents", models.BigIntegerField(default=0)),
        ],
        options={
            "indexes": [
                models.Index(fields=["created_at", "id"], name="commerce_payments_by_age"),
                models.Index(
                    fields=["reference"],
                    name="commerce_payments_by_reference",
                    opclasses=["varchar_pattern_ops"],
                ),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        ("status__in", ["pending", "completed", "failed", "charged_back"])
                    ),
                    name="commerce_payment_status_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "method__in",
                            [
                                "bank_transfer",
                                "credit_card",
                                "debit_card",
                                "cash",
                                "cheque",
                                "wallet",
                                "direct_bill",
                                "travel_credit",
                                "other",
                            ],
                        )
                    ),
                    name="commerce_payment_method_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                    name="commerce_payment_currency_is_iso",
                ),
                models.CheckConstraint(
                    condition=models.Q(("amount_cents__gt", 0)),
                    name="commerce_payment_amount_is_positive",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(
                            ("status__in", ("completed", "charged_back")),
                            ("paid_at__isnull", False),
                        ),
                        models.Q(
                            models.Q(("status__in", ("completed", "charged_back")), _negated=True),
                            models.Q(("paid_at__isnull", False), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_payment_completed_is_stamped",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("charged_back_cents__gte", 0),
                        ("charged_back_cents__lte", models.F("amount_cents")),
                    ),
                    name="commerce_payment_is_charged_back_at_most_once",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(
                            ("status", "charged_back"),
                            ("charged_back_cents", models.F("amount_cents")),
                        ),
                        models.Q(
                            models.Q(("status", "charged_back"), _negated=True),
                            models.Q(
                                ("charged_back_cents", models.F("amount_cents")), _negated=True
                            ),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_payment_charged_back_is_so_as_a_whole",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("charged_back_cents", 0),
                        ("status__in", ("completed", "charged_back")),
                        _connector="OR",
                    ),
                    name="commerce_payment_came_in_before_it_was_charged_back",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Capture",
        fields=[
            (
                "payment",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.PROTECT,
                    primary_key=True,
                    related_name="capture",
                    serialize=False,
                    to="commerce.payment",
                ),
            ),
            ("provider", models.CharField(max_length=40)),
            ("provider_ref", models.CharField(max_length=200)),
            ("amount_cents", models.BigIntegerField()),
            ("captured_at", models.DateTimeField()),
            ("window_closes_at", models.DateTimeField()),
        ],
        options={
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("amount_cents__gt", 0)),
                    name="commerce_capture_amount_is_positive",
                ),
                models.CheckConstraint(
                    condition=models.Q(("window_closes_at__gte", models.F("captured_at"))),
                    name="commerce_capture_window_closes_after_it",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="CreditNote",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("number", models.CharField(max_length=40, unique=True)),
            ("amount_cents", models.BigIntegerField()),
            ("currency", models.CharField(max_length=3)),
            ("reason", models.TextField()),
            ("issued_by", models.CharField(max_length=200)),
            ("issued_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            (
                "invoice",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="credit_notes",
                    to="commerce.invoice",
                ),
            ),
        ],
        options={
            "indexes": [
                models.Index(fields=["issued_at", "id"], name="commerce_credit_notes_by_age")
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                    name="commerce_credit_note_currency_is_iso",
                ),
                models.CheckConstraint(
                    condition=models.Q(("amount_cents__gt", 0)),
                    name="commerce_credit_note_amount_is_positive",
                ),
                models.CheckConstraint(
                    condition=models.Q(("reason", ""), _negated=True),
                    name="commerce_credit_note_has_a_reason",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Refund",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "method",
                models.CharField(
                    choices=[
                        ("processor_reversal", "processor reversal"),
                        ("bank_transfer", "bank transfer"),
                        ("cash", "cash"),
                        ("cheque", "cheque"),
                        ("travel_credit", "travel credit"),
                        ("voucher", "voucher"),
                        ("counterparty_offset", "counterparty offset"),
                        ("other", "other"),
                    ],
                    max_length=20,
                ),
            ),
            (
                "status",
                models.CharField(
                    choices=[("pending", "pending"), ("settled", "settled"), ("failed", "failed")],
                    max_length=8,
                ),
            ),
            ("amount_cents", models.BigIntegerField()),
            ("currency", models.CharField(max_length=3)),
            ("reason", models.TextField()),
            ("provider_ref", models.CharField(blank=True, max_length=200)),
            ("failure_reason", models.TextField(blank=True)),
            ("requested_by", models.CharField(max_length=200)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ("ended_at", models.DateTimeField(blank=True, null=True)),
            (
                "credit_note",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="refunds",
                    to="commerce.creditnote",
                ),
            ),
            (
                "payment",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="refunds",
                    to="commerce.payment",
                ),
            ),
            (
                "surplus_of",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="refunds",
                    to="commerce.chargebackresolution",
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["created_at", "id"], name="commerce_refunds_by_age")],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "method__in",
                            [
                                "processor_reversal",
                                "bank_transfer",
                                "cash",
                                "cheque",
                                "travel_credit",
                                "voucher",
                                "counterparty_offset",
                                "other",
                            ],
                        )
                    ),
                    name="commerce_refund_method_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("status__in", ["pending", "settled", "failed"])),
                    name="commerce_refund_status_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                    name="commerce_refund_currency_is_iso",
                ),
                models.CheckConstraint(
                    condition=models.Q(("amount_cents__gt", 0)),
                    name="commerce_refund_amount_is_positive",
                ),
                models.CheckConstraint(
                    condition=models.Q(("reason", ""), _negated=True),
                    name="commerce_refund_has_a_reason",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "pending"), ("ended_at__isnull", True)),
                        models.Q(
                            models.Q(("status", "pending"), _negated=True),
                            models.Q(("ended_at__isnull", True), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_refund_ends_once",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(
                            ("status", "failed"), models.Q(("failure_reason", ""), _negated=True)
                        ),
                        models.Q(
                            models.Q(("status", "failed"), _negated=True), ("failure_reason", "")
                        ),
                        _connector="OR",
                    ),
                    name="commerce_refund_failure_says_why",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("surplus_of", None),
                        models.Q(
                            ("credit_note", None),
                            models.Q(("method", "processor_reversal"), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_refund_of_a_surplus_is_of_nothing_else",
                ),
            ],
        },
    ),
]

RULES = [
    Accountable("commerce_payment", target="payment", on="INSERT OR UPDATE"),
    Accountable("commerce_creditnote", target="credit_note", on="INSERT"),
    Accountable("commerce_refund", target="refund", on="INSERT OR UPDATE"),
]
