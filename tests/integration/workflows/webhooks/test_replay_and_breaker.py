"""What stands around an attempt: the breaker of its endpoint, test messages, replays."""

import json
from datetime import timedelta

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
from tests.peers import Receiver, Reply
from workflows.webhooks import outbox, services
from workflows.webhooks.models import Delivery, DeliveryStatus, Endpoint, SubscriptionStatus
from workflows.work.domain.life import State

pytestmark = pytest.mark.django_db(transaction=True)

BROKEN: Reply = (500, {}, b"oops")


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


class TestTestMessage:
    def test_is_sent_once_and_changes_nothing_else(self, peer: Receiver) -> None:
        subscription, secret = subscribed(peer.url)
        peer.replies = [BROKEN]

        services.send_test(subscription_id=subscription.pk)
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

        again = services.replay_delivery(delivery_id=first.pk)
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

        services.replay_delivery(delivery_id=the_delivery().pk)
        work_off()

        assert json.loads(peer.received[1].body)["data"] == {"parcelId": "p1"}

    def test_refuses_what_the_subscription_no_longer_wants(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        happens()
        work_off()
        services.update_subscription(subscription_id=subscription.pk, events=["parcel.lost"])

        with pytest.raises(services.EventNoLongerSelected):
            services.replay_delivery(delivery_id=the_delivery().pk)

        assert Delivery.objects.count() == 1

    def test_refuses_when_the_subscription_is_switched_off(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        happens()
        services.disable_subscription(subscription_id=subscription.pk)

        with pytest.raises(services.SubscriptionInactive) as refusal:
            services.replay_delivery(delivery_id=the_delivery().pk)

        assert str(refusal.value) == f"Subscription {subscription.pk} is paused."

    def test_refuses_test_messages(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        test = services.send_test(subscription_id=subscription.pk)

        with pytest.raises(services.NothingToReplay):
            services.replay_delivery(delivery_id=test.pk)


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
            again = services.replay_delivery(delivery_id=old.pk)
        assert json.loads(again.body)["data"]["parcelId"] == "old"

    def test_is_kept_while_it_is_still_to_be_sent(self, peer: Receiver) -> None:
        subscribed(peer.url)
        happens()
        Delivery.objects.update(created_at=timezone.now() - timedelta(days=365))

        assert outbox.expire_bodies() == 0


def let_pass(delivery: Delivery, time: timedelta) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(finished_at=timezone.now() - time)
