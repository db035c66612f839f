"""Makes one attempt to deliver a message, logs it, and decides what follows.

The call is made outside any transaction; one transaction then holds its log row, the new
state of the delivery and the end of the claim. A worker that lost its claim meanwhile
leaves the log row and nothing else.
"""

import logging
import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from events import recorder
from events.domain.envelope import Source
from events.domain.errors import DomainError
from events.failpoints import declare, failpoint
from workflows.egress import client, urls
from workflows.egress.client import Answer, Call
from workflows.egress.refusals import AnswerTooLarge, EgressFailed
from workflows.webhooks import catalogue, crowding, endpoints, selectors
from workflows.webhooks.domain import excerpt, schedule, signature, verdict
from workflows.webhooks.domain.verdict import Decision, ErrorClass, Verdict
from workflows.webhooks.models import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Purpose,
    Subscription,
    SubscriptionStatus,
)
from workflows.work import queue
from workflows.work.domain.claim import Claim, ClaimLost, PermanentFailure, Snooze

DEADLINE_SECONDS = 15.0
GLANCE_SECONDS = 2.0
"""How long a worker waits for what comes behind a status, which is all that counts."""
ANSWER_BYTES_MAX = 2 * excerpt.EXCERPT_BYTES_MAX
ERROR_CHARS_MAX = 500
SUSTAINED = timedelta(days=2)
"""A subscription that accepted nothing for so long is switched off when a message is lost."""
USER_AGENT = "Daybook-Webhooks/1"

BEFORE_CALL = declare("webhook.before_call")
AFTER_CALL = declare("webhook.after_call")

logger = logging.getLogger(__name__)
_random = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptMade:
    """One call as it went out, with the answer or the reason why there is none."""

    started_at: datetime
    duration_ms: int
    url: str
    headers: dict[str, str]
    answer: Answer | None
    verdict: Verdict


def attempt(claim: Claim) -> dict[str, Any]:
    """Deliver the message of `claim`, or say when to try again.

    :raises Snooze: if it is to be tried again later.
    :raises PermanentFailure: if it is given up.
    :raises ClaimLost: if another attempt has taken over.
    """
    delivery = Delivery.objects.select_related("subscription").get(pk=claim.input["delivery_id"])
    if delivery.status in {DeliveryStatus.DELIVERED, DeliveryStatus.ABANDONED}:
        return {"status": delivery.status}
    if not _is_wanted(delivery):
        return _abandon(claim, delivery)
    _wait_for_a_turn(claim, delivery)
    # Last: whoever is let through after a pause is its probe, and has to make the call.
    _wait_for_the_endpoint(delivery)
    failpoint(BEFORE_CALL)
    made = _call(delivery)
    if made is None:
        return _abandon(claim, delivery)
    failpoint(AFTER_CALL)
    return _settle(claim, delivery, made)


def _is_wanted(delivery: Delivery) -> bool:
    subscription = delivery.subscription
    if subscription.standing != SubscriptionStatus.ACTIVE:
        return False
    return delivery.purpose == Purpose.TEST or delivery.event_name in subscription.events


def _abandon(claim: Claim, delivery: Delivery) -> dict[str, Any]:
    result = {"status": DeliveryStatus.ABANDONED.value}
    with transaction.atomic(durable=True):
        _finish(delivery, DeliveryStatus.ABANDONED)
        queue.complete(claim, result)
    return result


def _wait_for_the_endpoint(delivery: Delivery) -> None:
    if delivery.purpose == Purpose.TEST or _age(delivery) > schedule.WINDOW:
        return  # The last word belongs to an attempt.
    pause = endpoints.pause_left(urls.origin_of(delivery.subscription.url))
    if pause is not None:
        delay = pause.total_seconds() * (1 + schedule.JITTER * _random.random())
        _note_next_attempt(delivery, delay)
        raise Snooze(delay)


def _wait_for_a_turn(claim: Claim, delivery: Delivery) -> None:
    if not crowding.finds_room(claim, delivery.subscription.url):
        delay = schedule.turn_seconds(age=_age(delivery), uniform=_random.random())
        _note_next_attempt(delivery, delay)
        raise Snooze(delay)


def _call(delivery: Delivery) -> AttemptMade | None:
    """Send the message. None if the subscription was deleted since, and its secrets with it."""
    started_at, clock = timezone.now(), time.monotonic()
    url = delivery.subscription.url
    headers: dict[str, str] = {}
    answer = None
    try:
        secrets = selectors.live_secrets(delivery.subscription_id)
        if not secrets:
            return None
        headers = _headers(delivery, started_at, secrets)
        answer = client.send(_request(url, headers, delivery.body.encode()))
        judged = verdict.of_status(answer.status, answer.headers, now=timezone.now())
    except AnswerTooLarge as flood:
        # Of its header: tomorrow the receiver, or what stands before it, may be well again.
        judged = verdict.of_failure(ErrorClass.NETWORK, str(flood))
    except EgressFailed as failure:
        judged = verdict.of_failure(ErrorClass(failure.error_class), str(failure))
    except DomainError as refusal:
        judged = verdict.of_failure(ErrorClass.REFUSED, str(refusal))
    return AttemptMade(
        started_at=started_at,
        # Not from the time of day, which may be set back meanwhile.
        duration_ms=int((time.monotonic() - clock) * 1000),
        url=url,
        headers=headers,
        answer=answer,
        verdict=judged,
    )


def _headers(delivery: Delivery, at: datetime, secrets: list[str]) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        **signature.headers(
            message_id=delivery.message_id,
            body=delivery.body.encode(),
            secrets=secrets,
            at=at,
        ),
    }


def _request(url: str, headers: dict[str, str], body: bytes) -> Call:
    # Redirects are not followed: the data goes where an operator sent it, or nowhere.
    return Call(
        method="POST",
        url=url,
        headers=headers,
        body=body,
        deadline_seconds=DEADLINE_SECONDS,
        body_seconds=GLANCE_SECONDS,
        body_bytes_max=ANSWER_BYTES_MAX,
        truncate=True,
        https_only=True,
    )


def _settle(claim: Claim, delivery: Delivery, made: AttemptMade) -> dict[str, Any]:
    try:
        with transaction.atomic(durable=True):
            _log(delivery, made)
            end = _apply(claim, delivery, made.verdict)
    except ClaimLost:
        with transaction.atomic(durable=True):
            _log(delivery, made)
        raise
    if isinstance(end, Exception):
        raise end
    return end


def _log(delivery: Delivery, made: AttemptMade) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(attempts_made=F("attempts_made") + 1)
    delivery.refresh_from_db(fields=["attempts_made"])
    answer = made.answer
    Attempt.objects.create(
        delivery=delivery,
        number=delivery.attempts_made,
        started_at=made.started_at,
        duration_ms=made.duration_ms,
        url=made.url,
        request_headers=excerpt.headers(made.headers),
        body_hash=delivery.body_hash,
        request_excerpt=excerpt.excerpt(delivery.body.encode()),
        response_status=answer.status if answer else None,
        response_headers=excerpt.headers(answer.headers) if answer else {},
        response_excerpt=excerpt.excerpt(answer.body) if answer else "",
        error_class=made.verdict.error_class or "",
        error=made.verdict.error[:ERROR_CHARS_MAX],
    )


def _apply(claim: Claim, delivery: Delivery, judged: Verdict) -> dict[str, Any] | Exception:
    """Write down what `judged` means, and return how the claim is to end."""
    is_test = delivery.purpose == Purpose.TEST
    if not is_test or judged.decision is Decision.DELIVERED:
        # A test that arrives shows that the others may go on; one that does not costs nothing.
        _tell_the_endpoint(delivery, judged)
    if judged.decision is Decision.DELIVERED:
        return _complete(claim, delivery, DeliveryStatus.DELIVERED, judged)
    if is_test:
        return _complete(claim, delivery, DeliveryStatus.FAILED, judged)
    Subscription.objects.filter(pk=delivery.subscription_id, failing_since=None).update(
        failing_since=timezone.now(), version=F("version") + 1
    )
    if judged.decision is Decision.GONE:
        _switch_off(delivery.subscription, SubscriptionStatus.GONE)
        return _complete(claim, delivery, DeliveryStatus.FAILED, judged)
    return _retry(delivery, judged) or _give_up(delivery, judged)


def _tell_the_endpoint(delivery: Delivery, judged: Verdict) -> None:
    origin = urls.origin_of(delivery.subscription.url)
    if judged.hurts_endpoint or judged.retry_after is not None:
        endpoints.failed(origin, counts=judged.hurts_endpoint, retry_after=judged.retry_after)
    elif judged.error_class is not ErrorClass.REFUSED:
        endpoints.worked(origin)
    if judged.decision is Decision.DELIVERED:
        Subscription.objects.filter(
            pk=delivery.subscription_id, failing_since__isnull=False
        ).update(failing_since=None, version=F("version") + 1)


def _complete(
    claim: Claim, delivery: Delivery, status: DeliveryStatus, judged: Verdict
) -> dict[str, Any]:
    result = {"status": status.value, "attempts": delivery.attempts_made}
    if judged.error:
        result["error"] = judged.error
    _finish(delivery, status, judged)
    queue.complete(claim, result)
    return result


def _retry(delivery: Delivery, judged: Verdict) -> Snooze | None:
    if judged.decision is not Decision.RETRY:
        return None
    delay = schedule.delay_seconds(
        failures=delivery.attempts_made,
        age=_age(delivery),
        uniform=_random.random(),
        retry_after=judged.retry_after,
    )
    if delay is None:
        return None
    _note_next_attempt(delivery, delay, **_error(judged))
    return Snooze(delay)


def _note_next_attempt(delivery: Delivery, delay: float, **why: str) -> None:
    Delivery.objects.filter(pk=delivery.pk, status=DeliveryStatus.PENDING).update(
        next_attempt_at=timezone.now() + timedelta(seconds=delay), **why
    )


def _give_up(delivery: Delivery, judged: Verdict) -> PermanentFailure:
    _finish(delivery, DeliveryStatus.FAILED, judged)
    recorder.emit(
        "webhook.delivery.failed",
        {
            "subscriptionId": str(delivery.subscription_id),
            "deliveryId": str(delivery.pk),
            "eventId": delivery.event_id,
            "eventName": delivery.event_name,
            "errorClass": judged.error_class or "",
            "error": judged.error[:ERROR_CHARS_MAX],
            "attempts": delivery.attempts_made,
        },
        stream=(catalogue.STREAM, str(delivery.subscription_id)),
        source=Source.WORKFLOW,
    )
    delivery.subscription.refresh_from_db(fields=["failing_since"])
    since = delivery.subscription.failing_since
    if since is not None and since <= timezone.now() - SUSTAINED:
        _switch_off(delivery.subscription, SubscriptionStatus.FAILING)
    return PermanentFailure(judged.error)


def _switch_off(subscription: Subscription, why: SubscriptionStatus) -> None:
    # Messages still on the list are abandoned when their turn comes; they can be replayed.
    switched = Subscription.objects.filter(pk=subscription.pk, standing=SubscriptionStatus.ACTIVE)
    now = timezone.now()
    if not switched.update(standing=why, updated_at=now, version=F("version") + 1):
        return
    recorder.emit(
        "webhook.subscription.disabled",
        {"subscriptionId": str(subscription.pk), "reason": why.value},
        stream=(catalogue.STREAM, str(subscription.pk)),
        source=Source.WORKFLOW,
    )
    logger.error(
        "A webhook subscription was disabled.",
        extra={"subscription_id": str(subscription.pk), "reason": why.value},
    )


def _finish(delivery: Delivery, status: DeliveryStatus, judged: Verdict | None = None) -> None:
    Delivery.objects.filter(
        pk=delivery.pk, status__in=[DeliveryStatus.PENDING, DeliveryStatus.FAILED]
    ).update(
        status=status,
        finished_at=timezone.now(),
        next_attempt_at=None,
        **_error(judged),
    )


def _error(judged: Verdict | None) -> dict[str, str]:
    if judged is None:
        return {"error_class": "", "error": ""}
    return {"error_class": judged.error_class or "", "error": judged.error[:ERROR_CHARS_MAX]}


def _age(delivery: Delivery) -> timedelta:
    return timezone.now() - delivery.created_at
