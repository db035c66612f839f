"""Filters of lists. An unknown query parameter is a 400."""

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters

from commerce import selectors
from commerce.domain.access import AccessStatus
from commerce.domain.booking.state import Status
from commerce.domain.chargebacks import ChargebackStatus
from commerce.domain.invoices import InvoiceStatus
from commerce.domain.refunds import RefundMethod, RefundStatus
from commerce.models import (
    Chargeback,
    DeliveryStatus,
    DocumentAccess,
    PaymentStatus,
    ProductStatus,
)
from commerce.models.constraints import choices
from ledger.bodies import MomentFilter, OneOrMore


class ProductFilters(filters.FilterSet):
    status = OneOrMore(choices=choices(ProductStatus))
    currency = filters.CharFilter()


class SlotFilters(filters.FilterSet):
    product_id = filters.UUIDFilter()
    starts_after = MomentFilter(field_name="starts_at", lookup_expr="gte")
    starts_before = MomentFilter(field_name="starts_at", lookup_expr="lt")


class BookingFilters(filters.FilterSet):
    status = OneOrMore(choices=choices(Status))
    number = filters.CharFilter()
    external_ref = filters.CharFilter()
    service_after = filters.DateFilter(field_name="service_date", lookup_expr="gte")
    service_before = filters.DateFilter(field_name="service_date", lookup_expr="lt")
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")


class InvoiceFilters(filters.FilterSet):
    status = OneOrMore(choices=choices(InvoiceStatus))
    booking_id = filters.UUIDFilter()
    number = filters.CharFilter()
    due_before = filters.DateFilter(field_name="due_date", lookup_expr="lt")


class PaymentFilters(filters.FilterSet):
    status = OneOrMore(choices=choices(PaymentStatus))
    invoice_id = filters.UUIDFilter()
    provider = filters.CharFilter()


class CreditNoteFilters(filters.FilterSet):
    invoice_id = filters.UUIDFilter()


class RefundFilters(filters.FilterSet):
    status = OneOrMore(choices=choices(RefundStatus))
    method = OneOrMore(choices=choices(RefundMethod))
    payment_id = filters.UUIDFilter()
    surplus_of = filters.UUIDFilter()


class DocumentAccessFilters(filters.FilterSet):
    document_id = filters.UUIDFilter()
    invoice_id = filters.UUIDFilter(field_name="document__invoice_id")
    grantee = filters.CharFilter()
    status = filters.ChoiceFilter(choices=choices(AccessStatus), method="as_of_now")

    def as_of_now(
        self, rows: QuerySet[DocumentAccess], _name: str, status: str
    ) -> QuerySet[DocumentAccess]:
        return selectors.accesses_in(AccessStatus(status), rows, at=timezone.now())


class ChargebackFilters(filters.FilterSet):
    payment_id = filters.UUIDFilter()
    invoice_id = filters.UUIDFilter(field_name="payment__invoice_id")
    provider = filters.CharFilter()
    provider_ref = filters.CharFilter()
    status = filters.ChoiceFilter(choices=choices(ChargebackStatus), method="in_status")
    is_disputed = filters.BooleanFilter(field_name="disputed_cents", method="in_dispute")

    def in_status(self, rows: QuerySet[Chargeback], name: str, wanted: str) -> QuerySet[Chargeback]:
        if wanted == ChargebackStatus.OPEN:
            return rows.filter(review=None, resolution=None)
        if wanted == ChargebackStatus.UNDER_REVIEW:
            return rows.filter(review__isnull=False, resolution=None)
        return rows.filter(**{f"resolution__{name}": wanted})

    def in_dispute(
        self,
        rows: QuerySet[Chargeback],
        name: str,
        wanted: bool,  # noqa: FBT001 (django-filter's own signature)
    ) -> QuerySet[Chargeback]:
        disputed = {f"{name}__gt": 0}
        return rows.filter(**disputed) if wanted else rows.exclude(**disputed)


class DeliveryFilters(filters.FilterSet):
    status = OneOrMore(choices=choices(DeliveryStatus))
    booking_id = filters.UUIDFilter()


class ContentFilters(filters.FilterSet):
    product_id = filters.UUIDFilter()
    system = filters.CharFilter()
    is_failing = filters.BooleanFilter(field_name="failed_at", lookup_expr="isnull", exclude=True)
