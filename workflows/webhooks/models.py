"""The tables of webhooks: subscriptions, secrets, messages, deliveries, attempts, endpoints."""

from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q, Subquery
from django.db.models.functions import Now

from events.ids import new_id
from events.tables import append_only
from workflows.egress import urls
from workflows.egress.urls import URL_CHARACTERS_MAX
from workflows.webhooks.domain.verdict import ErrorClass

EVENT_NAMES_MAX = 100


class SubscriptionStatus(models.TextChoices):
    """Whether messages are sent to a subscription, and why not."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By an operator."""
    GONE = "gone"
    """The receiver answered 410."""
    FAILING = "failing"
    """Nothing was accepted for as long as we try a message."""
    DELETED = "deleted"


class _Origin(models.Func):
    """Of an address what everybody may see."""

    template = "substring(%(expressions)s from '^https?://[^/?]*')"
    output_field = models.CharField()


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def kept(self) -> "SubscriptionQuerySet":
        """Those that were not deleted."""
        return self.exclude(standing=SubscriptionStatus.DELETED)

    def with_origin(self, part: str) -> "SubscriptionQuerySet":
        """Keep those whose origin has this in it, whatever their path and query hide."""
        return self.alias(origin=_Origin("url")).filter(origin__icontains=part)

    def listening_to(self, event_name: str) -> "SubscriptionQuerySet":
        return self.filter(standing=SubscriptionStatus.ACTIVE, events__contains=[event_name])


class Subscription(models.Model):
    """A URL to which some events are sent."""

    TARGET_TYPE: ClassVar = "webhook"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    url = models.CharField(max_length=URL_CHARACTERS_MAX)
    events = ArrayField(models.CharField(max_length=120))
    description = models.CharField(max_length=500, default="", blank=True)
    standing = models.CharField(
        max_length=10, choices=SubscriptionStatus.choices, default=SubscriptionStatus.ACTIVE
    )
    failing_since = models.DateTimeField(null=True, blank=True)
    """Since when nothing was accepted; empty while messages go through."""
    version = models.PositiveIntegerField(db_default=1, default=1)
    """One more with each change of the row, whoever makes it: its ETag."""
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[SubscriptionQuerySet] = SubscriptionQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(standing__in=SubscriptionStatus.values),
                name="webhooks_standing_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(events=[]), name="webhooks_subscription_names_an_event"
            ),
        ]
        indexes = [
            GinIndex(
                fields=["events"],
                condition=Q(standing="active"),
                name="webhooks_who_listens",
            )
        ]

    def __str__(self) -> str:
        # It stands in lists, logs and messages, before people who may only look.
        return f"{urls.shown(self.url)} ({self.standing})"

    @property
    def is_active(self) -> bool:
        """Whether messages are sent to it."""
        return self.standing == SubscriptionStatus.ACTIVE


class Secret(models.Model):
    """What a subscription's messages are signed with. Sealed: see `vault`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="secrets")
    sealed = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    retires_at = models.DateTimeField(null=True, blank=True)
    """Empty for the current one; its predecessor signs along until then."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subscription"],
                condition=Q(retires_at=None),
                name="webhooks_subscription_has_one_current_secret",
            ),
            models.UniqueConstraint(
                fields=["subscription"],
                condition=~Q(retires_at=None),
                name="webhooks_subscription_has_one_retiring_secret",
            ),
        ]

    def __str__(self) -> str:
        return f"secret {self.id} of subscription {self.subscription_id}"


class Purpose(models.TextChoices):
    EVENT = "event"
    REPLAY = "replay"
    TEST = "test"


class DeliveryStatus(models.TextChoices):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up: refused, or not accepted for three days."""
    ABANDONED = "abandoned"
    """The subscription no longer wanted it when its turn came."""


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def of_event(self, event_id: str) -> "DeliveryQuerySet":
        """Keep what was sent of one event: the first time, and again. Each has its index."""
        again = Q(purpose__in=["replay", "test"], event_id=event_id)
        return self.filter(Q(purpose="event", event_id=event_id) | again)

    def older_than(self, delivery_id: UUID) -> "DeliveryQuerySet":
        """Keep what comes after a delivery, the newest first: none if there is no such one."""
        at = Delivery.objects.filter(pk=delivery_id).values("created_at")[:1]
        as_old = Q(created_at=Subquery(at), id__lt=delivery_id)
        return self.filter(Q(created_at__lt=Subquery(at)) | as_old, created_at__lte=Subquery(at))


class Delivery(models.Model):
    """One message to one subscription. Its attempts are rows of their own."""

    TARGET_TYPE: ClassVar = "webhook_delivery"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    replay_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="replays"
    )
    event_id = models.CharField(max_length=255)
    event_name = models.CharField(max_length=120)
    event_version = models.PositiveIntegerField()
    message_id = models.CharField(max_length=300)
    """The `webhook-id`: every attempt and every replay of a message has the same."""
    # Text, not jsonb: the bytes that were signed once are sent again.
    body = models.TextField()
    """Empty once it was let go: see `outbox.BODY_KEPT_FOR`."""
    body_hash = models.CharField(max_length=64)
    status = models.CharField(
        max_length=10, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING
    )
    attempts_made = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    error_class = models.CharField(max_length=20, default="", blank=True)
    error = models.CharField(max_length=500, default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["event_id", "subscription"],
                condition=Q(purpose="event"),
                name="webhooks_event_is_sent_once_per_subscription",
            ),
            models.CheckConstraint(
                condition=Q(status__in=DeliveryStatus.values), name="webhooks_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(purpose__in=Purpose.values), name="webhooks_purpose_is_known"
            ),
            models.CheckConstraint(
                condition=Q(status="pending", finished_at=None)
                | (~Q(status="pending") & ~Q(finished_at=None)),
                name="webhooks_delivery_is_finished_exactly_when_it_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(purpose="replay", replay_of__isnull=False)
                | (~Q(purpose="replay") & Q(replay_of=None)),
                name="webhooks_replay_names_what_it_repeats",
            ),
            models.CheckConstraint(
                condition=~Q(replay_of=F("id")), name="webhooks_delivery_does_not_repeat_itself"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="webhooks_latest"),
            models.Index(
                fields=["subscription", "-created_at", "-id"], name="webhooks_of_subscription"
            ),
            models.Index(fields=["id"], condition=Q(status="pending"), name="webhooks_pending"),
            # What went well is in neither of these, and costs nothing.
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(status__in=["failed", "abandoned"]),
                name="webhooks_given_up",
            ),
            models.Index(
                fields=["finished_at"], condition=~Q(body=""), name="webhooks_bodies_by_end"
            ),
            models.Index(
                fields=["event_id"],
                condition=Q(purpose__in=["replay", "test"]),
                name="webhooks_sent_again",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_name} to {self.subscription_id} ({self.status})"


@append_only.model
class Attempt(models.Model):
    """One HTTP call for a delivery, as it was made and answered. Append-only."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(
        Delivery, on_delete=models.PROTECT, related_name="attempts", db_index=False
    )
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    url = models.CharField(max_length=URL_CHARACTERS_MAX)
    request_headers = models.JSONField()
    body_hash = models.CharField(max_length=64)
    request_excerpt = models.TextField()
    response_status = models.PositiveSmallIntegerField(null=True)
    response_headers = models.JSONField(default=dict)
    response_excerpt = models.TextField(default="", blank=True)
    error_class = models.CharField(max_length=20, default="", blank=True)
    error = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "number"], name="webhooks_attempts_are_numbered"
            ),
            models.CheckConstraint(
                condition=Q(error_class="")
                | Q(error_class__in=[each.value for each in ErrorClass]),
                name="webhooks_error_class_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of delivery {self.delivery_id}"


class Endpoint(models.Model):
    """The health of one origin, over all subscriptions that lead there: its breaker."""

    origin = models.CharField(max_length=300, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    """In a row. The row is deleted by the first answer that is none."""
    open_until = models.DateTimeField(null=True, blank=True)
    """Until then no calls are made; the first one after it is a probe."""

    class Meta:
        verbose_name = "endpoint"

    def __str__(self) -> str:
        return self.origin
