"""What stands around an attempt: the breaker of its endpoint, test messages, replays."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from events import catalogue as event_catalogue
from events import context
from tests.integration.workflows.webhooks.conftest import (
    OPERATOR,
    happens,
    subscribed,
    the_delivery,
    work_of,
    work_off,
)
from tests.integration.workflows.work.conftest import at_once
from tests.peers import Receiver, Reply
from workflows.webhooks import outbox
from workflows.webhooks.models import (
    Delivery,
    DeliveryStatus,
    Endpoint,
    Purpose,
    Subscription,
    SubscriptionStatus,
)
from workflows.webhooks.services import sending, subscriptions
from workflows.work.domain.life import State

pytestmark = pytest.mark.django_db(transaction=True)

BROKEN: Reply = (500, {}, b"oops")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class TestBreaker:
    def test_leaves_a_failing_endpoint_alone_for_all_messages(self, peer: Receiver) -> None:
        subscribed(peer.url)
        peer.replies = [BROKEN]
        for number in range(8):
            happens(parcel=f"p{number}")

        work_off()

        assert len(peer.received) == 5
        assert Endpoint.objects.get().origin == f"http://127.0.0.1:{peer.port}"
        untried = Delivery.objects.filter(attempts_made=0)
        assert untried.count() == 3
        for each in untried:
            # They say until when they wait, and the job that sends them says the same.
            assert each.next_attempt_at is not None
            wait = abs(each.next_attempt_at - work_of(each.pk).due_at)
            assert wait < timedelta(seconds=1)
        assert {work_of(each.pk).failures for each in untried} == {0}

    def test_lets_one_message_through_when_the_pause_is_over(self, peer: Receiver) -> None:
        subscribed(peer.url)
        happens(parcel="p1")
        happens(parcel="p2")
        Endpoint.objects.create(
            origin=f"http://127.0.0.1:{peer.port}", failures=9, open_until=timezone.now()
        )
        peer.replies = [BROKEN]

        work_off()

        assert len(peer.received) == 1

    def test_closes_with_the_first_answer_that_is_no_failure(self, peer: Receiver) -> None:
        subscribed(peer.url)
        happens()
        Endpoint.objects.create(
            origin=f"http://127.0.0.1:{peer.port}", failures=9, open_until=timezone.now()
        )

        work_off()

        assert not Endpoint.objects.exists()
        assert the_delivery().status == DeliveryStatus.DELIVERED

    def test_closes_with_a_test_message_that_arrives(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        Endpoint.objects.create(
            origin=f"http://127.0.0.1:{peer.port}", failures=9, open_until=timezone.now() + HOUR
        )

        sending.send_test(subscription_id=subscription.pk)
        work_off()

        assert the_delivery().status == DeliveryStatus.DELIVERED
        assert not Endpoint.objects.exists()


class TestTestMessage:
    def test_is_sent_once_and_changes_nothing_else(self, peer: Receiver) -> None:
        subscription, secret = subscribed(peer.url)
        peer.replies = [BROKEN]

        sending.send_test(subscription_id=subscription.pk)
        work_off()

        [received] = peer.received
        message = Webhook(secret).verify(received.body, received.headers)
        assert message["data"] == {
            "parcelId": "example",
            "weightGrams": 1,
            "reference": "[REDACTED]",
        }
        assert message["metadata"]["eventId"].startswith("test_evt_")
        assert the_delivery().status == DeliveryStatus.FAILED
        assert work_of(the_delivery().pk).status == State.DONE
        subscription.refresh_from_db()
        assert (subscription.standing, subscription.failing_since) == (
            SubscriptionStatus.ACTIVE,
            None,
        )
        assert not Endpoint.objects.exists()


class TestReplay:
    def test_sends_the_message_again_under_the_same_id(self, peer: Receiver) -> None:
        subscribed(peer.url)
        happens()
        work_off()
        first = the_delivery()

        again = sending.replay_delivery(delivery_id=first.pk)
        work_off()

        again.refresh_from_db()
        assert again.status == DeliveryStatus.DELIVERED
        assert again.replay_of_id == first.pk
        one, two = peer.received
        assert one.headers["webhook-id"] == two.headers["webhook-id"]
        assert one.body == two.body

    def test_follows_the_contract_of_today(
        self, peer: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscribed(peer.url)
        happens()
        work_off()
        stricter = event_catalogue.get("parcel.lost")
        narrow = {"type": "object", "properties": {"parcelId": {"type": "string"}}}
        monkeypatch.setitem(
            event_catalogue._types,
            "parcel.sent",
            type(stricter)(
                name="parcel.sent",
                category=stricter.category,
                meaning="",
                schema=narrow,
                external=True,
                is_valid=lambda _: True,
            ),
        )

        sending.replay_delivery(delivery_id=the_delivery().pk)
        work_off()

        assert json.loads(peer.received[1].body)["data"] == {"parcelId": "p1"}

    def test_refuses_what_the_subscription_no_longer_wants(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        happens()
        work_off()
        subscriptions.update_subscription(subscription_id=subscription.pk, events=["parcel.lost"])

        with pytest.raises(sending.EventNoLongerSelected):
            sending.replay_delivery(delivery_id=the_delivery().pk)

        assert Delivery.objects.count() == 1

    def test_refuses_when_the_subscription_is_switched_off(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        happens()
        subscriptions.disable_subscription(subscription_id=subscription.pk)

        with pytest.raises(sending.SubscriptionInactive) as refusal:
            sending.replay_delivery(delivery_id=the_delivery().pk)

        assert str(refusal.value) == f"Subscription {subscription.pk} is paused."

    def test_refuses_test_messages(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        test = sending.send_test(subscription_id=subscription.pk)

        with pytest.raises(sending.NothingToReplay):
            sending.replay_delivery(delivery_id=test.pk)


class TestReplayOfARange:
    def test_sends_again_what_was_given_up_and_nothing_twice(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        another, _ = subscribed(f"{peer.url}/another")
        for parcel in ("before", "first", "arrived", "later", "after"):
            happens(parcel=parcel)
        mine = list(Delivery.objects.filter(subscription=subscription).order_by("id"))
        before, first, arrived, later, after = mine
        given_up(before, first, later, after, *Delivery.objects.filter(subscription=another))
        given_up(arrived, status=DeliveryStatus.DELIVERED)
        at(NOON - HOUR, before)
        at(NOON, first)
        at(NOON + HOUR / 2, arrived, later)
        at(NOON + HOUR, after)

        done = replay(subscription)
        twice = replay(subscription)

        assert (done, twice) == (replayed(2), replayed(0))
        again = Delivery.objects.filter(purpose=Purpose.REPLAY).order_by("id")
        assert [each.replay_of_id for each in again] == [first.pk, later.pk]
        work_off()
        assert {each.headers["webhook-id"] for each in peer.received} >= {
            first.message_id,
            later.message_id,
        }
        assert replay(subscription) == replayed(0)

    def test_sends_again_what_was_given_up_once_more(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        happens()
        given_up(the_delivery(), status=DeliveryStatus.ABANDONED)
        at(NOON, the_delivery())
        replay(subscription)
        given_up(Delivery.objects.get(purpose=Purpose.REPLAY))

        assert replay(subscription) == replayed(1)

    def test_goes_on_where_a_batch_ends(
        self, peer: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "REPLAYED_AT_ONCE_MAX", 2)
        subscription, _ = subscribed(peer.url)
        for number in range(3):
            happens(parcel=f"p{number}")
        given_up(*Delivery.objects.all())
        at(NOON, *Delivery.objects.all())

        assert [replay(subscription) for _ in range(3)] == [
            replayed(2, more=True),
            replayed(1),
            replayed(0),
        ]

    def test_leaves_out_what_the_subscription_no_longer_wants(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        happens()
        given_up(the_delivery())
        at(NOON, the_delivery())
        subscriptions.update_subscription(subscription_id=subscription.pk, events=["parcel.lost"])

        assert replay(subscription) == replayed(0)

    def test_refuses_a_subscription_that_is_switched_off(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        happens()
        given_up(the_delivery())
        at(NOON, the_delivery())
        subscriptions.disable_subscription(subscription_id=subscription.pk)

        with pytest.raises(sending.SubscriptionInactive):
            replay(subscription)

        assert Delivery.objects.count() == 1

    def test_of_two_at_once_sends_each_message_once(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        for number in range(5):
            happens(parcel=f"p{number}")
        given_up(*Delivery.objects.all())
        at(NOON, *Delivery.objects.all())

        found = at_once(4, lambda _: replay(subscription))

        assert sorted(found, key=str) == [replayed(0), replayed(0), replayed(0), replayed(5)]
        assert Delivery.objects.filter(purpose=Purpose.REPLAY).count() == 5


class TestWhatWasSentLongAgo:
    def test_is_let_go_and_can_be_sent_again(self, peer: Receiver) -> None:
        subscribed(peer.url)
        for parcel in ("old", "young"):
            happens(parcel=parcel)
        work_off()
        old, young = Delivery.objects.order_by("id")
        let_pass(old, outbox.BODY_KEPT_FOR + timedelta(minutes=1))
        let_pass(young, outbox.BODY_KEPT_FOR - timedelta(minutes=1))

        assert [outbox.expire_bodies() for _ in range(2)] == [1, 0]

        bodies = dict(Delivery.objects.values_list("pk", "body"))
        assert bodies[old.pk] == ""
        assert bodies[young.pk] == young.body
        old.refresh_from_db()
        assert (old.status, len(old.body_hash)) == (DeliveryStatus.DELIVERED, 64)
        with context.acting(OPERATOR):
            again = sending.replay_delivery(delivery_id=old.pk)
        assert json.loads(again.body)["data"]["parcelId"] == "old"

    def test_is_kept_while_it_is_still_to_be_sent(self, peer: Receiver) -> None:
        subscribed(peer.url)
        happens()
        Delivery.objects.update(created_at=timezone.now() - timedelta(days=365))

        assert outbox.expire_bodies() == 0


def replay(subscription: Subscription) -> sending.ReplayedRange:
    with context.acting(OPERATOR):
        return sending.replay_given_up(
            subscription_id=subscription.pk, since=NOON, until=NOON + HOUR
        )


def replayed(number: int, *, more: bool = False) -> sending.ReplayedRange:
    return sending.ReplayedRange(replayed=number, more=more)


def given_up(*deliveries: Delivery, status: DeliveryStatus = DeliveryStatus.FAILED) -> None:
    """End them, as their work would: it has nothing left to do."""
    ids = [each.pk for each in deliveries]
    Delivery.objects.filter(pk__in=ids).update(status=status, finished_at=timezone.now())


def at(moment: datetime, *deliveries: Delivery) -> None:
    Delivery.objects.filter(pk__in=[each.pk for each in deliveries]).update(created_at=moment)


def let_pass(delivery: Delivery, time: timedelta) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(finished_at=timezone.now() - time)
