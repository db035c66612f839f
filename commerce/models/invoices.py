"""Invoices, with number series, lines, documents and provider references."""

from enum import StrEnum

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from commerce.domain.invoices import InvoiceStatus
from commerce.domain.money import BASIS_POINTS
from commerce.domain.numbering import Reset
from commerce.models import constraints
from commerce.models.bookings import Booking, BookingItem
from commerce.models.numbers import BACKWARDS
from events.ids import new_id

_VOID = Q(status=InvoiceStatus.VOID.value)
_DRAFT = Q(status=InvoiceStatus.DRAFT.value)


class SeriesScope(StrEnum):
    BOOKING = "booking"
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class RenditionFormat(StrEnum):
    HTML = "html"
    PDF = "pdf"
    JSON = "json"


class RenditionStatus(StrEnum):
    READY = "ready"
    STALE = "stale"


class NumberSeries(models.Model):
    """Hands out numbers without gaps: its row is locked until the number is used or given up."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.CharField(max_length=16, choices=constraints.choices(SeriesScope))
    prefix = models.CharField(max_length=12)
    reset = models.CharField(max_length=8, choices=constraints.choices(Reset))
    period = models.CharField(max_length=4, blank=True)
    last_sequence = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "number series"
        constraints = [
            constraints.one_of("scope", SeriesScope, name="commerce_series_scope_is_known"),
            constraints.one_of("reset", Reset, name="commerce_series_reset_is_known"),
            models.UniqueConstraint(
                fields=["scope", "prefix"], name="commerce_series_prefix_is_used_once"
            ),
            models.UniqueConstraint(
                fields=["scope"],
                condition=Q(is_active=True),
                name="commerce_scope_has_one_active_series",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.prefix}"


class Invoice(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    booking = models.ForeignKey(Booking, on_delete=models.PROTECT, related_name="invoices")
    number = models.CharField(max_length=40, null=True, blank=True, unique=True)
    status = models.CharField(max_length=16, choices=constraints.choices(InvoiceStatus))
    currency = models.CharField(max_length=3)
    subtotal_cents = models.BigIntegerField(default=0)
    tax_cents = models.BigIntegerField(default=0)
    total_cents = models.BigIntegerField(default=0)
    paid_cents = models.BigIntegerField(default=0)
    balance_due_cents = models.BigIntegerField(default=0)
    due_date = models.DateField(null=True, blank=True)
    issued_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.TextField(blank=True)
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            constraints.one_of("status", InvoiceStatus, name="commerce_invoice_status_is_known"),
            constraints.iso_currency("commerce_invoice_currency_is_iso"),
            models.CheckConstraint(
                condition=Q(subtotal_cents__gte=0, tax_cents__gte=0),
                name="commerce_invoice_amounts_are_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(total_cents=F("subtotal_cents") + F("tax_cents")),
                name="commerce_invoice_total_is_subtotal_and_tax",
            ),
            models.CheckConstraint(
                condition=_VOID | Q(total_cents=F("paid_cents") + F("balance_due_cents")),
                name="commerce_invoice_paid_and_due_make_the_total",
            ),
            models.CheckConstraint(
                condition=Q(paid_cents__gte=0, balance_due_cents__gte=0),
                name="commerce_invoice_is_never_overpaid",
            ),
            models.CheckConstraint(
                condition=~_VOID | Q(paid_cents=0, balance_due_cents=0),
                name="commerce_invoice_void_owes_nothing",
            ),
            constraints.exactly_when(
                _VOID, Q(voided_at__isnull=False), name="commerce_invoice_void_is_stamped"
            ),
            constraints.exactly_when(
                _DRAFT, Q(number__isnull=True), name="commerce_invoice_has_a_number_once_issued"
            ),
            constraints.exactly_when(
                _DRAFT, Q(issued_at__isnull=True), name="commerce_invoice_issued_is_stamped"
            ),
            constraints.exactly_when(
                Q(status=InvoiceStatus.PAID.value),
                Q(balance_due_cents=0) & ~_DRAFT & ~_VOID,
                name="commerce_invoice_is_paid_when_nothing_is_due",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="commerce_invoices_by_age"),
            models.Index(fields=["status", "id"], name="commerce_invoices_by_status"),
            models.Index(BACKWARDS, name="commerce_invoices_by_ending"),
            models.Index(
                fields=["due_date"],
                condition=Q(status__in=["issued", "partially_paid"]),
                name="commerce_invoices_by_due_date",
            ),
        ]

    def __str__(self) -> str:
        return self.number or f"draft {self.id}"


class InvoiceLine(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    description = models.CharField(max_length=300)
    quantity = models.PositiveIntegerField()
    unit_amount_cents = models.BigIntegerField()
    tax_bp = models.PositiveIntegerField(default=0)
    amount_cents = models.BigIntegerField()
    tax_cents = models.BigIntegerField()
    booking_item = models.ForeignKey(
        BookingItem, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "position"], name="commerce_line_positions_do_not_repeat"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1), name="commerce_line_quantity_is_positive"
            ),
            models.CheckConstraint(
                condition=Q(unit_amount_cents__gte=0, tax_cents__gte=0),
                name="commerce_line_amounts_are_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(amount_cents=F("quantity") * F("unit_amount_cents")),
                name="commerce_line_amount_is_quantity_times_price",
            ),
            models.CheckConstraint(
                condition=Q(tax_bp__lte=BASIS_POINTS), name="commerce_line_tax_is_at_most_all"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.description}"


class Rendition(models.Model):
    """A document made of an invoice. Private: its content leaves only with a capability."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="renditions")
    format = models.CharField(max_length=8, choices=constraints.choices(RenditionFormat))
    status = models.CharField(max_length=8, choices=constraints.choices(RenditionStatus))
    storage_key = models.CharField(max_length=200, unique=True)
    content_type = models.CharField(max_length=100)
    content_hash = models.CharField(max_length=64)
    byte_size = models.PositiveIntegerField()
    # Names a person, so it is sealed with the key of `invoice/<id>`; empty once that is over.
    content_sealed = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            constraints.one_of(
                "format", RenditionFormat, name="commerce_rendition_format_is_known"
            ),
            constraints.one_of(
                "status", RenditionStatus, name="commerce_rendition_status_is_known"
            ),
            models.UniqueConstraint(
                fields=["invoice", "format"],
                condition=Q(status=RenditionStatus.READY.value),
                name="commerce_invoice_has_one_current_rendition_per_format",
            ),
        ]

    def __str__(self) -> str:
        return self.storage_key


class ExternalRef(models.Model):
    """Under which id a payment provider knows an invoice, and what it last said about it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="external_refs")
    provider = models.CharField(max_length=40)
    external_id = models.CharField(max_length=200)
    external_number = models.CharField(max_length=200, blank=True)
    external_url = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=40, blank=True)
    paid_amount_cents = models.BigIntegerField(null=True, blank=True)
    unpaid_amount_cents = models.BigIntegerField(null=True, blank=True)
    synced_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    sync_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "provider"], name="commerce_provider_knows_an_invoice_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.external_id}"
