"""Invoices, their documents, and what payment providers call them."""

import django.db.models.deletion
import django.db.models.expressions
import django.utils.timezone
from django.db import migrations, models

import events.ids
from ledger.accountable import Accountable

TABLES = [
    migrations.CreateModel(
        name="NumberSeries",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "scope",
                models.CharField(
                    choices=[
                        ("booking", "booking"),
                        ("invoice", "invoice"),
                        ("credit_note", "credit note"),
                    ],
                    max_length=16,
                ),
            ),
            ("prefix", models.CharField(max_length=12)),
            (
                "reset",
                models.CharField(
                    choices=[("never", "never"), ("annual", "annual"), ("monthly", "monthly")],
                    max_length=8,
                ),
            ),
            ("period", models.CharField(blank=True, max_length=4)),
            ("last_sequence", models.PositiveIntegerField(default=0)),
            ("is_active", models.BooleanField(default=True)),
        ],
        options={
            "verbose_name_plural": "number series",
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("scope__in", ["booking", "invoice", "credit_note"])),
                    name="commerce_series_scope_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("reset__in", ["never", "annual", "monthly"])),
                    name="commerce_series_reset_is_known",
                ),
                models.UniqueConstraint(
                    fields=("scope", "prefix"), name="commerce_series_prefix_is_used_once"
                ),
                models.UniqueConstraint(
                    condition=models.Q(("is_active", True)),
                    fields=("scope",),
                    name="commerce_scope_has_one_active_series",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Invoice",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("number", models.CharField(blank=True, max_length=40, null=True, unique=True)),
            (
                "status",
                models.CharField(
                    choices=[
                        ("draft", "draft"),
                        ("issued", "issued"),
                        ("partially_paid", "partially paid"),
                        ("paid", "paid"),
                        ("overdue", "overdue"),
                        ("void", "void"),
                    ],
                    max_length=16,
                ),
            ),
            ("currency", models.CharField(max_length=3)),
            ("subtotal_cents", models.BigIntegerField(default=0)),
            ("tax_cents", models.BigIntegerField(default=0)),
            ("total_cents", models.BigIntegerField(default=0)),
            ("paid_cents", models.BigIntegerField(default=0)),
            ("balance_due_cents", models.BigIntegerField(default=0)),
            ("due_date", models.DateField(blank=True, null=True)),
            ("issued_at", models.DateTimeField(blank=True, null=True)),
            ("voided_at", models.DateTimeField(blank=True, null=True)),
            ("void_reason", models.TextField(blank=True)),
            ("revision", models.PositiveIntegerField(default=1)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            (
                "booking",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="invoices",
                    to="commerce.booking",
                ),
            ),
        ],
        options={
            "indexes": [
                models.Index(fields=["created_at", "id"], name="commerce_invoices_by_age"),
                models.Index(
                    condition=models.Q(("status__in", ["issued", "partially_paid"])),
                    fields=["due_date"],
                    name="commerce_invoices_by_due_date",
                ),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "status__in",
                            ["draft", "issued", "partially_paid", "paid", "overdue", "void"],
                        )
                    ),
                    name="commerce_invoice_status_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                    name="commerce_invoice_currency_is_iso",
                ),
                models.CheckConstraint(
                    condition=models.Q(("subtotal_cents__gte", 0), ("tax_cents__gte", 0)),
                    name="commerce_invoice_amounts_are_not_negative",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "total_cents",
                            django.db.models.expressions.CombinedExpression(
                                models.F("subtotal_cents"), "+", models.F("tax_cents")
                            ),
                        )
                    ),
                    name="commerce_invoice_total_is_subtotal_and_tax",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("status", "void"),
                        (
                            "total_cents",
                            django.db.models.expressions.CombinedExpression(
                                models.F("paid_cents"), "+", models.F("balance_due_cents")
                            ),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_invoice_paid_and_due_make_the_total",
                ),
                models.CheckConstraint(
                    condition=models.Q(("balance_due_cents__gte", 0), ("paid_cents__gte", 0)),
                    name="commerce_invoice_is_never_overpaid",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "void"), _negated=True),
                        models.Q(("balance_due_cents", 0), ("paid_cents", 0)),
                        _connector="OR",
                    ),
                    name="commerce_invoice_void_owes_nothing",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "void"), ("voided_at__isnull", False)),
                        models.Q(
                            models.Q(("status", "void"), _negated=True),
                            models.Q(("voided_at__isnull", False), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_invoice_void_is_stamped",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "draft"), ("number__isnull", True)),
                        models.Q(
                            models.Q(("status", "draft"), _negated=True),
                            models.Q(("number__isnull", True), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_invoice_has_a_number_once_issued",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "draft"), ("issued_at__isnull", True)),
                        models.Q(
                            models.Q(("status", "draft"), _negated=True),
                            models.Q(("issued_at__isnull", True), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_invoice_issued_is_stamped",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(
                            ("status", "paid"),
                            ("balance_due_cents", 0),
                            models.Q(("status", "draft"), _negated=True),
                            models.Q(("status", "void"), _negated=True),
                        ),
                        models.Q(
                            models.Q(("status", "paid"), _negated=True),
                            models.Q(
                                ("balance_due_cents", 0),
                                models.Q(("status", "draft"), _negated=True),
                                models.Q(("status", "void"), _negated=True),
                                _negated=True,
                            ),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_invoice_is_paid_when_nothing_is_due",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="InvoiceLine",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("position", models.PositiveIntegerField()),
            ("description", models.CharField(max_length=300)),
            ("quantity", models.PositiveIntegerField()),
            ("unit_amount_cents", models.BigIntegerField()),
            ("tax_bp", models.PositiveIntegerField(default=0)),
            ("amount_cents", models.BigIntegerField()),
            ("tax_cents", models.BigIntegerField()),
            (
                "booking_item",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="commerce.bookingitem",
                ),
            ),
            (
                "invoice",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="lines",
                    to="commerce.invoice",
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    fields=("invoice", "position"), name="commerce_line_positions_do_not_repeat"
                ),
                models.CheckConstraint(
                    condition=models.Q(("quantity__gte", 1)),
                    name="commerce_line_quantity_is_positive",
                ),
                models.CheckConstraint(
                    condition=models.Q(("tax_cents__gte", 0), ("unit_amount_cents__gte", 0)),
                    name="commerce_line_amounts_are_not_negative",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "amount_cents",
                            django.db.models.expressions.CombinedExpression(
                                models.F("quantity"), "*", models.F("unit_amount_cents")
                            ),
                        )
                    ),
                    name="commerce_line_amount_is_quantity_times_price",
                ),
                models.CheckConstraint(
                    condition=models.Q(("tax_bp__lte", 10000)),
                    name="commerce_line_tax_is_at_most_all",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Rendition",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "format",
                models.CharField(
                    choices=[("html", "html"), ("pdf", "pdf"), ("json", "json")], max_length=8
                ),
            ),
            (
                "status",
                models.CharField(choices=[("ready", "ready"), ("stale", "stale")], max_length=8),
            ),
            ("storage_key", models.CharField(max_length=200, unique=True)),
            ("content_type", models.CharField(max_length=100)),
            ("content_hash", models.CharField(max_length=64)),
            ("byte_size", models.PositiveIntegerField()),
            ("content_sealed", models.BinaryField()),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            (
                "invoice",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="renditions",
                    to="commerce.invoice",
                ),
            ),
        ],
        options={
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("format__in", ["html", "pdf", "json"])),
                    name="commerce_rendition_format_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("status__in", ["ready", "stale"])),
                    name="commerce_rendition_status_is_known",
                ),
                models.UniqueConstraint(
                    condition=models.Q(("status", "ready")),
                    fields=("invoice", "format"),
                    name="commerce_invoice_has_one_current_rendition_per_format",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ExternalRef",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("provider", models.CharField(max_length=40)),
            ("external_id", models.CharField(max_length=200)),
            ("external_number", models.CharField(blank=True, max_length=200)),
            ("external_url", models.CharField(blank=True, max_length=500)),
            ("status", models.CharField(blank=True, max_length=40)),
            ("paid_amount_cents", models.BigIntegerField(blank=True, null=True)),
            ("unpaid_amount_cents", models.BigIntegerField(blank=True, null=True)),
            ("synced_at", models.DateTimeField(blank=True, null=True)),
            ("settled_at", models.DateTimeField(blank=True, null=True)),
            ("sync_error", models.TextField(blank=True)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            (
                "invoice",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="external_refs",
                    to="commerce.invoice",
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    fields=("invoice", "provider"), name="commerce_provider_knows_an_invoice_once"
                )
            ],
        },
    ),
]

RULES = [
    Accountable(
        "commerce_invoice",
        target="invoice",
        on="UPDATE",
        when="OLD.status IS DISTINCT FROM NEW.status AND 'draft' = OLD.status"
        " OR 'void' = NEW.status",
    ),
]
