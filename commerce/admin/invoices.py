"""Invoices, payments and money back in the admin."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from commerce import selectors
from commerce.admin.actions import ReadOnlyInline, SurplusAdmin, row_action
from commerce.domain.chargebacks import ChargebackStatus
from commerce.models import (
    Capture,
    Chargeback,
    ChargebackResolution,
    ChargebackReview,
    CreditNote,
    DocumentAccess,
    ExternalRef,
    Invoice,
    InvoiceLine,
    NumberSeries,
    Payment,
    Refund,
    Rendition,
)
from commerce.services import (
    chargeback_resolutions,
    chargeback_reviews,
    document_access,
    invoices,
    numbers,
    payments,
    refunds,
    renditions,
    settlement,
)
from ledger.access import authority
from ledger.admin_access import BY_HAND, CapabilityAdmin, ThroughServices


class LineInline(ReadOnlyInline):
    reads = "invoice.read"
    model = InvoiceLine
    ordering = ["position"]


class PaymentInline(ReadOnlyInline):
    reads = "payment.read"
    model = Payment
    fields = ["status", "method", "amount_cents", "reference", "paid_at"]
    readonly_fields = ["status", "method", "amount_cents", "reference", "paid_at"]


@admin.register(Invoice)
class InvoiceAdmin(SurplusAdmin[Invoice]):
    reads = "invoice.read"
    list_display = [
        "__str__",
        "booking",
        "status",
        "total_cents",
        "paid_cents",
        "balance_due_cents",
        "currency",
        "due_date",
    ]
    list_filter = ["status", "due_date"]
    search_fields = ["^number", "^booking__number", "=id"]
    list_select_related = ["booking"]
    ordering = ["-created_at"]
    inlines = [LineInline, PaymentInline]
    actions = ["issue", "void", "generate_document", "poll"]
    issue = row_action(
        "invoice.issue", "Issue", lambda row: invoices.issue_invoice(invoice_id=row.pk)
    )
    void = row_action(
        "invoice.void",
        "Void",
        lambda row: invoices.void_invoice(invoice_id=row.pk, reason=BY_HAND),
    )
    generate_document = row_action(
        "invoice.generate_document",
        "Make the document",
        lambda row: renditions.generate_invoice_document(invoice_id=row.pk),
    )
    poll = row_action(
        "invoice.poll_settlement",
        "Ask the providers what was paid",
        lambda row: settlement.ask_for_poll(invoice_id=row.pk),
    )


@admin.register(InvoiceLine)
class LineAdmin(CapabilityAdmin[InvoiceLine]):
    reads = "invoice.read"
    list_display = ["invoice", "position", "description", "quantity", "amount_cents", "tax_cents"]
    list_select_related = ["invoice"]
    ordering = ["-invoice", "position"]


@admin.register(Rendition)
class RenditionAdmin(CapabilityAdmin[Rendition]):
    reads = "invoice.read"
    list_display = ["storage_key", "format", "status", "byte_size", "created_at"]
    list_filter = ["status", "format"]
    exclude = ["content_sealed"]
    ordering = ["-created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rendition]:
        return Rendition.objects.defer("content_sealed")


@admin.register(DocumentAccess)
class DocumentAccessAdmin(CapabilityAdmin[DocumentAccess]):
    reads = "document_access.read"
    list_display = ["document", "grantee", "purpose", "status", "granted_at", "expires_at"]
    list_filter = ["granted_at", "expires_at", "revoked_at"]
    search_fields = ["=grantee", "^document__invoice__number", "=id"]
    ordering = ["-granted_at"]
    actions = ["revoke"]
    revoke = row_action(
        "document_access.manage",
        "Revoke",
        lambda row: document_access.revoke_document_access(access_id=row.pk, reason=BY_HAND),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[DocumentAccess]:
        rows = DocumentAccess.objects.select_related("document")
        return rows.defer("document__content_sealed")

    @admin.display(description="status")
    def status(self, access: DocumentAccess) -> str:
        return selectors.access_status(access, at=timezone.now()).value


@admin.register(ExternalRef)
class ExternalRefAdmin(CapabilityAdmin[ExternalRef]):
    reads = "invoice.read"
    list_display = ["invoice", "provider", "external_id", "status", "synced_at", "sync_error"]
    list_filter = ["provider"]
    list_select_related = ["invoice"]
    ordering = ["-created_at"]


@admin.register(Payment)
class PaymentAdmin(SurplusAdmin[Payment]):
    reads = "payment.read"
    list_display = [
        "invoice",
        "status",
        "method",
        "amount_cents",
        "charged_back_cents",
        "currency",
        "reference",
        "paid_at",
    ]
    list_filter = ["status", "method"]
    search_fields = ["^reference", "=id"]
    list_select_related = ["invoice"]
    ordering = ["-created_at"]
    actions = ["complete", "fail"]
    complete = row_action(
        "payment.record", "It has come", lambda row: payments.complete_payment(payment_id=row.pk)
    )
    fail = row_action(
        "payment.record",
        "It will not come",
        lambda row: payments.fail_payment(payment_id=row.pk, reason=BY_HAND),
    )


@admin.register(Capture)
class CaptureAdmin(CapabilityAdmin[Capture]):
    reads = "payment.read"
    list_display = ["payment", "provider", "provider_ref", "captured_at", "window_closes_at"]
    list_select_related = ["payment__invoice"]
    ordering = ["-captured_at"]


@admin.register(CreditNote)
class CreditNoteAdmin(CapabilityAdmin[CreditNote]):
    reads = "credit_note.read"
    list_display = ["number", "invoice", "amount_cents", "currency", "reason", "issued_at"]
    list_select_related = ["invoice"]
    ordering = ["-issued_at"]


@admin.register(Refund)
class RefundAdmin(CapabilityAdmin[Refund]):
    reads = "refund.read"
    list_display = ["payment", "method", "status", "amount_cents", "currency", "created_at"]
    list_filter = ["status", "method"]
    list_select_related = ["payment__invoice"]
    ordering = ["-created_at"]
    actions = ["settle", "fail"]
    settle = row_action(
        "refund.settle", "It has gone back", lambda row: refunds.settle_refund(refund_id=row.pk)
    )
    fail = row_action(
        "refund.settle",
        "It has not gone back",
        lambda row: refunds.fail_refund(refund_id=row.pk, reason=BY_HAND),
    )


def _resolving(status: ChargebackStatus) -> Callable[[Chargeback], object]:
    return lambda row: chargeback_resolutions.resolve_chargeback(
        chargeback_id=row.pk, status=status, reason=BY_HAND
    )


def _review(row: Chargeback) -> object:
    return chargeback_reviews.review_chargeback(chargeback_id=row.pk, reason=BY_HAND)


@admin.register(Chargeback)
class ChargebackAdmin(SurplusAdmin[Chargeback]):
    reads = "chargeback.read"
    list_display = [
        "payment",
        "status",
        "provider",
        "provider_ref",
        "claimed_cents",
        "charged_back_cents",
        "disputed_cents",
        "currency",
        "noted_at",
    ]
    list_filter = ["provider", "noted_at", "resolution__status"]
    search_fields = ["^provider_ref", "^payment__invoice__number", "=id"]
    list_select_related = ["payment__invoice", "review", "resolution"]
    ordering = ["-noted_at"]
    actions = ["review", "win", "lose", "withdraw"]
    review = row_action("chargeback.resolve", "It is looked at again", _review)
    win = row_action("chargeback.resolve", "It is won", _resolving(ChargebackStatus.WON))
    lose = row_action("chargeback.resolve", "It is lost", _resolving(ChargebackStatus.LOST))
    withdraw = row_action(
        "chargeback.resolve", "It was withdrawn", _resolving(ChargebackStatus.WITHDRAWN)
    )

    @admin.display(description="status")
    def status(self, chargeback: Chargeback) -> str:
        return chargeback.status.value


@admin.register(ChargebackReview)
class ChargebackReviewAdmin(CapabilityAdmin[ChargebackReview]):
    reads = "chargeback.read"
    list_display = ["chargeback", "reason", "occurred_at", "noted_at"]
    list_filter = ["noted_at"]
    search_fields = ["^chargeback__provider_ref", "=chargeback__id"]
    list_select_related = ["chargeback"]
    ordering = ["-noted_at"]


@admin.register(ChargebackResolution)
class ChargebackResolutionAdmin(CapabilityAdmin[ChargebackResolution]):
    reads = "chargeback.read"
    list_display = [
        "chargeback",
        "status",
        "returned_cents",
        "surplus_cents",
        "payment",
        "reason",
        "noted_at",
    ]
    list_filter = ["status", "noted_at"]
    search_fields = ["^chargeback__provider_ref", "=chargeback__id"]
    list_select_related = ["chargeback", "payment__invoice"]
    ordering = ["-noted_at"]


@admin.register(NumberSeries)
class NumberSeriesAdmin(ThroughServices, CapabilityAdmin[NumberSeries]):
    """The one table here that people write: which series there are and which is in use."""

    reads = "number_series.read"
    list_display = ["scope", "prefix", "reset", "period", "last_sequence", "is_active"]
    ordering = ["scope", "prefix"]
    fields = ["scope", "prefix", "reset", "is_active", "period", "last_sequence"]
    _COUNTED: ClassVar[tuple[str, ...]] = ("period", "last_sequence")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Of a series that has issued numbers, only whether it is active can change.
        return self._COUNTED if obj is None else ("scope", "prefix", "reset", *self._COUNTED)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return authority.holds(request, "number_series.manage")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return authority.holds(request, "number_series.manage")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 (Django's signature)
        if change:
            numbers.switch_series(series=obj, is_active=obj.is_active)
        else:
            numbers.begin_series(series=obj)
