"""Ownership of the rows of commerce: to which booking, product or departure each belongs."""

from commerce.models import (
    Allocation,
    Booking,
    BookingContact,
    BookingItem,
    Capture,
    Chargeback,
    ChargebackResolution,
    ChargebackReview,
    CreditNote,
    Delivery,
    DocumentAccess,
    ExternalRef,
    Invoice,
    InvoiceLine,
    Payment,
    Product,
    Refund,
    Rendition,
    Slot,
    Traveller,
    TravellerPersonal,
    Voucher,
)
from ledger.boundaries import declare

declare(Product, product="pk")
declare(Slot, product="product", slot="pk")
declare(Booking, booking="pk")
declare(BookingItem, booking="booking", product="product", slot="slot")
declare(Allocation, booking="booking", slot="slot")
declare(Traveller, booking="booking")
declare(TravellerPersonal, booking="traveller__booking")
declare(BookingContact, booking="booking")
declare(Delivery, booking="booking")
declare(Voucher, booking="booking")
declare(Invoice, booking="booking")
declare(InvoiceLine, booking="invoice__booking")
declare(Rendition, booking="invoice__booking")
declare(DocumentAccess, booking="document__invoice__booking")
declare(ExternalRef, booking="invoice__booking")
declare(Payment, booking="invoice__booking", invoice="invoice")
declare(Capture, booking="payment__invoice__booking")
declare(Chargeback, booking="payment__invoice__booking", invoice="payment__invoice")
declare(
    ChargebackResolution,
    booking="chargeback__payment__invoice__booking",
    invoice="chargeback__payment__invoice",
)
declare(
    ChargebackReview,
    booking="chargeback__payment__invoice__booking",
    invoice="chargeback__payment__invoice",
)
declare(CreditNote, booking="invoice__booking", invoice="invoice")
declare(Refund, booking="payment__invoice__booking", invoice="payment__invoice")
