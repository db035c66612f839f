"""Vouchers: one valid voucher per item of a confirmed booking, to show on departure."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from commerce.models.bookings import Booking, BookingItem
from events.ids import new_id


class Voucher(models.Model):
    """Valid until it is voided. Issued and voided on record only."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    booking = models.ForeignKey(Booking, on_delete=models.PROTECT, related_name="vouchers")
    item = models.ForeignKey(BookingItem, on_delete=models.PROTECT, related_name="+")
    code = models.CharField(max_length=20, unique=True)
    issued_at = models.DateTimeField(default=timezone.now, editable=False)
    voided_at = models.DateTimeField(null=True, blank=True)
    voided_because = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item"],
                condition=Q(voided_at__isnull=True),
                name="commerce_one_valid_voucher_per_item",
            ),
        ]

    def __str__(self) -> str:
        return self.code
