"""The invariants of webhooks hold on a used system, and detect what breaks them."""

from typing import Any

import pytest

from events import doctor
from tests.integration.workflows.webhooks.conftest import (
    happens,
    let_time_pass,
    subscribed,
    work_off,
)
from tests.peers import Receiver
from workflows.webhooks.models import Delivery, Secret, Subscription
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)


def violations(id_: str) -> tuple[str, ...]:
    [check] = [each for each in doctor.checks() if each.id == id_]
    return doctor.examine(check).violations


def test_a_used_system_is_healthy(peer: Receiver) -> None:
    subscribed(peer.url)
    peer.replies = [(500, {}, b""), (204, {}, b"")]
    happens()
    happens()
    work_off()
    let_time_pass()
    work_off()

    for id_ in ("I11-webhooks", "webhooks-log", "webhooks-secrets"):
        assert violations(id_) == ()


def test_a_message_that_nobody_will_send_is_found(peer: Receiver) -> None:
    subscribed(peer.url)
    happens()
    delivery = Delivery.objects.get()
    Work.objects.filter(pk=delivery.pk).delete()

    assert violations("I11-webhooks") == (f"delivery {delivery.pk} has no work",)


def test_an_attempt_that_is_not_in_the_log_is_found(peer: Receiver) -> None:
    subscribed(peer.url)
    happens()
    Delivery.objects.update(attempts_made=2)
    delivery = Delivery.objects.get()

    assert violations("webhooks-log") == (f"delivery {delivery.pk} counts 2 attempts, its log 0",)


def test_a_subscription_that_cannot_sign_is_found(peer: Receiver) -> None:
    subscribed(peer.url)
    Secret.objects.all().delete()
    subscription = Subscription.objects.get()

    assert violations("webhooks-secrets") == (
        f"subscription {subscription.pk} has no current secret",
    )


def test_a_secret_that_needs_a_former_key_is_found_without_it(
    peer: Receiver, settings: Any
) -> None:
    subscribed(peer.url)
    subscription = Subscription.objects.get()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key"

    assert violations("webhooks-secrets") == ()
    settings.SECRET_KEY_FALLBACKS = []
    [found] = violations("webhooks-secrets")
    assert found.startswith(f"a secret of subscription {subscription.pk} opens with neither")
