"""Payments, credit notes and refunds."""

from enum import StrEnum

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from commerce.domain.refunds import RefundMethod, RefundStatus
from commerce.models import constraints
from commerce.models.invoices import Invoice
from events.ids import new_id

_PENDING = Q(status="pending")


class PaymentStatus(StrEnum):
    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    CHARGED_BACK = "charged_back"


CAME_IN = (PaymentStatus.COMPLETED.value, PaymentStatus.CHARGED_BACK.value)
"""The money was here, whatever became of it."""


class PaymentMethod(StrEnum):
    BANK_TRANSFER = "bank_transfer"
    CREDIT_CARD = "credit_card"
    DEBIT_CARD = "debit_card"
    CASH = "cash"
    CHEQUE = "cheque"
    WALLET = "wallet"
    DIRECT_BILL = "direct_bill"
    TRAVEL_CREDIT = "travel_credit"
    OTHER = "other"


class Payment(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payments")
    status = models.CharField(max_length=16, choices=constraints.choices(PaymentStatus))
    method = models.CharField(max_length=16, choices=constraints.choices(PaymentMethod))
    amount_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reference = models.CharField(max_length=200, blank=True)
    provider = models.CharField(max_length=40, blank=True)
    failure_reason = models.TextField(blank=True)
    charged_back_cents = models.BigIntegerField(default=0)
    paid_at = models.DateTimeField(null=True, blank=True)
    recorded_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            constraints.one_of("status", PaymentStatus, name="commerce_payment_status_is_known"),
            constraints.one_of("method", PaymentMethod, name="commerce_payment_method_is_known"),
            constraints.iso_currency("commerce_payment_currency_is_iso"),
            models.CheckConstraint(
                condition=Q(amount_cents__gt=0), name="commerce_payment_amount_is_positive"
            ),
            constraints.exactly_when(
                Q(status__in=CAME_IN),
                Q(paid_at__isnull=False),
                name="commerce_payment_completed_is_stamped",
            ),
            models.CheckConstraint(
                condition=Q(charged_back_cents__gte=0, charged_back_cents__lte=F("amount_cents")),
                name="commerce_payment_is_charged_back_at_most_once",
            ),
            constraints.exactly_when(
                Q(status=PaymentStatus.CHARGED_BACK.value),
                Q(charged_back_cents=F("amount_cents")),
                name="commerce_payment_charged_back_is_so_as_a_whole",
            ),
            models.CheckConstraint(
                condition=Q(charged_back_cents=0) | Q(status__in=CAME_IN),
                name="commerce_payment_came_in_before_it_was_charged_back",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="commerce_payments_by_age"),
            models.Index(
                fields=["reference"],
                opclasses=["varchar_pattern_ops"],
                name="commerce_payments_by_reference",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_cents} {self.currency} for {self.invoice}"


class Capture(models.Model):
    """A provider took the money; until the window closes it can simply take it back."""

    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, primary_key=True, related_name="capture"
    )
    provider = models.CharField(max_length=40)
    provider_ref = models.CharField(max_length=200)
    amount_cents = models.BigIntegerField()
    captured_at = models.DateTimeField()
    window_closes_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_cents__gt=0), name="commerce_capture_amount_is_positive"
            ),
            models.CheckConstraint(
                condition=Q(window_closes_at__gte=models.F("captured_at")),
                name="commerce_capture_window_closes_after_it",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.provider_ref}"


class CreditNote(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    number = models.CharField(max_length=40, unique=True)
    amount_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.TextField()
    issued_by = models.CharField(max_length=200)
    issued_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            constraints.iso_currency("commerce_credit_note_currency_is_iso"),
            models.CheckConstraint(
                condition=Q(amount_cents__gt=0), name="commerce_credit_note_amount_is_positive"
            ),
            models.CheckConstraint(
                condition=~Q(reason=""), name="commerce_credit_note_has_a_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["issued_at", "id"], name="commerce_credit_notes_by_age"),
        ]

    def __str__(self) -> str:
        return self.number


class Refund(models.Model):
    """The money leg of a refund. While pending it holds its amount against the payment."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    credit_note = models.ForeignKey(
        CreditNote, on_delete=models.PROTECT, related_name="refunds", null=True, blank=True
    )
    # Set where it is no refund of the payment, but of what its chargeback brought back too much.
    surplus_of = models.ForeignKey(
        "commerce.ChargebackResolution",
        on_delete=models.PROTECT,
        related_name="refunds",
        null=True,
        blank=True,
    )
    method = models.CharField(max_length=20, choices=constraints.choices(RefundMethod))
    status = models.CharField(max_length=8, choices=constraints.choices(RefundStatus))
    amount_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.TextField()
    provider_ref = models.CharField(max_length=200, blank=True)
    failure_reason = models.TextField(blank=True)
    requested_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            constraints.one_of("method", RefundMethod, name="commerce_refund_method_is_known"),
            constraints.one_of("status", RefundStatus, name="commerce_refund_status_is_known"),
            constraints.iso_currency("commerce_refund_currency_is_iso"),
            models.CheckConstraint(
                condition=Q(amount_cents__gt=0), name="commerce_refund_amount_is_positive"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="commerce_refund_has_a_reason"),
            constraints.exactly_when(
                _PENDING, Q(ended_at__isnull=True), name="commerce_refund_ends_once"
            ),
            models.CheckConstraint(
                condition=Q(surplus_of=None)
                | Q(credit_note=None) & ~Q(method=RefundMethod.PROCESSOR_REVERSAL.value),
                name="commerce_refund_of_a_surplus_is_of_nothing_else",
            ),
            constraints.exactly_when(
                Q(status=RefundStatus.FAILED.value),
                ~Q(failure_reason=""),
                name="commerce_refund_failure_says_why",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="commerce_refunds_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_cents} {self.currency} back to {self.payment}"
