"""Invoices, their documents, payments and money back, over HTTP."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from commerce import selectors
from commerce.api.filters import (
    ChargebackFilters,
    CreditNoteFilters,
    InvoiceFilters,
    PaymentFilters,
    RefundFilters,
)
from commerce.api.responses import RebuildsFromRow, accepted, created, ok
from commerce.api.serializers.invoices import (
    ChargebackOut,
    CreditNoteIn,
    CreditNoteOut,
    DocumentIn,
    DocumentOut,
    InvoiceDetailOut,
    InvoiceIn,
    InvoiceOut,
    JobRefOut,
    PaidAtIn,
    PaymentIn,
    PaymentOut,
    ProviderIn,
    RefundIn,
    RefundOut,
    ResolutionIn,
    ReviewIn,
    SettledIn,
    SurplusIn,
)
from commerce.models import (
    Chargeback,
    CreditNote,
    Invoice,
    Payment,
    Refund,
    Rendition,
    RenditionFormat,
)
from commerce.services import (
    chargeback_resolutions,
    chargeback_reviews,
    invoices,
    payments,
    refunds,
    renditions,
    settlement,
    surpluses,
)
from ledger.access import authority
from ledger.bodies import ReasonIn, valid
from ledger.preconditions import expected_version
from workflows.work.domain.claim import WorkRef
from workflows.work.models import Work


class InvoiceViewSet(viewsets.ReadOnlyModelViewSet[Invoice]):
    """Invoices: drafted from a booking, issued, paid, voided."""

    capabilities = {
        "list": "invoice.read",
        "retrieve": "invoice.read",
        "create": "invoice.create",
        "destroy": "invoice.create",
        "issue": "invoice.issue",
        "void": "invoice.void",
        "documents": "invoice.read",
        "generate_document": "invoice.generate_document",
        "record_payment": "payment.record",
        "request_payment": "invoice.request_payment",
        "poll_settlement": "invoice.poll_settlement",
    }
    without_body = ("issue", "poll_settlement")
    object_level = True
    queryset = Invoice.objects.none()
    filterset_class = InvoiceFilters
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Invoice]:
        rows = Invoice.objects.all()
        if self.action != "list":
            rows = rows.prefetch_related("lines", "external_refs")
        if authority.holds(self.request, self.capabilities[self.action]):
            return rows
        return authority.visible(rows, self.request, "invoice.read")

    def get_serializer_class(self) -> type[BaseSerializer[Invoice]]:
        return InvoiceOut if self.action == "list" else InvoiceDetailOut

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show an invoice; its ETag is what a change must match."""
        return _invoice(self.get_object())

    @extend_schema(request=InvoiceIn, responses={201: InvoiceDetailOut})
    def create(self, request: Request) -> Response:
        """Draft an invoice for a booking."""
        asked = valid(InvoiceIn, request.data)
        authority.caller_of(request).demand("invoice.create")
        invoice = invoices.create_invoice(**asked)
        body = InvoiceDetailOut(invoice)
        return created(body, at=f"invoices/{invoice.pk}", version=invoice.revision)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Discard a draft."""
        self.get_object()
        invoices.discard_draft(invoice_id=pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=InvoiceDetailOut)
    @action(detail=True, methods=["post"])
    def issue(self, request: Request, pk: UUID) -> Response:
        """Give a draft its number; from here on it is owed."""
        return self._step(invoices.issue_invoice)

    @extend_schema(request=ReasonIn, responses=InvoiceDetailOut)
    @action(detail=True, methods=["post"])
    def void(self, request: Request, pk: UUID) -> Response:
        """Take an invoice back on which nothing was paid or credited."""
        return self._step(invoices.void_invoice, **valid(ReasonIn, request.data))

    @extend_schema(responses=DocumentOut(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def documents(self, request: Request, pk: UUID) -> Response:
        """List the documents of an invoice, the newest first."""
        invoice = self.get_object()
        rows = invoice.renditions.defer("content_sealed").order_by("-created_at", "-pk")
        return Response(DocumentOut(rows, many=True).data)

    @extend_schema(request=DocumentIn, responses={201: DocumentOut})
    @documents.mapping.post
    def generate_document(self, request: Request, pk: UUID) -> Response:
        """Make a document; the one before in that format becomes stale."""
        format_ = RenditionFormat(valid(DocumentIn, request.data)["format"])
        self.get_object()
        rendition = renditions.generate_invoice_document(invoice_id=pk, format_=format_)
        return created(DocumentOut(rendition), at=f"documents/{rendition.pk}/content")

    @extend_schema(request=PaymentIn, responses={201: PaymentOut})
    @action(detail=True, methods=["post"], url_path="payments")
    def record_payment(self, request: Request, pk: UUID) -> Response:
        """Book money on an invoice, or announce it."""
        asked = valid(PaymentIn, request.data)
        self.get_object()
        payment = payments.record_payment(invoice_id=pk, **asked)
        return created(PaymentOut(payment), at=f"payments/{payment.pk}")

    @extend_schema(request=ProviderIn, responses={202: JobRefOut})
    @action(detail=True, methods=["post"], url_path="request-payment")
    def request_payment(self, request: Request, pk: UUID) -> Response:
        """Have a provider collect what is due, as a job."""
        asked = valid(ProviderIn, request.data)
        self.get_object()
        return accepted(settlement.ask_for_payment(invoice_id=pk, **asked))

    @extend_schema(request=None, responses={202: JobRefOut})
    @action(detail=True, methods=["post"], url_path="poll-settlement")
    def poll_settlement(self, request: Request, pk: UUID) -> Response:
        """Have the providers of an invoice asked what was paid, as a job."""
        self.get_object()
        return accepted(settlement.ask_for_poll(invoice_id=pk))

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        match self.action:
            case "destroy":
                return Response(status=status.HTTP_204_NO_CONTENT)
            case "generate_document":
                return ok(DocumentOut(get_object_or_404(Rendition, pk=reference)))
            case "record_payment":
                return ok(PaymentOut(get_object_or_404(Payment, pk=reference)))
            case "request_payment" | "poll_settlement":
                work = get_object_or_404(Work, pk=reference)
                return accepted(WorkRef(id=work.pk, kind=work.kind))
            case _:
                return _invoice(get_object_or_404(Invoice, pk=reference))

    def _step(self, service: Any, **asked: Any) -> Response:
        invoice = self.get_object()
        version = expected_version(self.request, required=False)
        return _invoice(service(invoice_id=invoice.pk, expected_version=version, **asked))


class PaymentViewSet(RebuildsFromRow[Payment], viewsets.ReadOnlyModelViewSet[Payment]):
    """Money that came in, or was announced."""

    capabilities = {
        "list": "payment.read",
        "retrieve": "payment.read",
        "complete": "payment.record",
        "fail": "payment.record",
    }
    queryset = selectors.with_surplus_approvals(Payment.objects.select_related("capture"))
    serializer_class = PaymentOut
    filterset_class = PaymentFilters
    lookup_value_converter = "uuid"

    @extend_schema(request=PaidAtIn, responses=PaymentOut)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: UUID) -> Response:
        """Note that announced money has come."""
        asked = valid(PaidAtIn, request.data)
        return ok(PaymentOut(payments.complete_payment(payment_id=pk, **asked)))

    @extend_schema(request=ReasonIn, responses=PaymentOut)
    @action(detail=True, methods=["post"])
    def fail(self, request: Request, pk: UUID) -> Response:
        """Note that announced money will not come."""
        asked = valid(ReasonIn, request.data)
        return ok(PaymentOut(payments.fail_payment(payment_id=pk, **asked)))


class CreditNoteViewSet(RebuildsFromRow[CreditNote], viewsets.ReadOnlyModelViewSet[CreditNote]):
    """Adjustments of invoices that were issued."""

    capabilities = {
        "list": "credit_note.read",
        "retrieve": "credit_note.read",
        "create": "credit_note.issue",
    }
    queryset = CreditNote.objects.all()
    serializer_class = CreditNoteOut
    filterset_class = CreditNoteFilters
    cursor_ordering = ("-issued_at", "-id")
    lookup_value_converter = "uuid"

    @extend_schema(request=CreditNoteIn, responses={201: CreditNoteOut})
    def create(self, request: Request) -> Response:
        """Issue a credit note."""
        note = refunds.issue_credit_note(**valid(CreditNoteIn, request.data))
        return created(CreditNoteOut(note), at=f"credit-notes/{note.pk}")


class RefundViewSet(RebuildsFromRow[Refund], viewsets.ReadOnlyModelViewSet[Refund]):
    """Money that goes back."""

    capabilities = {
        "list": "refund.read",
        "retrieve": "refund.read",
        "create": "refund.request",
        "settle": "refund.settle",
        "fail": "refund.settle",
    }
    queryset = Refund.objects.all()
    serializer_class = RefundOut
    filterset_class = RefundFilters
    lookup_value_converter = "uuid"

    @extend_schema(request=RefundIn, responses={201: RefundOut})
    def create(self, request: Request) -> Response:
        """Hold an amount against a payment until it has gone back, or not."""
        refund = refunds.request_refund(**valid(RefundIn, request.data))
        return created(RefundOut(refund), at=f"refunds/{refund.pk}")

    @extend_schema(request=SettledIn, responses=RefundOut)
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, pk: UUID) -> Response:
        """Note that the money has gone back."""
        asked = valid(SettledIn, request.data)
        return ok(RefundOut(refunds.settle_refund(refund_id=pk, **asked)))

    @extend_schema(request=ReasonIn, responses=RefundOut)
    @action(detail=True, methods=["post"])
    def fail(self, request: Request, pk: UUID) -> Response:
        """Note that the money has not gone back."""
        asked = valid(ReasonIn, request.data)
        return ok(RefundOut(refunds.fail_refund(refund_id=pk, **asked)))


class ChargebackViewSet(RebuildsFromRow[Chargeback], viewsets.ReadOnlyModelViewSet[Chargeback]):
    """Money that a payment provider took back, and how the dispute over it ended."""

    capabilities = {
        "list": "chargeback.read",
        "retrieve": "chargeback.read",
        "review": "chargeback.resolve",
        "resolve": "chargeback.resolve",
        "refund_surplus": "refund.request",
    }
    queryset = selectors.with_surplus_approvals(
        Chargeback.objects.select_related("review", "resolution")
    )
    serializer_class = ChargebackOut
    filterset_class = ChargebackFilters
    cursor_ordering = ("-noted_at", "-id")
    lookup_value_converter = "uuid"

    @extend_schema(request=ReviewIn, responses=ChargebackOut)
    @action(detail=True, methods=["post"])
    def review(self, request: Request, pk: UUID) -> Response:
        """Note that somebody stood up to a chargeback, and it is looked at again."""
        asked = valid(ReviewIn, request.data)
        return ok(ChargebackOut(chargeback_reviews.review_chargeback(chargeback_id=pk, **asked)))

    @extend_schema(request=SurplusIn, responses={201: RefundOut})
    @action(detail=True, methods=["post"], url_path="refund-surplus")
    def refund_surplus(self, request: Request, pk: UUID) -> Response:
        """Give back what came back of it beyond what the invoice asks for."""
        refund = surpluses.refund_surplus(chargeback_id=pk, **valid(SurplusIn, request.data))
        return _surplus(refund)

    @extend_schema(request=ResolutionIn, responses=ChargebackOut)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: UUID) -> Response:
        """Note how a dispute ended; what comes back is booked as a payment of its own."""
        asked = valid(ResolutionIn, request.data)
        resolved = chargeback_resolutions.resolve_chargeback(chargeback_id=pk, **asked)
        return ok(ChargebackOut(resolved))

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        if self.action == "refund_surplus":
            return _surplus(get_object_or_404(Refund, pk=reference))
        return super().rebuild_response(request, reference)


def _surplus(refund: Refund) -> Response:
    return created(RefundOut(refund), at=f"refunds/{refund.pk}")


def _invoice(invoice: Invoice) -> Response:
    return ok(InvoiceDetailOut(invoice), version=invoice.revision)
