"""Attempts at a real receiver: what arrives, what is tried again, what is given up."""

import json
import logging
import socket
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from events import selectors as log
from tests.integration.workflows.webhooks.conftest import (
    happens,
    let_time_pass,
    subscribed,
    the_delivery,
    work_of,
    work_off,
)
from tests.peers import Receiver, Reply, raw_peer
from workflows.webhooks import delivery as delivering
from workflows.webhooks.models import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Endpoint,
    Subscription,
    SubscriptionStatus,
)
from workflows.webhooks.outbox import KIND
from workflows.webhooks.services import subscriptions
from workflows.work import leases
from workflows.work.domain.claim import ClaimLost
from workflows.work.domain.life import State
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

OK: Reply = (204, {}, b"")
BROKEN: Reply = (500, {}, b"oops")


class TestSuccess:
    def test_arrives_signed_and_is_on_record(self, peer: Receiver) -> None:
        _, secret = subscribed(peer.url)
        peer.replies = [(200, {"x-served-by": "a", "set-cookie": "sid=1"}, b"thanks")]
        envelope = happens()

        assert work_off() == 1

        delivery = the_delivery()
        assert delivery.status == DeliveryStatus.DELIVERED
        [received] = peer.received
        assert received.method == "POST"
        assert received.headers["content-type"] == "application/json"
        assert received.headers["webhook-id"] == delivery.message_id
        assert Webhook(secret).verify(received.body, received.headers) == json.loads(delivery.body)
        assert json.loads(received.body)["metadata"]["eventId"] == envelope.event_id
        assert work_of(delivery.pk).status == State.DONE

        attempt = Attempt.objects.get()
        assert (attempt.number, attempt.response_status) == (1, 200)
        assert attempt.response_excerpt == "thanks"
        assert attempt.response_headers["x-served-by"] == "a"
        assert attempt.response_headers["set-cookie"] == "[redacted]"
        assert attempt.body_hash == delivery.body_hash
        assert attempt.request_excerpt == delivery.body
        assert attempt.request_headers["webhook-signature"] == "[redacted]"
        assert secret not in str(attempt.__dict__)

    def test_verifies_with_the_old_and_the_new_secret_while_both_are_live(
        self, peer: Receiver
    ) -> None:
        subscription, old = subscribed(peer.url)
        _, new = subscriptions.rotate_secret(subscription_id=subscription.pk)
        happens()
        work_off()
        _, newest = subscriptions.rotate_secret(subscription_id=subscription.pk)
        happens()
        work_off()

        during, after = peer.received
        Webhook(old).verify(during.body, during.headers)
        Webhook(new).verify(during.body, during.headers)
        Webhook(new).verify(after.body, after.headers)
        Webhook(newest).verify(after.body, after.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(after.body, after.headers)

    def test_drops_the_old_secret_when_its_day_is_over(self, peer: Receiver) -> None:
        subscription, old = subscribed(peer.url)
        subscriptions.rotate_secret(subscription_id=subscription.pk)
        subscription.secrets.exclude(retires_at=None).update(retires_at=timezone.now())
        happens()

        work_off()

        assert len(peer.received[0].headers["webhook-signature"].split()) == 1
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(peer.received[0].body, peer.received[0].headers)


class TestRetry:
    def test_repeats_the_same_message_until_it_is_accepted(self, peer: Receiver) -> None:
        subscribed(peer.url)
        peer.replies = [BROKEN, (302, {"location": "/"}, b""), OK]
        happens()

        for _ in range(3):
            assert work_off() == 1
            let_time_pass()

        assert the_delivery().status == DeliveryStatus.DELIVERED
        assert len({received.body for received in peer.received}) == 1
        assert len({received.headers["webhook-id"] for received in peer.received}) == 1
        attempts = Attempt.objects.order_by("number").values_list("response_status", "error_class")
        assert list(attempts) == [(500, "5xx"), (302, "4xx"), (204, "")]

    def test_waits_as_the_schedule_says(self, peer: Receiver) -> None:
        began = timezone.now()
        subscribed(peer.url)
        peer.replies = [BROKEN]
        happens()
        work_off()
        first = the_delivery().next_attempt_at
        let_time_pass()
        work_off()
        second = the_delivery().next_attempt_at

        assert first is not None
        assert second is not None
        ended = timezone.now()
        assert began < first < ended + timedelta(seconds=6)
        assert began + timedelta(minutes=4) < second < ended + timedelta(minutes=6)
        due_at = work_of(the_delivery().pk).due_at
        assert abs(due_at - second) < timedelta(minutes=1)
        assert work_of(the_delivery().pk).status == State.SCHEDULED

    @pytest.mark.parametrize("status", [429, 503])
    def test_honours_retry_after(self, peer: Receiver, status: int) -> None:
        subscribed(peer.url)
        peer.replies = [(status, {"retry-after": "600"}, b"")]
        happens()

        work_off()

        waits = the_delivery().next_attempt_at
        assert waits is not None
        assert timedelta(minutes=9) < waits - timezone.now() <= timedelta(minutes=10)
        assert Attempt.objects.get().error_class == ("rate_limited" if status == 429 else "5xx")

    def test_takes_silence_for_a_timeout(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(delivering, "DEADLINE_SECONDS", 0.2)

        def be_silent(connection: socket.socket) -> None:
            while connection.recv(1 << 16):
                continue

        with raw_peer(be_silent) as port:
            subscribed(f"http://127.0.0.1:{port}/")
            happens()
            work_off()

        attempt = Attempt.objects.get()
        assert (attempt.error_class, attempt.response_status) == ("timeout", None)
        assert attempt.error in {
            "The call failed: the deadline passed.",
            # On a busy machine it may not even have connected by then.
            "The call failed: its name could not be resolved in time.",
            "The call failed: it does not accept connections.",
        }
        assert the_delivery().status == DeliveryStatus.PENDING

    def test_goes_on_where_a_killed_worker_stopped(self, peer: Receiver) -> None:
        # The worker dies after the call: its claim runs out, nothing of the attempt is on record.
        subscribed(peer.url)
        happens()
        [lost] = leases.claim_next(worker="killed", kinds=[KIND])
        expire(lost.id)

        assert leases.expire(limit=10) == {lost.id: State.RETRY}
        assert work_off() == 1

        assert the_delivery().status == DeliveryStatus.DELIVERED
        assert len(peer.received) == 1

    def test_leaves_only_the_log_row_of_an_attempt_that_came_too_late(self, peer: Receiver) -> None:
        subscribed(peer.url)
        happens()
        [slow] = leases.claim_next(worker="slow", kinds=[KIND])
        expire(slow.id)
        leases.expire(limit=10)
        work_off()

        delivering_again = Delivery.objects.get()
        Delivery.objects.update(status=DeliveryStatus.PENDING, finished_at=None)
        with pytest.raises(ClaimLost):
            delivering.attempt(slow)

        assert Attempt.objects.count() == 2
        assert work_of(delivering_again.pk).status == State.DONE
        assert Delivery.objects.get().status == DeliveryStatus.PENDING


class TestGivingUp:
    def test_comes_after_three_days_with_an_event_and_a_dead_letter(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        peer.replies = [BROKEN]
        happens()
        work_off()
        Delivery.objects.update(created_at=timezone.now() - timedelta(days=3))
        let_time_pass()
        Endpoint.objects.all().delete()

        work_off()

        delivery = the_delivery()
        assert delivery.status == DeliveryStatus.FAILED
        assert (delivery.error_class, delivery.error) == ("5xx", "The receiver answered 500.")
        assert work_of(delivery.pk).status == State.DEAD
        *_, last = log.stream_events(("webhook", str(subscription.pk)))
        assert last.name == "webhook.delivery.failed"
        assert last.data == {
            "subscriptionId": str(subscription.pk),
            "deliveryId": str(delivery.pk),
            "eventId": delivery.event_id,
            "eventName": "parcel.sent",
            "errorClass": "5xx",
            "error": "The receiver answered 500.",
            "attempts": 2,
        }
        subscription.refresh_from_db()
        assert subscription.standing == SubscriptionStatus.ACTIVE

    def test_switches_off_a_subscription_that_has_accepted_nothing_for_days(
        self, peer: Receiver, caplog: pytest.LogCaptureFixture
    ) -> None:
        subscription, _ = subscribed(peer.url)
        peer.replies = [BROKEN]
        happens()
        happens()
        Delivery.objects.update(created_at=timezone.now() - timedelta(days=3))
        Subscription.objects.update(failing_since=timezone.now() - timedelta(days=2, hours=1))

        with caplog.at_level(logging.ERROR, "workflows.webhooks.delivery"):
            work_off()

        subscription.refresh_from_db()
        assert subscription.standing == SubscriptionStatus.FAILING
        assert "A webhook subscription was disabled." in caplog.messages
        names = [event.name for event in log.stream_events(("webhook", str(subscription.pk)))]
        assert names[-2:] == ["webhook.delivery.failed", "webhook.subscription.disabled"]
        statuses = set(Delivery.objects.values_list("status", flat=True))
        assert statuses == {DeliveryStatus.FAILED, DeliveryStatus.ABANDONED}
        assert len(peer.received) == 1

    def test_a_success_makes_failures_start_anew(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        peer.replies = [BROKEN, OK]
        happens()
        work_off()
        subscription.refresh_from_db()
        assert subscription.failing_since is not None
        assert subscription.version == 2

        let_time_pass()
        work_off()

        subscription.refresh_from_db()
        assert subscription.version == 3
        assert subscription.failing_since is None

    def test_410_switches_the_subscription_off_at_once(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        peer.replies = [(410, {}, b"")]
        happens()

        work_off()

        subscription.refresh_from_db()
        assert subscription.standing == SubscriptionStatus.GONE
        assert subscription.version == 3, "failing, then gone"
        assert the_delivery().status == DeliveryStatus.FAILED
        assert work_of(the_delivery().pk).status == State.DONE
        *_, last = log.stream_events(("webhook", str(subscription.pk)))
        assert last.name == "webhook.subscription.disabled"
        assert last.data["reason"] == "gone"

    def test_refuses_a_private_address_once_and_for_all(
        self, peer: Receiver, settings: Settings
    ) -> None:
        # It was public when it was subscribed; its name leads inside by now.
        subscribed(peer.url)
        settings.HTTP_ALLOW = []
        happens()

        work_off()

        attempt = Attempt.objects.get()
        assert attempt.error_class == "refused"
        assert attempt.error == "The call was refused: it leads to an address that is not public."
        assert attempt.response_status is None
        assert the_delivery().status == DeliveryStatus.FAILED
        assert work_of(the_delivery().pk).status == State.DEAD
        assert peer.received == []

    def test_does_not_send_what_it_cannot_sign(self, peer: Receiver, settings: Settings) -> None:
        subscribed(peer.url)
        happens()
        settings.SECRET_KEY = "another-" * 8

        work_off()

        assert Attempt.objects.get().error_class == "refused"
        assert peer.received == []

    def test_signs_on_when_the_secret_key_was_changed_with_a_fallback(
        self, peer: Receiver, settings: Settings
    ) -> None:
        subscribed(peer.url)
        happens()
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another-" * 8

        work_off()

        assert the_delivery().status == DeliveryStatus.DELIVERED

    @pytest.mark.parametrize("change", ["disable", "deselect", "delete"])
    def test_abandons_what_is_no_longer_wanted_when_its_turn_comes(
        self, peer: Receiver, change: str
    ) -> None:
        subscription, _ = subscribed(peer.url)
        happens()
        match change:
            case "disable":
                subscriptions.disable_subscription(subscription_id=subscription.pk)
            case "deselect":
                subscriptions.update_subscription(
                    subscription_id=subscription.pk, events=["parcel.lost"]
                )
            case "delete":
                subscriptions.delete_subscription(subscription_id=subscription.pk)

        work_off()

        assert the_delivery().status == DeliveryStatus.ABANDONED
        assert work_of(the_delivery().pk).status == State.DONE
        assert peer.received == []

    def test_abandons_what_is_deleted_while_its_turn_is_there(
        self, peer: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscription, _ = subscribed(peer.url)
        happens()

        def delete(reached: str) -> None:
            if reached == delivering.BEFORE_CALL:
                subscriptions.delete_subscription(subscription_id=subscription.pk)

        monkeypatch.setattr(delivering, "failpoint", delete)
        work_off()

        assert the_delivery().status == DeliveryStatus.ABANDONED
        assert work_of(the_delivery().pk).status == State.DONE
        assert peer.received == []


class TestDeliveryLog:
    def test_refuses_to_be_rewritten(self, peer: Receiver) -> None:
        subscribed(peer.url)
        happens()
        work_off()

        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            Attempt.objects.update(response_status=200)
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            Attempt.objects.all().delete()


def expire(work_id: UUID) -> None:
    """Let the lease of a claim run out."""
    Work.objects.filter(pk=work_id).update(lease_until=timezone.now() - timedelta(seconds=1))
