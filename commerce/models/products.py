"""Products, and departures with their seats."""

from enum import StrEnum

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from commerce.models import constraints
from commerce.models.policies import CancellationPolicy
from events.ids import new_id


class ProductStatus(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"


class Product(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=16, choices=constraints.choices(ProductStatus))
    currency = models.CharField(max_length=3)
    sell_amount_cents = models.BigIntegerField()
    cost_amount_cents = models.BigIntegerField(null=True, blank=True)
    supplier = models.CharField(max_length=200, blank=True)
    duration_minutes = models.PositiveIntegerField(null=True, blank=True)
    tags = models.JSONField(default=list, blank=True)
    cancellation_policy = models.ForeignKey(
        CancellationPolicy,
        on_delete=models.PROTECT,
        related_name="products",
        null=True,
        blank=True,
    )
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        # The rules of a row are in its trigger, by name in migration 0050.
        indexes = [
            models.Index(fields=["created_at", "id"], name="commerce_products_by_age"),
        ]

    def __str__(self) -> str:
        return self.name


class Slot(models.Model):
    """A departure. `capacity` and `remaining` are empty when it takes any number."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="slots")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    unlimited = models.BooleanField(default=False)
    capacity = models.PositiveIntegerField(null=True, blank=True)
    remaining = models.IntegerField(null=True, blank=True, editable=False)
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product", "starts_at"], name="commerce_slot_starts_once_per_product"
            ),
            models.CheckConstraint(
                condition=Q(remaining__isnull=True) | Q(remaining__gte=0),
                name="commerce_slot_never_sells_more_than_it_has",
            ),
            models.CheckConstraint(
                condition=Q(remaining__isnull=True) | Q(remaining__lte=F("capacity")),
                name="commerce_slot_never_has_more_than_its_capacity",
            ),
            constraints.exactly_when(
                Q(unlimited=True),
                Q(capacity__isnull=True),
                name="commerce_slot_has_a_capacity_unless_unlimited",
            ),
            constraints.exactly_when(
                Q(capacity__isnull=True),
                Q(remaining__isnull=True),
                name="commerce_slot_counts_what_remains_of_a_capacity",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="commerce_slot_ends_after_it_starts",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="commerce_slots_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.product} on {self.starts_at:%Y-%m-%d %H:%M}"
