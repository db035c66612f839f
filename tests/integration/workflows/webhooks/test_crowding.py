"""A receiver is sent a few messages at a time, whoever sends them (ADR 0185)."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.test import override_settings
from django.utils import timezone

from tests.integration.workflows.webhooks.conftest import (
    happens,
    let_time_pass,
    subscribed,
    work_of,
    work_off,
)
from tests.peers import Receiver, receiver
from workflows.webhooks import crowding
from workflows.webhooks.models import Attempt, Delivery, DeliveryStatus, Endpoint
from workflows.webhooks.outbox import KIND
from workflows.work import leases, runner
from workflows.work.domain.claim import Claim
from workflows.work.domain.life import State
from workflows.work.models import Work

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("_two_at_a_time"),
]


@pytest.fixture
def _two_at_a_time() -> Iterator[None]:
    with override_settings(WEBHOOK_CALLS_PER_RECEIVER=2):
        yield


def held(count: int) -> list[Claim]:
    """Claim so many messages, as workers would whose receiver does not answer."""
    claims = leases.claim_next(worker="slow", kinds=[KIND], limit=count)
    assert len(claims) == count
    return claims


def sent_to(subscription_id: UUID) -> Delivery:
    return Delivery.objects.filter(subscription_id=subscription_id).latest("created_at")


def test_the_next_message_is_put_back_and_costs_nothing(peer: Receiver) -> None:
    subscribed(peer.url)
    for parcel in ("p1", "p2"):
        happens(parcel=parcel)
    held(2)
    happens(parcel="p3")

    work_off()

    third = Delivery.objects.latest("created_at")
    work = work_of(third.pk)
    assert peer.received == []
    assert (work.status, work.failures) == (State.SCHEDULED, 0)
    assert timezone.now() < work.due_at
    assert (third.status, third.attempts_made) == (DeliveryStatus.PENDING, 0)
    assert third.next_attempt_at is not None
    assert not Attempt.objects.exists()


def test_it_is_sent_once_there_is_room(peer: Receiver) -> None:
    subscribed(peer.url)
    for parcel in ("p1", "p2"):
        happens(parcel=parcel)
    first, _second = held(2)
    happens(parcel="p3")
    work_off()

    leases.complete_many([(first, None)])
    let_time_pass()
    work_off()

    assert len(peer.received) == 1
    assert Delivery.objects.latest("created_at").status == DeliveryStatus.DELIVERED


def test_a_message_that_is_put_back_leaves_the_probe_to_another(peer: Receiver) -> None:
    subscribed(peer.url)
    for parcel in ("p1", "p2"):
        happens(parcel=parcel)
    first, _second = held(2)
    happens(parcel="p3")
    over = timezone.now()
    Endpoint.objects.create(origin=f"http://127.0.0.1:{peer.port}", failures=9, open_until=over)
    work_off()
    assert peer.received == []

    runner.run([first])

    assert len(peer.received) == 1


def test_another_receiver_is_not_held_up(peer: Receiver) -> None:
    subscribed(peer.url)
    for parcel in ("p1", "p2"):
        happens(parcel=parcel)
    held(2)
    with receiver() as other:
        quick, _ = subscribed(other.url, "parcel.lost")
        happens("parcel.lost")
        work_off()

        assert len(other.received) == 1
    assert sent_to(quick.pk).status == DeliveryStatus.DELIVERED


def test_two_subscriptions_of_one_origin_share_its_room(peer: Receiver) -> None:
    subscribed(peer.url)
    subscribed(f"{peer.url}/second", "parcel.lost")
    for parcel in ("p1", "p2"):
        happens(parcel=parcel)
    held(2)
    happens("parcel.lost")

    work_off()

    assert peer.received == []


def three_in_order(peer: Receiver) -> list[Claim]:
    """Claim three messages to one receiver, and return the claims in their order."""
    subscribed(peer.url)
    for parcel in ("p1", "p2", "p3"):
        happens(parcel=parcel)
    return sorted(held(3), key=lambda claim: (claim.claimed_at, claim.id))


def test_those_that_were_claimed_first_are_sent(peer: Receiver) -> None:
    """Or workers that claim at the same moment would all make room for each other."""
    first, *_ = three_in_order(peer)

    runner.run([first])

    assert len(peer.received) == 1


def test_a_message_waits_a_moment_for_a_receiver_that_is_quick(
    peer: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, third = three_in_order(peer)
    paused: list[float] = []

    def answered(seconds: float) -> None:
        paused.append(seconds)
        leases.complete_many([(first, None)])

    monkeypatch.setattr(crowding, "time", SimpleNamespace(sleep=answered))
    runner.run([third])

    assert len(paused) == 1
    assert len(peer.received) == 1


def test_it_waits_for_no_receiver_that_is_slow(
    peer: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, third = three_in_order(peer)
    began = timezone.now() - timedelta(seconds=2 * crowding.PATIENCE_S)
    Work.objects.filter(pk=first.id).update(claimed_at=began)
    paused: list[float] = []
    monkeypatch.setattr(crowding, "time", SimpleNamespace(sleep=paused.append))

    runner.run([third])

    assert (peer.received, paused) == ([], [])
