"""The URLs of commerce, under /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from commerce.api.views.bookings import BookingViewSet, DeliveryViewSet, TravellerViewSet
from commerce.api.views.documents import DocumentAccessViewSet, DocumentViewSet
from commerce.api.views.invoices import (
    ChargebackViewSet,
    CreditNoteViewSet,
    InvoiceViewSet,
    PaymentViewSet,
    RefundViewSet,
)
from commerce.api.views.notifications import ProviderNotificationView
from commerce.api.views.products import (
    CancellationPolicyViewSet,
    ExternalContentViewSet,
    ProductViewSet,
    SlotViewSet,
)

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("products", ProductViewSet, basename="product")
router.register("slots", SlotViewSet, basename="slot")
router.register("cancellation-policies", CancellationPolicyViewSet, basename="cancellation-policy")
router.register("bookings", BookingViewSet, basename="booking")
router.register("deliveries", DeliveryViewSet, basename="delivery")
router.register("invoices", InvoiceViewSet, basename="invoice")
router.register("documents", DocumentViewSet, basename="document")
router.register("document-accesses", DocumentAccessViewSet, basename="document-access")
router.register("payments", PaymentViewSet, basename="payment")
router.register("credit-notes", CreditNoteViewSet, basename="credit-note")
router.register("refunds", RefundViewSet, basename="refund")
router.register("chargebacks", ChargebackViewSet, basename="chargeback")
router.register("external-content", ExternalContentViewSet, basename="external-content")

_TRAVELLERS = "bookings/<uuid:booking_id>/travellers"

urlpatterns = [
    *router.urls,
    path(
        "payment-providers/<slug:provider>/notifications",
        ProviderNotificationView.as_view(),
        name="provider-notification",
    ),
    path(
        _TRAVELLERS,
        TravellerViewSet.as_view({"get": "list", "post": "create"}),
        name="traveller-list",
    ),
    path(
        f"{_TRAVELLERS}/<uuid:pk>",
        TravellerViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
        name="traveller-detail",
    ),
    path(
        f"{_TRAVELLERS}/<uuid:pk>/erase",
        TravellerViewSet.as_view({"post": "erase"}),
        name="traveller-erase",
    ),
]
