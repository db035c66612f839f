"""Bookings, what was booked, the seats it takes, and who travels."""

from enum import StrEnum

from django.db import models
from django.db.models import Q
from django.utils import timezone

from commerce.domain.booking.state import HOLDING, SeatStatus, Status
from commerce.models import constraints
from commerce.models.numbers import BACKWARDS
from commerce.models.products import Product, Slot
from events.ids import new_id

_HOLDING = Q(status__in=sorted(status.value for status in HOLDING))


class ItemStatus(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"


class TravellerCategory(StrEnum):
    ADULT = "adult"
    CHILD = "child"
    INFANT = "infant"
    SENIOR = "senior"
    OTHER = "other"


class Booking(models.Model):
    """The list row of the booking aggregate: written by its projection and by nothing else."""

    id = models.UUIDField(primary_key=True, editable=False)
    number = models.CharField(max_length=40, unique=True)
    status = models.CharField(max_length=20, choices=constraints.choices(Status))
    revision = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    sell_amount_cents = models.BigIntegerField()
    pax = models.PositiveIntegerField()
    service_date = models.DateField()
    external_ref = models.CharField(max_length=200, blank=True)
    notifications_suppressed = models.BooleanField(default=False)
    hold_expires_at = models.DateTimeField(null=True, blank=True)
    entitlement = models.JSONField(null=True, blank=True)
    refunded_cents = models.BigIntegerField(default=0)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    awaiting_payment_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    documents_sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            constraints.one_of("status", Status, name="commerce_booking_status_is_known"),
            constraints.iso_currency("commerce_booking_currency_is_iso"),
            models.CheckConstraint(
                condition=Q(revision__gte=1), name="commerce_booking_revision_counts_from_one"
            ),
            models.CheckConstraint(
                condition=Q(sell_amount_cents__gte=0),
                name="commerce_booking_price_is_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(pax__gte=1), name="commerce_booking_has_a_traveller"
            ),
            models.CheckConstraint(
                condition=Q(refunded_cents__gte=0), name="commerce_booking_refund_is_not_negative"
            ),
            constraints.exactly_when(
                _HOLDING,
                Q(hold_expires_at__isnull=False),
                name="commerce_booking_hold_has_an_end",
            ),
            *(
                models.CheckConstraint(
                    condition=~Q(status=status.value) | Q(**{f"{stamp}__isnull": False}),
                    name=f"commerce_booking_{status.value}_is_stamped",
                )
                for status, stamp in (
                    (Status.AWAITING_PAYMENT, "awaiting_payment_at"),
                    (Status.CONFIRMED, "confirmed_at"),
                    (Status.IN_PROGRESS, "started_at"),
                    (Status.COMPLETED, "completed_at"),
                    (Status.EXPIRED, "expired_at"),
                    (Status.CANCELLED, "cancelled_at"),
                )
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="commerce_bookings_by_age"),
            models.Index(fields=["status", "id"], name="commerce_bookings_by_status"),
            models.Index(BACKWARDS, name="commerce_bookings_by_ending"),
            models.Index(
                fields=["hold_expires_at"], condition=_HOLDING, name="commerce_holds_by_end"
            ),
            models.Index(
                fields=["external_ref"],
                opclasses=["varchar_pattern_ops"],
                name="commerce_bookings_by_reference",
            ),
        ]

    def __str__(self) -> str:
        return self.number


class BookingItem(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    booking = models.ForeignKey(Booking, on_delete=models.PROTECT, related_name="items")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="+")
    title = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_amount_cents = models.BigIntegerField()
    service_date = models.DateField()
    status = models.CharField(max_length=16, choices=constraints.choices(ItemStatus))
    terms = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = [
            constraints.one_of("status", ItemStatus, name="commerce_item_status_is_known"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1), name="commerce_item_quantity_is_positive"
            ),
            models.CheckConstraint(
                condition=Q(unit_amount_cents__gte=0), name="commerce_item_price_is_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.title}"


class Allocation(models.Model):
    """Seats of a slot that an item takes, or has taken."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    item = models.OneToOneField(BookingItem, on_delete=models.PROTECT, related_name="allocation")
    booking = models.ForeignKey(Booking, on_delete=models.PROTECT, related_name="allocations")
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="allocations")
    quantity = models.PositiveIntegerField()
    status = models.CharField(max_length=16, choices=constraints.choices(SeatStatus))
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            constraints.one_of("status", SeatStatus, name="commerce_allocation_status_is_known"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1), name="commerce_allocation_takes_a_seat"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.status} for {self.booking}"


class Traveller(models.Model):
    """Who travels, as far as everybody may know. The rest is in TravellerPersonal."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    booking = models.ForeignKey(Booking, on_delete=models.PROTECT, related_name="travellers")
    category = models.CharField(max_length=16, choices=constraints.choices(TravellerCategory))
    is_primary = models.BooleanField(default=False)
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            constraints.one_of(
                "category", TravellerCategory, name="commerce_traveller_category_is_known"
            ),
            models.UniqueConstraint(
                fields=["booking"],
                condition=Q(is_primary=True),
                name="commerce_booking_has_one_primary_traveller",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.id}"


class TravellerPersonal(models.Model):
    """Names, addresses and papers of a traveller, sealed. Deleting the row forgets the person."""

    traveller = models.OneToOneField(
        Traveller, on_delete=models.CASCADE, primary_key=True, related_name="personal"
    )
    sealed = models.BinaryField()
    # By which the same address is found again elsewhere; see ledger.privacy.subjects.
    email_index = models.CharField(max_length=64, blank=True, db_default="", db_index=True)

    class Meta:
        verbose_name = "personal data of a traveller"
        verbose_name_plural = "personal data of travellers"

    def __str__(self) -> str:
        return f"personal data of {self.pk}"


class BookingContact(models.Model):
    """The contact details of a booking, sealed. Deleting the row erases them."""

    booking = models.OneToOneField(
        Booking, on_delete=models.CASCADE, primary_key=True, related_name="contact"
    )
    sealed = models.BinaryField()
    email_index = models.CharField(max_length=64, blank=True, db_default="", db_index=True)

    def __str__(self) -> str:
        return f"contact of {self.pk}"
