"""Manages subscriptions and their secrets, and replays. One durable transaction each.

A secret is shown once, to the caller who created or rotated it, and never logged or recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from events import catalogue as event_catalogue
from events import context, recorder
from events import selectors as log
from events.domain.envelope import Category, Envelope, Source
from events.domain.errors import Conflict, Rejected
from events.ids import new_event_id
from ledger import recording
from ledger.disclosure import disclosing
from ledger.domain.action import Action, Kind, Target
from ledger.privacy import subjects
from workflows.egress import client, urls
from workflows.egress.refusals import EgressFailed, EgressRefused
from workflows.webhooks import catalogue, outbox, selectors, vault
from workflows.webhooks.domain import projection, sample
from workflows.webhooks.models import (
    EVENT_NAMES_MAX,
    Delivery,
    Purpose,
    Secret,
    Subscription,
    SubscriptionStatus,
)

SECRET_OVERLAP = timedelta(hours=24)
TEST_EVENT_PREFIX = "test_"
REPLAYED_AT_ONCE_MAX = 500


class UrlRefused(Rejected):
    code = "webhook_url_refused"
    hint = "Use an https URL of a public host."

    def __init__(self, reason: str) -> None:
        super().__init__(f"This URL cannot be called: {reason}.", pointer="/url", reason=reason)


class EventNamesMissing(Rejected):
    code = "webhook_event_names_missing"
    hint = "GET /api/v1/webhooks/subscriptions/events lists them."

    def __init__(self) -> None:
        super().__init__(f"Name 1 to {EVENT_NAMES_MAX} events.", pointer="/events")


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


def create_subscription(
    *, url: str, events: Sequence[str], description: str = ""
) -> tuple[Subscription, str]:
    """Let somebody listen, from the next event on. Returns the signing secret, once.

    :raises UrlRefused: if the URL is not one that we would call.
    :raises EventNamesMissing: if no events are named, or too many.
    :raises NotForExport: if one of them is not for others.
    """
    _check_url(url)
    names = _checked_names(events)
    asked = {**_at(url), "events": names, "description": description}
    with recording.recorded(_action("webhook.create", Kind.CREATE, asked=asked)) as proof:
        subscription = Subscription.objects.create(
            url=url,
            events=names,
            description=description,
            created_by=str(context.current().principal),
        )
        secret = _new_secret(subscription)
        _record(subscription, "subscription.created", **_where(subscription))
        proof.refers_to(subscription.pk)
        disclosing.shows_secret(proof)
    subscription.refresh_from_db()
    return subscription, secret


def update_subscription(
    *,
    subscription_id: UUID,
    url: str | None = None,
    events: Sequence[str] | None = None,
    description: str | None = None,
) -> Subscription:
    """Change what is given. Messages on their way go to the new URL.

    :raises SubscriptionNotFound: if there is no such subscription.
    :raises UrlRefused, EventNamesMissing, NotForExport: as for a new one.
    """
    if url is not None:
        _check_url(url)
    names = None if events is None else _checked_names(events)
    asked = {**({} if url is None else _at(url)), "events": names, "description": description}
    action = _action("webhook.update", Kind.UPDATE, subscription_id, asked)
    with recording.recorded(action):
        subscription = _locked(subscription_id)
        subscription.url = subscription.url if url is None else url
        subscription.events = subscription.events if names is None else names
        if description is not None:
            subscription.description = description
        _save(subscription)
        _record(subscription, "subscription.updated", **_where(subscription))
    return subscription


def delete_subscription(*, subscription_id: UUID) -> None:
    """Send no more, and forget the secrets. What was sent stays on record.

    :raises SubscriptionNotFound: if there is no such subscription.
    """
    with recording.recorded(_action("webhook.delete", Kind.DELETE, subscription_id)):
        subscription = _locked(subscription_id)
        subscription.standing = SubscriptionStatus.DELETED
        _save(subscription)
        _secrets(subscription).delete()
        _record(subscription, "subscription.deleted")


def enable_subscription(*, subscription_id: UUID) -> Subscription:
    """Send messages again, from the next event on. Nothing happens if they are sent already.

    :raises SubscriptionNotFound: if there is no such subscription.
    """
    with recording.recorded(_action("webhook.enable", Kind.UPDATE, subscription_id)) as proof:
        subscription = _locked(subscription_id)
        if subscription.standing != SubscriptionStatus.ACTIVE:
            subscription.standing = SubscriptionStatus.ACTIVE
            subscription.failing_since = None
            _save(subscription)
            _record(subscription, "subscription.enabled")
        else:
            proof.changes_nothing()
    return subscription


def disable_subscription(*, subscription_id: UUID) -> Subscription:
    """Send no messages until it is enabled again. Nothing happens if none are sent.

    :raises SubscriptionNotFound: if there is no such subscription.
    """
    with recording.recorded(_action("webhook.disable", Kind.UPDATE, subscription_id)) as proof:
        subscription = _locked(subscription_id)
        if subscription.standing == SubscriptionStatus.ACTIVE:
            subscription.standing = SubscriptionStatus.PAUSED
            _save(subscription)
            _record(subscription, "subscription.disabled", reason=SubscriptionStatus.PAUSED.value)
        else:
            proof.changes_nothing()
    return subscription


def rotate_secret(*, subscription_id: UUID) -> tuple[Subscription, str]:
    """Sign with a new secret, and for a day with the old one too. Returns it, once.

    A rotation during a rotation ends the oldest secret at once: two are live at most.

    :raises SubscriptionNotFound: if there is no such subscription.
    """
    action = _action("webhook.rotate_secret", Kind.UPDATE, subscription_id)
    with recording.recorded(action) as proof:
        subscription = _locked(subscription_id)
        _secrets(subscription).exclude(retires_at=None).delete()
        _secrets(subscription).update(retires_at=timezone.now() + SECRET_OVERLAP)
        secret = _new_secret(subscription)
        _record(subscription, "secret.rotated")
        disclosing.shows_secret(proof)
    return subscription, secret


def send_test(*, subscription_id: UUID, event: str | None = None) -> Delivery:
    """Send an example of `event`, or of the first one that is subscribed to. Once.

    :raises SubscriptionNotFound: if there is no such subscription.
    :raises SubscriptionInactive: if it is switched off.
    :raises NotForExport: if there is no example of that event.
    """
    action = _action("webhook.send_test", Kind.EXECUTE, subscription_id, {"event": event})
    with recording.recorded(action) as proof:
        subscription = _active(selectors.subscription(subscription_id))
        type_ = selectors.external_type(event or subscription.events[0], pointer="/event")
        happened = context.current()
        example = Envelope(
            name=type_.name,
            data=sample.sample(type_.schema),
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
    action = _action(
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
    action = _action(name, Kind.EXECUTE, subscription_id, asked, may="replay")
    with recording.recorded(action) as proof:
        # Whoever asks at the same time waits here, then finds these on their way.
        subscription = _active(_locked(subscription_id))
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


def _action(
    name: str,
    kind: Kind,
    target_id: UUID | str = "",
    asked: Mapping[str, Any] | None = None,
    *,
    of: str = "webhook",
    may: str = "manage",
) -> Action:
    target, capability = Target(type=of, id=str(target_id)), f"webhook.{may}"
    return Action(name=name, kind=kind, target=target, capability=capability, input=asked or {})


def _check_url(url: str) -> None:
    try:
        client.vet(url, https_only=True)
    except (EgressRefused, EgressFailed) as problem:
        raise UrlRefused(problem.facts["reason"]) from problem


def _checked_names(events: Sequence[str]) -> list[str]:
    names = sorted(set(events))
    if not 1 <= len(names) <= EVENT_NAMES_MAX:
        raise EventNamesMissing
    for place, name in enumerate(events):
        selectors.external_type(name, pointer=f"/events/{place}")
    return names


def _locked(subscription_id: UUID) -> Subscription:
    # Events are emitted meanwhile: a delivery takes a key share of the row, which this allows.
    rows = selectors.subscriptions().select_for_update(no_key=True)
    found = rows.filter(pk=subscription_id).first()
    if found is None:
        raise selectors.SubscriptionNotFound(subscription_id)
    return found


def _active(subscription: Subscription) -> Subscription:
    if not subscription.is_active:
        raise SubscriptionInactive(subscription)
    return subscription


def _save(subscription: Subscription) -> None:
    subscription.updated_at = timezone.now()
    subscription.save()


def _secrets(subscription: Subscription) -> QuerySet[Secret]:
    return Secret.objects.filter(subscription=subscription)


def _new_secret(subscription: Subscription) -> str:
    secret = vault.new_secret()
    Secret.objects.create(subscription=subscription, sealed=vault.seal(secret))
    return secret


def _at(url: str) -> dict[str, str]:
    """Return what may be said of an address, whose path and query may hold a secret."""
    digest = subjects.fingerprint_of(url, of=catalogue.STREAM)
    return {"origin": urls.parse(url).origin, "urlDigest": digest}


def _where(subscription: Subscription) -> dict[str, object]:
    return {**_at(subscription.url), "events": subscription.events}


def _record(subscription: Subscription, what: str, **data: object) -> None:
    recorder.emit(
        f"webhook.{what}",
        {"subscriptionId": str(subscription.pk), **data},
        stream=(catalogue.STREAM, str(subscription.pk)),
    )
