"""Bookings, travellers and deliveries in the admin. Sealed data is never shown here."""

from django.contrib import admin

from commerce.admin.actions import ReadOnlyInline, forget_action, row_action
from commerce.models import (
    Allocation,
    Booking,
    BookingContact,
    BookingItem,
    Delivery,
    Invoice,
    Traveller,
    TravellerPersonal,
    Voucher,
)
from commerce.services import bookings
from ledger.admin_access import BY_HAND, CapabilityAdmin


class ItemInline(ReadOnlyInline):
    reads = "booking.read"
    model = BookingItem
    fields = ["title", "quantity", "unit_amount_cents", "service_date", "status"]
    readonly_fields = ["title", "quantity", "unit_amount_cents", "service_date", "status"]


class TravellerInline(ReadOnlyInline):
    reads = "traveller.read"
    model = Traveller


class InvoiceInline(ReadOnlyInline):
    reads = "invoice.read"
    model = Invoice
    fields = ["number", "status", "total_cents", "balance_due_cents", "due_date"]
    readonly_fields = ["number", "status", "total_cents", "balance_due_cents", "due_date"]


@admin.register(Booking)
class BookingAdmin(CapabilityAdmin[Booking]):
    reads = "booking.read"
    list_display = [
        "number",
        "status",
        "service_date",
        "pax",
        "sell_amount_cents",
        "currency",
        "external_ref",
        "created_at",
    ]
    list_filter = ["status", "service_date"]
    search_fields = ["^number", "^external_ref", "=id"]
    ordering = ["-created_at"]
    inlines = [ItemInline, TravellerInline, InvoiceInline]
    actions = ["confirm", "start", "complete", "cancel", "expire"]
    confirm = row_action(
        "booking.confirm", "Confirm", lambda row: bookings.confirm_booking(booking_id=row.pk)
    )
    start = row_action(
        "booking.start", "Start", lambda row: bookings.start_booking(booking_id=row.pk)
    )
    complete = row_action(
        "booking.complete", "Complete", lambda row: bookings.complete_booking(booking_id=row.pk)
    )
    cancel = row_action(
        "booking.cancel",
        "Cancel",
        lambda row: bookings.cancel_booking(booking_id=row.pk, reason=BY_HAND),
    )
    expire = row_action(
        "booking.expire",
        "Give up held seats",
        lambda row: bookings.expire_booking(booking_id=row.pk),
    )


@admin.register(BookingItem)
class ItemAdmin(CapabilityAdmin[BookingItem]):
    reads = "booking.read"
    list_display = ["booking", "title", "quantity", "unit_amount_cents", "service_date", "status"]
    list_select_related = ["booking"]
    ordering = ["-id"]


@admin.register(Allocation)
class AllocationAdmin(CapabilityAdmin[Allocation]):
    reads = "booking.read"
    list_display = ["booking", "slot", "quantity", "status", "changed_at"]
    list_filter = ["status"]
    list_select_related = ["booking", "slot__product"]
    ordering = ["-changed_at"]


@admin.register(Traveller)
class TravellerAdmin(CapabilityAdmin[Traveller]):
    reads = "traveller.read"
    list_display = ["id", "booking", "category", "is_primary", "created_at"]
    list_select_related = ["booking"]
    search_fields = ["=id", "=booking__number"]
    ordering = ["-created_at"]
    actions = ["forget"]
    forget = forget_action("traveller")


@admin.register(TravellerPersonal)
class TravellerPersonalAdmin(CapabilityAdmin[TravellerPersonal]):
    """That there is personal data. What it is, the API shows to who may see it."""

    reads = "traveller.read"
    list_display = ["traveller"]
    exclude = ["sealed"]
    ordering = ["-traveller"]


@admin.register(BookingContact)
class ContactAdmin(CapabilityAdmin[BookingContact]):
    """That there is a contact. Who it is, the API shows to who may see it."""

    reads = "traveller.read"
    list_display = ["booking"]
    search_fields = ["=booking__number"]
    exclude = ["sealed"]
    ordering = ["-booking"]
    actions = ["forget"]
    forget = forget_action("contact")


@admin.register(Delivery)
class DeliveryAdmin(CapabilityAdmin[Delivery]):
    reads = "delivery.read"
    list_display = ["booking", "channel", "recipient_masked", "status", "created_at", "sent_at"]
    list_filter = ["status", "channel"]
    list_select_related = ["booking"]
    exclude = ["recipient_sealed"]
    ordering = ["-created_at"]


@admin.register(Voucher)
class VoucherAdmin(CapabilityAdmin[Voucher]):
    reads = "voucher.read"
    list_display = ["code", "booking", "item", "issued_at", "voided_at", "voided_because"]
    list_select_related = ["booking", "item"]
    search_fields = ["^code"]
    ordering = ["-issued_at"]
