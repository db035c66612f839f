"""Invoices, payments and money back."""

from typing import Any

from rest_framework import serializers

from commerce.api.serializers.fields import (
    BasisPointsField,
    CentsField,
    CurrencyField,
    PositiveCentsField,
    QuantityField,
    ReferenceField,
    SurplusApprovalsField,
)
from commerce.domain.chargebacks import RESOLVED, ChargebackStatus
from commerce.domain.refunds import BY_HAND, RefundMethod
from commerce.models import (
    Booking,
    Capture,
    Chargeback,
    ChargebackResolution,
    ChargebackReview,
    CreditNote,
    ExternalContent,
    ExternalRef,
    Invoice,
    InvoiceLine,
    Payment,
    PaymentMethod,
    Refund,
    Rendition,
    RenditionFormat,
)
from commerce.models.constraints import choices
from commerce.services.invoices import Line
from ledger.bodies import Body, Moment
from ledger.domain.action import REASON_CHARS_MAX

LINES_MAX = 200


class LineIn(Body):
    description = serializers.CharField(max_length=300)
    quantity = QuantityField()
    unit_amount_cents = CentsField()
    tax_bp = BasisPointsField(default=0)


class InvoiceIn(Body):
    booking_id = ReferenceField(Booking)
    lines = serializers.ListField(
        child=LineIn(),
        required=False,
        min_length=1,
        max_length=LINES_MAX,
        help_text="Absent: a line per item of the booking.",
    )
    tax_bp = BasisPointsField(default=0, help_text="The tax on lines made of the booking.")
    due_date = serializers.DateField(required=False, help_text="In 14 days, if it is left out.")

    def validate_lines(self, lines: list[dict[str, Any]]) -> list[Line]:
        return [Line(**line) for line in lines]


class DocumentIn(Body):
    format = serializers.ChoiceField(
        choices=choices(RenditionFormat), default=RenditionFormat.HTML.value
    )


class ProviderIn(Body):
    provider = serializers.CharField(max_length=40, default="demo")


class PaymentIn(Body):
    amount_cents = PositiveCentsField()
    currency = CurrencyField()
    method = serializers.ChoiceField(choices=choices(PaymentMethod))
    reference = serializers.CharField(max_length=200, allow_blank=True, default="")
    paid_at = Moment(allow_null=True, default=None)
    is_pending = serializers.BooleanField(
        default=False, help_text="It was announced, and changes nothing until it is completed."
    )

    def validate_method(self, value: str) -> PaymentMethod:
        return PaymentMethod(value)


class PaidAtIn(Body):
    paid_at = Moment(allow_null=True, default=None)


class ReviewIn(Body):
    reason = serializers.CharField(max_length=200)
    occurred_at = Moment(
        required=False, allow_null=True, default=None, help_text="Now, if it is left out."
    )


class ResolutionIn(ReviewIn):
    status = serializers.ChoiceField(choices=[status.value for status in RESOLVED])

    def validate_status(self, status: str) -> ChargebackStatus:
        return ChargebackStatus(status)


class SurplusIn(Body):
    amount_cents = PositiveCentsField()
    method = serializers.ChoiceField(choices=[method.value for method in BY_HAND])
    reason = serializers.CharField(max_length=REASON_CHARS_MAX)

    def validate_method(self, value: str) -> RefundMethod:
        return RefundMethod(value)


class CreditNoteIn(Body):
    invoice_id = ReferenceField(Invoice)
    amount_cents = PositiveCentsField()
    currency = CurrencyField()
    reason = serializers.CharField(max_length=REASON_CHARS_MAX)


class RefundIn(Body):
    payment_id = ReferenceField(Payment)
    credit_note_id = ReferenceField(CreditNote, allow_null=True, default=None)
    amount_cents = PositiveCentsField()
    method = serializers.ChoiceField(choices=choices(RefundMethod))
    reason = serializers.CharField(max_length=REASON_CHARS_MAX)

    def validate_method(self, value: str) -> RefundMethod:
        return RefundMethod(value)


class SettledIn(Body):
    provider_ref = serializers.CharField(max_length=200, allow_blank=True, default="")


class JobRefOut(serializers.Serializer[Any]):
    job_id = serializers.UUIDField()
    kind = serializers.CharField()


class LineOut(serializers.ModelSerializer[InvoiceLine]):
    class Meta:
        model = InvoiceLine
        fields = [
            "position",
            "description",
            "quantity",
            "unit_amount_cents",
            "tax_bp",
            "amount_cents",
            "tax_cents",
        ]
        read_only_fields = fields


class ExternalRefOut(serializers.ModelSerializer[ExternalRef]):
    class Meta:
        model = ExternalRef
        fields = [
            "id",
            "provider",
            "external_id",
            "external_number",
            "external_url",
            "status",
            "paid_amount_cents",
            "unpaid_amount_cents",
            "synced_at",
            "settled_at",
            "sync_error",
        ]
        read_only_fields = fields


class InvoiceOut(serializers.ModelSerializer[Invoice]):
    booking_id = serializers.UUIDField(read_only=True)

    class Meta:
        model = Invoice
        fields = [
            "id",
            "booking_id",
            "number",
            "status",
            "revision",
            "currency",
            "subtotal_cents",
            "tax_cents",
            "total_cents",
            "paid_cents",
            "balance_due_cents",
            "due_date",
            "created_at",
            "issued_at",
            "voided_at",
            "void_reason",
        ]
        read_only_fields = fields


class InvoiceDetailOut(InvoiceOut):
    lines = LineOut(many=True, read_only=True)
    external_refs = ExternalRefOut(many=True, read_only=True)
    surplus_approval_ids = SurplusApprovalsField()

    class Meta(InvoiceOut.Meta):
        fields = [*InvoiceOut.Meta.fields, "lines", "external_refs", "surplus_approval_ids"]
        read_only_fields = fields


class DocumentOut(serializers.ModelSerializer[Rendition]):
    invoice_id = serializers.UUIDField(read_only=True)
    url = serializers.SerializerMethodField(help_text="Where its content is.")

    class Meta:
        model = Rendition
        fields = [
            "id",
            "invoice_id",
            "format",
            "status",
            "storage_key",
            "content_type",
            "content_hash",
            "byte_size",
            "url",
            "created_at",
        ]
        read_only_fields = fields

    def get_url(self, rendition: Rendition) -> str:
        return f"/api/v1/documents/{rendition.pk}/content"


class CaptureOut(serializers.ModelSerializer[Capture]):
    class Meta:
        model = Capture
        fields = ["provider", "provider_ref", "amount_cents", "captured_at", "window_closes_at"]
        read_only_fields = fields


class PaymentOut(serializers.ModelSerializer[Payment]):
    invoice_id = serializers.UUIDField(read_only=True)
    capture = CaptureOut(read_only=True, allow_null=True)
    surplus_approval_ids = SurplusApprovalsField()

    class Meta:
        model = Payment
        fields = [
            "id",
            "invoice_id",
            "status",
            "method",
            "amount_cents",
            "charged_back_cents",
            "currency",
            "reference",
            "provider",
            "failure_reason",
            "paid_at",
            "recorded_by",
            "created_at",
            "capture",
            "surplus_approval_ids",
        ]
        read_only_fields = fields


class CreditNoteOut(serializers.ModelSerializer[CreditNote]):
    invoice_id = serializers.UUIDField(read_only=True)

    class Meta:
        model = CreditNote
        fields = [
            "id",
            "invoice_id",
            "number",
            "amount_cents",
            "currency",
            "reason",
            "issued_by",
            "issued_at",
        ]
        read_only_fields = fields


class RefundOut(serializers.ModelSerializer[Refund]):
    payment_id = serializers.UUIDField(read_only=True)
    credit_note_id = serializers.UUIDField(read_only=True, allow_null=True)
    surplus_of = serializers.UUIDField(
        source="surplus_of_id",
        read_only=True,
        allow_null=True,
        help_text="The chargeback that brought it back too much, if it is no refund of a payment.",
    )

    class Meta:
        model = Refund
        fields = [
            "id",
            "payment_id",
            "credit_note_id",
            "surplus_of",
            "method",
            "status",
            "amount_cents",
            "currency",
            "reason",
            "provider_ref",
            "failure_reason",
            "requested_by",
            "created_at",
            "ended_at",
        ]
        read_only_fields = fields


class ReviewOut(serializers.ModelSerializer[ChargebackReview]):
    class Meta:
        model = ChargebackReview
        fields = ["reason", "occurred_at", "noted_at"]
        read_only_fields = fields


class ResolutionOut(serializers.ModelSerializer[ChargebackResolution]):
    payment_id = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="As what it came back."
    )

    class Meta:
        model = ChargebackResolution
        fields = [
            "returned_cents",
            "surplus_cents",
            "payment_id",
            "reason",
            "occurred_at",
            "noted_at",
        ]
        read_only_fields = fields


class ChargebackOut(serializers.ModelSerializer[Chargeback]):
    payment_id = serializers.UUIDField(read_only=True)
    status = serializers.ChoiceField(
        choices=[status.value for status in ChargebackStatus], read_only=True
    )
    review = ReviewOut(read_only=True, allow_null=True)
    resolution = ResolutionOut(read_only=True, allow_null=True)
    surplus_approval_ids = SurplusApprovalsField()

    class Meta:
        model = Chargeback
        fields = [
            "id",
            "payment_id",
            "status",
            "provider",
            "provider_ref",
            "claimed_cents",
            "charged_back_cents",
            "disputed_cents",
            "currency",
            "reason",
            "occurred_at",
            "noted_at",
            "review",
            "resolution",
            "surplus_approval_ids",
        ]
        read_only_fields = fields


class ExternalContentOut(serializers.ModelSerializer[ExternalContent]):
    class Meta:
        model = ExternalContent
        fields = [
            "id",
            "product_id",
            "system",
            "external_id",
            "checksum",
            "synced_at",
            "failed_at",
            "last_error",
        ]
        read_only_fields = fields
