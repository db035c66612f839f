"""Chargebacks: money that a payment provider took back on behalf of the customer's bank."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from commerce.domain.chargebacks import RESOLVED, ChargebackStatus
from commerce.models import constraints
from commerce.models.payments import Payment
from events.ids import new_id
from events.tables import append_only


@append_only.model
class Chargeback(models.Model):
    """What one claim, under the provider's own name for it, takes off one payment. Never changed.

    What it took is also counted in `Payment.charged_back_cents`; a trigger keeps the two equal,
    and refunds and chargebacks together within the payment (`commerce_money_back_is_covered`).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="chargebacks")
    provider = models.CharField(max_length=40)
    provider_ref = models.CharField(max_length=200)
    claimed_cents = models.BigIntegerField()
    charged_back_cents = models.BigIntegerField()
    disputed_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=200)
    occurred_at = models.DateTimeField()
    noted_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "provider_ref", "payment"],
                name="commerce_chargeback_is_noted_once",
            ),
            constraints.iso_currency("commerce_chargeback_currency_is_iso"),
            models.CheckConstraint(
                condition=Q(claimed_cents__gt=0), name="commerce_chargeback_claims_something"
            ),
            models.CheckConstraint(
                condition=Q(charged_back_cents__gte=0, disputed_cents__gte=0),
                name="commerce_chargeback_amounts_are_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(claimed_cents=F("charged_back_cents") + F("disputed_cents")),
                name="commerce_chargeback_is_taken_or_disputed",
            ),
            models.CheckConstraint(
                condition=~Q(reason=""), name="commerce_chargeback_has_a_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["noted_at", "id"], name="commerce_chargebacks_by_age"),
            models.Index(
                fields=["provider_ref"],
                opclasses=["varchar_pattern_ops"],
                name="commerce_chargebacks_by_ref",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.provider_ref}"

    @property
    def status(self) -> ChargebackStatus:
        """How it stands with it; its end counts more than its review."""
        if hasattr(self, "resolution"):
            return ChargebackStatus(self.resolution.status)
        return ChargebackStatus.UNDER_REVIEW if hasattr(self, "review") else ChargebackStatus.OPEN


@append_only.model
class ChargebackReview(models.Model):
    """That somebody has stood up to a chargeback, and it is looked at again."""

    chargeback = models.OneToOneField(
        Chargeback, on_delete=models.PROTECT, primary_key=True, related_name="review"
    )
    reason = models.CharField(max_length=200)
    occurred_at = models.DateTimeField()
    noted_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="commerce_review_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.chargeback}: {ChargebackStatus.UNDER_REVIEW}"


@append_only.model
class ChargebackResolution(models.Model):
    """How a chargeback ended. What came back of it is a payment of its own (ADR 0041).

    A trigger has all that was charged back come back when it was won or withdrawn, as that payment
    or beyond what the invoice asks for (`commerce_resolution_returns_what_was_taken`).
    """

    chargeback = models.OneToOneField(
        Chargeback, on_delete=models.PROTECT, primary_key=True, related_name="resolution"
    )
    status = models.CharField(
        max_length=9, choices=[(status.value, status.value) for status in RESOLVED]
    )
    returned_cents = models.BigIntegerField()
    surplus_cents = models.BigIntegerField()
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, related_name="returned_by", null=True, blank=True
    )
    reason = models.CharField(max_length=200)
    occurred_at = models.DateTimeField()
    noted_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in RESOLVED]),
                name="commerce_resolution_is_final",
            ),
            models.CheckConstraint(
                condition=Q(returned_cents__gte=0, surplus_cents__gte=0),
                name="commerce_resolution_amounts_are_not_negative",
            ),
            models.CheckConstraint(
                condition=~Q(status=ChargebackStatus.LOST.value)
                | Q(returned_cents=0, surplus_cents=0),
                name="commerce_resolution_that_is_lost_returns_nothing",
            ),
            constraints.exactly_when(
                Q(returned_cents__gt=0),
                Q(payment__isnull=False),
                name="commerce_resolution_books_what_it_returns",
            ),
            models.CheckConstraint(
                condition=~Q(reason=""), name="commerce_resolution_has_a_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.chargeback}: {self.status}"
