"""Cancellation policies: a policy has versions, a version has a ladder of rules."""

from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from commerce.domain.cancellation import RefundType
from commerce.domain.money import BASIS_POINTS
from commerce.models import constraints
from events.ids import new_id


class PolicyVersionStatus(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"


class CancellationPolicy(models.Model):
    TARGET_TYPE: ClassVar = "policy"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "cancellation policies"
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="commerce_policy_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class CancellationPolicyVersion(models.Model):
    """Published versions never change: bookings hold a copy of their terms and name the version."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    policy = models.ForeignKey(
        CancellationPolicy, on_delete=models.PROTECT, related_name="versions"
    )
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=16, choices=constraints.choices(PolicyVersionStatus))
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "number"], name="commerce_policy_numbers_its_versions"
            ),
            models.UniqueConstraint(
                fields=["policy"],
                condition=Q(status=PolicyVersionStatus.PUBLISHED.value),
                name="commerce_policy_has_one_published_version",
            ),
            constraints.one_of(
                "status", PolicyVersionStatus, name="commerce_policy_version_status_is_known"
            ),
            constraints.iso_currency("commerce_policy_version_currency_is_iso"),
            constraints.exactly_when(
                Q(status=PolicyVersionStatus.DRAFT.value),
                Q(published_at__isnull=True),
                name="commerce_policy_version_says_when_it_was_published",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy} v{self.number}"


class CancellationRule(models.Model):
    version = models.ForeignKey(
        CancellationPolicyVersion, on_delete=models.CASCADE, related_name="rules"
    )
    days_before = models.PositiveIntegerField()
    refund_bp = models.PositiveIntegerField(default=0)
    flat_amount_cents = models.BigIntegerField(null=True, blank=True)
    refund_type = models.CharField(max_length=16, choices=constraints.choices(RefundType))
    label = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "days_before"], name="commerce_rule_days_do_not_repeat"
            ),
            models.CheckConstraint(
                condition=Q(refund_bp__lte=BASIS_POINTS), name="commerce_rule_gives_at_most_all"
            ),
            models.CheckConstraint(
                condition=Q(flat_amount_cents__isnull=True) | Q(flat_amount_cents__gte=0),
                name="commerce_rule_flat_amount_is_not_negative",
            ),
            constraints.one_of("refund_type", RefundType, name="commerce_rule_type_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.version}: from {self.days_before} days"
