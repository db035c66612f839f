"""Bookings, travellers and deliveries. Personal data is masked unless it is disclosed."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from commerce import selectors
from commerce.api.serializers.fields import QuantityField, ReferenceField
from commerce.domain.booking.state import Status
from commerce.domain.masking import mask_email, mask_number, mask_text
from commerce.models import (
    Booking,
    BookingItem,
    Delivery,
    Slot,
    Traveller,
    TravellerCategory,
    Voucher,
)
from commerce.models.constraints import choices
from commerce.services import travellers
from commerce.services.bookings import SeatRequest
from commerce.vault import Envelope
from ledger import recording
from ledger.access import authority
from ledger.bodies import Body, Moment, ReasonIn
from ledger.disclosure import disclosing
from ledger.disclosure.reasons import HEADER, access_reason
from ledger.domain.action import Read, Target
from ledger.domain.capability import CapabilityMissing

READ_PERSONAL = "traveller.read_personal"
ITEMS_MAX = 50

_MASKS = {
    "name": mask_text,
    "first_name": mask_text,
    "last_name": mask_text,
    "special_requests": mask_text,
    "date_of_birth": mask_number,
    "email": mask_email,
    "phone": mask_number,
    "document_number": mask_number,
}


def shown_to(request: Any, personal: Envelope | None, *, of: Target) -> dict[str, Any]:
    """Return personal data as the caller may see it: masked, or in clear for a reason.

    Who looks, and why, is on record before the envelope is opened. Who says why and may not
    look is on record too: a reason is sent only by whoever wants to see it in clear.

    :raises AccessReasonMalformed: if the reason cannot be put on record.
    :raises LedgerUnavailable: if nothing can.
    """
    if personal is None:
        return {}
    reason = access_reason(request)
    if reason and authority.holds(request, READ_PERSONAL):
        read = Read(
            name=READ_PERSONAL,
            target=of,
            capability=READ_PERSONAL,
            fields=personal.fields,
            reason=reason,
        )
        return disclosing.disclosed(read, personal.open)
    if reason:
        why = CapabilityMissing(READ_PERSONAL)
        recording.record_denial(READ_PERSONAL, target_id=of.id, target_type=of.type, why=why)
    return {name: _MASKS[name](str(value)) for name, value in personal.open().items()}


class ContactIn(Body):
    name = serializers.CharField(max_length=200)
    email = serializers.EmailField(max_length=254, allow_blank=True, default="")
    phone = serializers.CharField(max_length=40, allow_blank=True, default="")


class ContactOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    email = serializers.CharField()
    phone = serializers.CharField()


class BookingItemIn(Body):
    slot_id = ReferenceField(Slot)
    quantity = QuantityField()


class BookingIn(Body):
    items = serializers.ListField(child=BookingItemIn(), min_length=1, max_length=ITEMS_MAX)
    pax = QuantityField()
    contact = ContactIn()
    external_ref = serializers.CharField(max_length=200, allow_blank=True, default="")
    notifications_suppressed = serializers.BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        items = attrs.pop("items")
        return {
            **attrs,
            "contact": dict(attrs["contact"]),
            "requested": [SeatRequest(**item) for item in items],
        }


class BookingPatchIn(Body):
    external_ref = serializers.CharField(max_length=200, allow_blank=True, required=False)
    notifications_suppressed = serializers.BooleanField(required=False)


class UntilIn(Body):
    hold_expires_at = Moment(
        required=False, allow_null=True, help_text="In half an hour, if it is left out."
    )


class OverrideIn(ReasonIn):
    to = serializers.ChoiceField(choices=choices(Status))
    hold_expires_at = Moment(allow_null=True, default=None)

    def validate_to(self, value: str) -> Status:
        return Status(value)


class SendDocumentsIn(Body):
    recipient = serializers.EmailField(
        max_length=254,
        allow_blank=True,
        default="",
        help_text="Absent: the contact of the booking.",
    )


class EntitlementOut(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=["evaluated", "unknown"])
    amount_cents = serializers.IntegerField(source="amountCents")
    currency = serializers.CharField()
    refund_bp = serializers.IntegerField(source="refundBp")
    refund_type = serializers.CharField(source="refundType")
    reason = serializers.CharField(help_text="Why it is unknown.")


class BookingItemOut(serializers.ModelSerializer[BookingItem]):
    product_id = serializers.UUIDField(read_only=True)
    slot_id = serializers.UUIDField(read_only=True)
    seats = serializers.SerializerMethodField(help_text="Whether the seats are held, taken…")

    class Meta:
        model = BookingItem
        fields = [
            "id",
            "product_id",
            "slot_id",
            "title",
            "quantity",
            "unit_amount_cents",
            "service_date",
            "status",
            "seats",
        ]
        read_only_fields = fields

    def get_seats(self, item: BookingItem) -> str | None:
        allocation = getattr(item, "allocation", None)
        return None if allocation is None else str(allocation.status)


class BookingOut(serializers.ModelSerializer[Booking]):
    entitlement = EntitlementOut(
        read_only=True, allow_null=True, help_text="What its terms give back, once cancelled."
    )

    class Meta:
        model = Booking
        fields = [
            "id",
            "number",
            "status",
            "revision",
            "currency",
            "sell_amount_cents",
            "pax",
            "service_date",
            "external_ref",
            "notifications_suppressed",
            "hold_expires_at",
            "entitlement",
            "refunded_cents",
            "created_by",
            "created_at",
            "awaiting_payment_at",
            "paid_at",
            "confirmed_at",
            "started_at",
            "completed_at",
            "expired_at",
            "cancelled_at",
            "documents_sent_at",
        ]
        read_only_fields = fields


class VoucherOut(serializers.ModelSerializer[Voucher]):
    item_id = serializers.UUIDField(read_only=True)

    class Meta:
        model = Voucher
        fields = ["code", "item_id", "issued_at", "voided_at", "voided_because"]
        read_only_fields = fields


class BookingDetailOut(BookingOut):
    items = BookingItemOut(many=True, read_only=True)
    vouchers = VoucherOut(
        many=True, read_only=True, help_text="One per item soon after it was confirmed."
    )
    contact = serializers.SerializerMethodField(
        help_text=f"Masked without the capability {READ_PERSONAL} and the header {HEADER}."
    )

    class Meta(BookingOut.Meta):
        fields = [*BookingOut.Meta.fields, "items", "vouchers", "contact"]
        read_only_fields = fields

    @extend_schema_field(ContactOut)
    def get_contact(self, booking: Booking) -> dict[str, Any]:
        contact = selectors.contact_of(booking.pk)
        of = Target(type="booking", id=str(booking.pk))
        return shown_to(self.context["request"], contact, of=of)


class PersonalIn(Body):
    first_name = serializers.CharField(max_length=200)
    last_name = serializers.CharField(max_length=200)
    email = serializers.EmailField(max_length=254, allow_blank=True, required=False)
    phone = serializers.CharField(max_length=40, allow_blank=True, required=False)
    date_of_birth = serializers.DateField(required=False)
    document_number = serializers.CharField(max_length=60, allow_blank=True, required=False)
    special_requests = serializers.CharField(max_length=2_000, allow_blank=True, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "date_of_birth" in attrs:
            attrs["date_of_birth"] = attrs["date_of_birth"].isoformat()
        return dict(attrs)


class PersonalPatchIn(PersonalIn):
    first_name = serializers.CharField(max_length=200, required=False)
    last_name = serializers.CharField(max_length=200, required=False)


class TravellerIn(Body):
    category = serializers.ChoiceField(choices=choices(TravellerCategory))
    is_primary = serializers.BooleanField(default=False)
    personal = PersonalIn()


class TravellerPatchIn(Body):
    category = serializers.ChoiceField(choices=choices(TravellerCategory), required=False)
    is_primary = serializers.BooleanField(required=False)
    personal = PersonalPatchIn(required=False)


class TravellerPersonalOut(serializers.Serializer[Any]):
    first_name = serializers.CharField(required=False)
    last_name = serializers.CharField(required=False)
    email = serializers.CharField(required=False)
    phone = serializers.CharField(required=False)
    date_of_birth = serializers.CharField(required=False)
    document_number = serializers.CharField(required=False)
    special_requests = serializers.CharField(required=False)


class TravellerOut(serializers.ModelSerializer[Traveller]):
    booking_id = serializers.UUIDField(read_only=True)
    personal = serializers.SerializerMethodField(
        help_text=f"Masked without the capability {READ_PERSONAL} and the header {HEADER}; "
        "empty once erased."
    )

    class Meta:
        model = Traveller
        fields = [
            "id",
            "booking_id",
            "category",
            "is_primary",
            "revision",
            "created_at",
            "personal",
        ]
        read_only_fields = fields

    @extend_schema_field(TravellerPersonalOut)
    def get_personal(self, traveller: Traveller) -> dict[str, Any]:
        personal = travellers.personal_of(traveller.pk)
        of = Target(type="traveller", id=str(traveller.pk))
        return shown_to(self.context["request"], personal, of=of)


class DocumentDeliveryOut(serializers.ModelSerializer[Delivery]):
    booking_id = serializers.UUIDField(read_only=True)
    recipient = serializers.CharField(
        source="recipient_masked", read_only=True, help_text="Masked for everybody."
    )
    document_keys = serializers.ListField(child=serializers.CharField(), read_only=True)
    job_id = serializers.UUIDField(source="work_id", read_only=True, allow_null=True)

    class Meta:
        model = Delivery
        fields = [
            "id",
            "booking_id",
            "channel",
            "provider",
            "recipient",
            "subject",
            "document_keys",
            "status",
            "job_id",
            "provider_message_id",
            "error",
            "created_at",
            "sent_at",
            "failed_at",
        ]
        read_only_fields = fields
