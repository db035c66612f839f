"""Outbound messages: notifications to customers, and copies of products in content systems."""

from enum import StrEnum

from django.db import models
from django.db.models import Q
from django.utils import timezone

from commerce.models import constraints
from commerce.models.bookings import Booking
from events.ids import new_id


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Delivery(models.Model):
    """A notification. While pending, the work row `work_id` is what will send it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    booking = models.ForeignKey(Booking, on_delete=models.PROTECT, related_name="deliveries")
    channel = models.CharField(max_length=16, default="email")
    provider = models.CharField(max_length=40)
    # Empty once the person is forgotten, all three.
    recipient_sealed = models.BinaryField()
    recipient_masked = models.CharField(max_length=200, blank=True)
    recipient_index = models.CharField(max_length=64, blank=True, db_default="", db_index=True)
    subject = models.CharField(max_length=200)
    document_keys = models.JSONField(default=list)
    status = models.CharField(max_length=16, choices=constraints.choices(DeliveryStatus))
    work_id = models.UUIDField(null=True, blank=True)
    provider_message_id = models.CharField(max_length=200, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            constraints.one_of("status", DeliveryStatus, name="commerce_delivery_status_is_known"),
            constraints.exactly_when(
                Q(status=DeliveryStatus.SENT.value),
                Q(sent_at__isnull=False),
                name="commerce_delivery_sent_is_stamped",
            ),
            constraints.exactly_when(
                Q(status=DeliveryStatus.FAILED.value),
                Q(failed_at__isnull=False),
                name="commerce_delivery_failed_is_stamped",
            ),
            models.CheckConstraint(
                condition=~Q(status=DeliveryStatus.PENDING.value) | Q(work_id__isnull=False),
                name="commerce_delivery_pending_has_work",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="commerce_deliveries_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.id}"


class ExternalContent(models.Model):
    """The copy of a product in a content system. No foreign key: it outlives the product until
    the copy is gone too."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product_id = models.UUIDField()
    system = models.CharField(max_length=40)
    external_id = models.CharField(max_length=200, blank=True)
    checksum = models.CharField(max_length=64, blank=True)
    synced_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "external content"
        constraints = [
            models.UniqueConstraint(
                fields=["product_id", "system"], name="commerce_product_has_one_copy_per_system"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.system} copy of {self.product_id}"
