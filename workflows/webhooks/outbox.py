"""The outbox: writes the deliveries of an event in its own transaction.

The event and its deliveries are committed together or not at all; nothing is sent from here.
The subscriptions are read from the database each time an external event is emitted, in the round
trip of its append: a copy in memory would be stale in every other process.
"""

import hashlib
import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import LiteralString
from uuid import UUID

from django.utils import timezone

from events import catalogue, wire
from events.domain.catalogue import EventNotDeclared, EventType
from events.domain.envelope import Envelope
from events.ids import new_id
from workflows.webhooks.domain import projection
from workflows.webhooks.domain.signature import message_id
from workflows.webhooks.models import (
    Delivery,
    DeliveryStatus,
    Purpose,
    Subscription,
    SubscriptionStatus,
)
from workflows.work import queue

KIND = "webhook.deliver"
BODY_KEPT_FOR = timedelta(days=90)
"""How long what was sent is kept after the last attempt (Voyant, appendix F)."""
BODIES_PER_STATEMENT = 1_000

logger = logging.getLogger(__name__)


def may_be_sent(name: str) -> bool:
    """Whether an event called `name` may be sent out."""
    try:
        return catalogue.get(name).external
    except EventNotDeclared:
        return False


def listeners_to(name: str) -> wire.Statement:
    """Return the query for the ids of those who listen to events called `name`."""
    return _listening(), {"name": name, "standing": SubscriptionStatus.ACTIVE.value}


def record_deliveries(envelope: Envelope, listeners: Sequence[UUID]) -> None:
    """Put one delivery and its work on the list for each of `listeners` to this event."""
    event = _external(envelope.name)
    if event is not None and listeners:
        body = projection.message(envelope, event)
        insert_deliveries([draft_delivery(envelope, body, id_, Purpose.EVENT) for id_ in listeners])


@cache
def _listening() -> LiteralString:
    """Return the query that finds who listens to an event of a name, in a standing.

    Every external event asks it: the ORM takes longer to write it down than PostgreSQL to answer.
    """
    query = Subscription.objects.listening_to("").values_list("pk").query
    sql, params = query.sql_with_params()
    assert params == ("", SubscriptionStatus.ACTIVE), "a name and a standing are its parameters"
    return sql.replace("%s", "%(name)s", 1).replace("%s", "%(standing)s", 1)


def draft_delivery(
    envelope: Envelope,
    body: bytes,
    subscription_id: UUID,
    purpose: Purpose,
    *,
    replay_of: UUID | None = None,
) -> Delivery:
    """Return the delivery of `body` to a subscription, not yet written."""
    return Delivery(
        id=new_id(),
        subscription_id=subscription_id,
        purpose=purpose,
        replay_of_id=replay_of,
        event_id=envelope.event_id,
        event_name=envelope.name,
        event_version=envelope.version,
        message_id=message_id(envelope.event_id, subscription_id),
        body=body.decode(),
        body_hash=hashlib.sha256(body).hexdigest(),
    )


def insert_deliveries(deliveries: Sequence[Delivery]) -> None:
    """Insert `deliveries` and the work of making them, in the caller's transaction.

    A delivery and its work have the same id.
    """
    Delivery.objects.bulk_create(deliveries)
    queue.enqueue_many(
        KIND,
        [
            queue.Item(
                id=delivery.pk,
                input={"delivery_id": str(delivery.pk)},
                subject=f"webhook/{delivery.subscription_id}",
            )
            for delivery in deliveries
        ],
    )


def abandon_delivery(delivery_id: UUID) -> None:
    """Give a delivery up, in the transaction in which its work ends."""
    Delivery.objects.filter(pk=delivery_id, status=DeliveryStatus.PENDING).update(
        status=DeliveryStatus.ABANDONED, finished_at=timezone.now(), next_attempt_at=None
    )


def expire_bodies() -> int:
    """Let go of what was sent long ago, and return of how many messages.

    The delivery stays with its attempts and the hash of its body; a replay reads the event.
    """
    ended = timezone.now() - BODY_KEPT_FOR
    due = Delivery.objects.filter(finished_at__lt=ended).exclude(body="").order_by("finished_at")
    gone = 0
    while emptied := Delivery.objects.filter(pk__in=due.values("pk")[:BODIES_PER_STATEMENT]).update(
        body=""
    ):
        gone += emptied
    return gone


def _external(name: str) -> EventType | None:
    try:
        event = catalogue.get(name)
    except EventNotDeclared:
        return None
    if event.external and not projection.is_external(event):
        logger.error("An external event has no contract; it is not sent.", extra={"event": name})
        return None
    return event if event.external else None
