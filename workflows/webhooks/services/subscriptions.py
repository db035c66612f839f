"""Manages subscriptions and their secrets. One durable transaction each.

A secret is shown once, to the caller who created or rotated it, and never logged or recorded.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from events import context, recorder
from events.domain.errors import Rejected
from ledger import recording
from ledger.disclosure import disclosing
from ledger.domain.action import Kind
from ledger.preconditions import Expected, check_version
from ledger.privacy import subjects
from workflows.egress import client, urls
from workflows.egress.refusals import EgressFailed, EgressRefused
from workflows.webhooks import catalogue, selectors, vault
from workflows.webhooks.actions import action_on
from workflows.webhooks.models import (
    EVENT_NAMES_MAX,
    Secret,
    Subscription,
    SubscriptionStatus,
)

SECRET_OVERLAP = timedelta(hours=24)


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
    with recording.recorded(action_on("webhook.create", Kind.CREATE, asked=asked)) as proof:
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
    expected_version: Expected | None = None,
) -> Subscription:
    """Change what is given. Messages on their way go to the new URL.

    Nothing happens if all of it is so already, at whatever version (RFC 9110 §13.1.1).

    :raises SubscriptionNotFound: if there is no such subscription.
    :raises UrlRefused, EventNamesMissing, NotForExport: as for a new one.
    :raises VersionMoved: if it is not at the version that is expected.
    """
    if url is not None:
        _check_url(url)
    names = None if events is None else _checked_names(events)
    asked = {**({} if url is None else _at(url)), "events": names, "description": description}
    action = action_on("webhook.update", Kind.UPDATE, subscription_id, asked)
    given = {"url": url, "events": names, "description": description}
    changes = {field: value for field, value in given.items() if value is not None}
    with recording.recorded(action) as proof:
        subscription = selectors.locked_subscription(subscription_id)
        if all(getattr(subscription, field) == value for field, value in changes.items()):
            proof.changes_nothing()
            return subscription
        check_version(expected_version, subscription.version)
        for field, value in changes.items():
            setattr(subscription, field, value)
        _save(subscription)
        _record(subscription, "subscription.updated", **_where(subscription))
    return subscription


def delete_subscription(*, subscription_id: UUID, expected_version: Expected | None = None) -> None:
    """Send no more, and forget the secrets. What was sent stays on record.

    :raises SubscriptionNotFound: if there is no such subscription.
    :raises VersionMoved: if it is not at the version that is expected.
    """
    with recording.recorded(action_on("webhook.delete", Kind.DELETE, subscription_id)):
        subscription = selectors.locked_subscription(subscription_id)
        check_version(expected_version, subscription.version)
        subscription.standing = SubscriptionStatus.DELETED
        _save(subscription)
        _secrets(subscription).delete()
        _record(subscription, "subscription.deleted")


def enable_subscription(*, subscription_id: UUID) -> Subscription:
    """Send messages again, from the next event on. Nothing happens if they are sent already.

    :raises SubscriptionNotFound: if there is no such subscription.
    """
    with recording.recorded(action_on("webhook.enable", Kind.UPDATE, subscription_id)) as proof:
        subscription = selectors.locked_subscription(subscription_id)
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
    with recording.recorded(action_on("webhook.disable", Kind.UPDATE, subscription_id)) as proof:
        subscription = selectors.locked_subscription(subscription_id)
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
    action = action_on("webhook.rotate_secret", Kind.UPDATE, subscription_id)
    with recording.recorded(action) as proof:
        subscription = selectors.locked_subscription(subscription_id)
        _secrets(subscription).exclude(retires_at=None).delete()
        _secrets(subscription).update(retires_at=timezone.now() + SECRET_OVERLAP)
        secret = _new_secret(subscription)
        _record(subscription, "secret.rotated")
        disclosing.shows_secret(proof)
    return subscription, secret


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


def _save(subscription: Subscription) -> None:
    subscription.updated_at = timezone.now()
    subscription.version += 1
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
