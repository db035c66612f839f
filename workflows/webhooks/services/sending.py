"""Sends examples, and what was sent or given up before, again. One durable transaction each."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from events import catalogue as event_catalogue
from events import context
from events import selectors as log
from events.domain.envelope import Category, Envelope, Source
from events.domain.errors import Conflict, Rejected
from events.ids import new_event_id
from ledger import recording
from ledger.domain.action import Kind
from workflows.webhooks import outbox, selectors
from workflows.webhooks.actions import action_on
from workflows.webhooks.domain import projection
from workflows.webhooks.domain.sample import sample
from workflows.webhooks.models import (
    Delivery,
    Purpose,
    Subscription,
)

TEST_EVENT_PREFIX = "test_"
REPLAYED_AT_ONCE_MAX = 500


class SubscriptionInactive(Conflict):
    code = "webhook_subscription_inactive"
    hint = "Enable it first."

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(
            f"Subscription {subscription.pk} is {subscription.standing}.",
            id=str(subscription.pk),
            standing=subscription.standing,
        )


class EventNoLongerSelected(Conflict):
    code = "webhook_event_no_longer_selected"
    hint = "Add the event to the subscription first."

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(
            f"The subscription no longer selects {delivery.event_name}.",
            event=delivery.event_name,
        )


class NothingToReplay(Conflict):
    code = "webhook_nothing_to_replay"
    hint = "Test messages are not repeated; send another test."

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(
            f"Delivery {delivery.pk} is of no event in the log.", event_id=delivery.event_id
        )


class RangeEmpty(Rejected):
    code = "webhook_range_empty"
    hint = "Give an `until` that is after `since`."

    def __init__(self) -> None:
        super().__init__("The range ends before it begins.", pointer="/until")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedRange:
    """How many messages are sent again; `more` says that as many again or fewer are left."""

    replayed: int
    more: bool


def send_test(*, subscription_id: UUID, event: str | None = None) -> Delivery:
    """Send an example of `event`, or of the first one that is subscribed to. Once.

    :raises SubscriptionNotFound: if there is no such subscription.
    :raises SubscriptionInactive: if it is switched off.
    :raises NotForExport: if there is no example of that event.
    """
    action = action_on("webhook.send_test", Kind.EXECUTE, subscription_id, {"event": event})
    with recording.recorded(action) as proof:
        subscription = _active(selectors.subscription(subscription_id))
        type_ = selectors.external_type(event or subscription.events[0], pointer="/event")
        happened = context.current()
        example = Envelope(
            name=type_.name,
            data=sample(type_.schema),
            category=Category.DOMAIN,
            source=Source.SERVICE,
            event_id=TEST_EVENT_PREFIX + new_event_id(),
            principal=happened.principal,
            correlation_id=happened.correlation_id,
            emitted_at=timezone.now(),
            version=type_.version,
        )
        body = projection.message(example, type_)
        delivery = outbox.draft_delivery(example, body, subscription.pk, Purpose.TEST)
        outbox.insert_deliveries([delivery])
        proof.says(f"Delivery {delivery.pk} of {type_.name}.")
    delivery.refresh_from_db()
    return delivery


def replay_delivery(*, delivery_id: UUID) -> Delivery:
    """Send a past message again, as the contract of its event reads today.

    It carries the id of the first one, so a receiver that had it can tell.

    :raises DeliveryNotFound: if there is no such delivery.
    :raises SubscriptionInactive: if the subscription is switched off.
    :raises EventNoLongerSelected: if the subscription has dropped the event.
    :raises NothingToReplay: if the event is not in the log.
    :raises NotForExport: if the event may no longer be sent out.
    """
    action = action_on(
        "webhook.replay", Kind.EXECUTE, delivery_id, of="webhook_delivery", may="replay"
    )
    with recording.recorded(action) as proof:
        original = selectors.delivery(delivery_id)
        subscription = _active(selectors.subscription(original.subscription_id))
        if original.event_name not in subscription.events:
            raise EventNoLongerSelected(original)
        delivery = _again(original)
        outbox.insert_deliveries([delivery])
        proof.refers_to(delivery.pk)
        proof.says(f"Again what delivery {delivery_id} said.")
    delivery.refresh_from_db()
    return delivery


def replay_given_up(*, subscription_id: UUID, since: datetime, until: datetime) -> ReplayedRange:
    """Send again what was given up, of what happened from `since` to before `until`.

    At most 500 messages, the oldest first: ask again while there are `more`. What is on its
    way again, or has arrived since, is left out, so asking twice sends nothing twice. So is
    what the subscription has dropped, and what may no longer be sent out.

    :raises RangeEmpty: if there is no time between the two.
    :raises SubscriptionNotFound: if there is no such subscription.
    :raises SubscriptionInactive: if it is switched off.
    """
    if until <= since:
        raise RangeEmpty
    asked, name = {"since": since, "until": until}, "webhook.replay_given_up"
    action = action_on(name, Kind.EXECUTE, subscription_id, asked, may="replay")
    with recording.recorded(action) as proof:
        # Whoever asks at the same time waits here, then finds these on their way.
        subscription = _active(selectors.locked_subscription(subscription_id))
        wanted = {each.name for each in selectors.external_types()} & set(subscription.events)
        rows = selectors.given_up(subscription_id, since=since, until=until, names=wanted)
        found = list(rows[: REPLAYED_AT_ONCE_MAX + 1])
        again = [_again(original) for original in found[:REPLAYED_AT_ONCE_MAX]]
        if again:
            outbox.insert_deliveries(again)
            proof.says(f"{len(again)} given up from {since.isoformat()} to {until.isoformat()}.")
        else:
            proof.changes_nothing()
    return ReplayedRange(replayed=len(again), more=len(found) > REPLAYED_AT_ONCE_MAX)


def _again(original: Delivery) -> Delivery:
    envelope = log.event(original.event_id)
    if envelope is None:
        raise NothingToReplay(original)
    body = projection.message(envelope, event_catalogue.get(envelope.name))
    return outbox.draft_delivery(
        envelope, body, original.subscription_id, Purpose.REPLAY, replay_of=original.pk
    )


def _active(subscription: Subscription) -> Subscription:
    if not subscription.is_active:
        raise SubscriptionInactive(subscription)
    return subscription
