"""Queries of subscriptions and deliveries."""

from collections.abc import Collection
from datetime import datetime
from difflib import get_close_matches
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import Now

from events import catalogue
from events.domain.catalogue import EventType
from events.domain.errors import NotFound
from workflows.webhooks import vault
from workflows.webhooks.domain import projection
from workflows.webhooks.models import (
    Delivery,
    DeliveryQuerySet,
    DeliveryStatus,
    Purpose,
    Secret,
    Subscription,
    SubscriptionQuerySet,
    SubscriptionStatus,
)


class SubscriptionNotFound(NotFound):
    code = "webhook_subscription_not_found"

    def __init__(self, subscription_id: UUID) -> None:
        super().__init__(f"There is no subscription {subscription_id}.", id=str(subscription_id))


class DeliveryNotFound(NotFound):
    code = "webhook_delivery_not_found"

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(f"There is no delivery {delivery_id}.", id=str(delivery_id))


def subscriptions() -> SubscriptionQuerySet:
    """Return those that were not deleted."""
    return Subscription.objects.kept()


def subscription(subscription_id: UUID) -> Subscription:
    """Return one that was not deleted.

    :raises SubscriptionNotFound: if there is none.
    """
    found = subscriptions().filter(pk=subscription_id).first()
    if found is None:
        raise SubscriptionNotFound(subscription_id)
    return found


def locked_subscription(subscription_id: UUID) -> Subscription:
    """Return one that was not deleted, which nobody else changes until the transaction ends.

    :raises SubscriptionNotFound: if there is none.
    """
    # Events are emitted meanwhile: a delivery takes a key share of the row, which this allows.
    rows = subscriptions().select_for_update(no_key=True)
    found = rows.filter(pk=subscription_id).first()
    if found is None:
        raise SubscriptionNotFound(subscription_id)
    return found


def live_secrets(subscription_id: UUID) -> list[str]:
    """Return what messages are signed with now, the current secret first.

    :raises SecretUnreadable: if SECRET_KEY is another one than they were sealed with.
    """
    live = Q(retires_at=None) | Q(retires_at__gt=Now())
    rows = Secret.objects.filter(live, subscription=subscription_id).order_by("-created_at", "-id")
    return [vault.unseal(sealed) for sealed in rows.values_list("sealed", flat=True)]


def deliveries() -> DeliveryQuerySet:
    """Return all of them, without their bodies."""
    return Delivery.objects.defer("body")


def delivery(delivery_id: UUID) -> Delivery:
    """Return one of them.

    :raises DeliveryNotFound: if there is none.
    """
    found = deliveries().filter(pk=delivery_id).first()
    if found is None:
        raise DeliveryNotFound(delivery_id)
    return found


def given_up(
    subscription_id: UUID, *, since: datetime, until: datetime, names: Collection[str]
) -> DeliveryQuerySet:
    """Return the messages of a subscription that were given up, and not sent again since.

    Of the events called `names` that happened from `since` to before `until`, the oldest first.
    """
    is_well = Q(status__in=[DeliveryStatus.PENDING, DeliveryStatus.DELIVERED])
    # By the event, which has an index: a replay may repeat a replay.
    again = Delivery.objects.filter(
        is_well,
        purpose__in=[Purpose.REPLAY, Purpose.TEST],
        event_id=OuterRef("event_id"),
        subscription=subscription_id,
    )
    return (
        deliveries()
        .filter(
            ~Exists(again),
            subscription=subscription_id,
            purpose=Purpose.EVENT,
            status__in=[DeliveryStatus.FAILED, DeliveryStatus.ABANDONED],
            created_at__gte=since,
            created_at__lt=until,
            event_name__in=names,
        )
        .order_by("created_at", "id")
    )


def count_by_standing() -> dict[str, int]:
    """Return how many subscriptions that were not deleted are in each standing."""
    rows = subscriptions().order_by().values_list("standing").annotate(Count("pk"))
    found = dict(rows)
    kept = [each for each in SubscriptionStatus if each != SubscriptionStatus.DELETED]
    return {each.value: found.get(each.value, 0) for each in kept}


def count_pending() -> int:
    """Return how many messages are still to be delivered."""
    # Index webhooks_pending.
    return Delivery.objects.filter(status=DeliveryStatus.PENDING).count()


def external_types() -> list[EventType]:
    """Return the events that may be subscribed to."""
    return [each for each in catalogue.all_types() if projection.is_external(each)]


def external_type(name: str, *, pointer: str) -> EventType:
    """Return one of them; `pointer` is where the request names it.

    :raises NotForExport: if there is none, or it is not for others.
    """
    known = {each.name: each for each in external_types()}
    if name not in known:
        near = get_close_matches(name, known, n=catalogue.NEAR_MAX)
        raise projection.NotForExport(name, near=near, pointer=pointer)
    return known[name]
