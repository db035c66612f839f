"""The tables of commerce, one module per noun."""

from commerce.models.access import DocumentAccess
from commerce.models.bookings import (
    Allocation,
    Booking,
    BookingContact,
    BookingItem,
    ItemStatus,
    Traveller,
    TravellerCategory,
    TravellerPersonal,
)
from commerce.models.chargebacks import Chargeback, ChargebackResolution, ChargebackReview
from commerce.models.invoices import (
    ExternalRef,
    Invoice,
    InvoiceLine,
    NumberSeries,
    Rendition,
    RenditionFormat,
    RenditionStatus,
    SeriesScope,
)
from commerce.models.outbound import Delivery, DeliveryStatus, ExternalContent
from commerce.models.payments import (
    CAME_IN,
    Capture,
    CreditNote,
    Payment,
    PaymentMethod,
    PaymentStatus,
    Refund,
)
from commerce.models.policies import (
    CancellationPolicy,
    CancellationPolicyVersion,
    CancellationRule,
    PolicyVersionStatus,
)
from commerce.models.products import Product, ProductStatus, Slot
from commerce.models.vouchers import Voucher

__all__ = [
    "CAME_IN",
    "Allocation",
    "Booking",
    "BookingContact",
    "BookingItem",
    "CancellationPolicy",
    "CancellationPolicyVersion",
    "CancellationRule",
    "Capture",
    "Chargeback",
    "ChargebackResolution",
    "ChargebackReview",
    "CreditNote",
    "Delivery",
    "DeliveryStatus",
    "DocumentAccess",
    "ExternalContent",
    "ExternalRef",
    "Invoice",
    "InvoiceLine",
    "ItemStatus",
    "NumberSeries",
    "Payment",
    "PaymentMethod",
    "PaymentStatus",
    "PolicyVersionStatus",
    "Product",
    "ProductStatus",
    "Refund",
    "Rendition",
    "RenditionFormat",
    "RenditionStatus",
    "SeriesScope",
    "Slot",
    "Traveller",
    "TravellerCategory",
    "TravellerPersonal",
    "Voucher",
]
