"""An external event and its deliveries are committed together, or neither is."""

import json
import threading
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from events import bus, context
from events.domain.envelope import Envelope
from tests.integration.workflows.webhooks.conftest import (
    OPERATOR,
    happens,
    subscribed,
    the_delivery,
)
from tests.peers import Receiver
from workflows.webhooks.models import Delivery, DeliveryStatus
from workflows.webhooks.services import subscriptions
from workflows.work import queue
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_S = 10


class TestTakeIn:
    def test_writes_one_delivery_and_one_piece_of_work_per_subscription(
        self, peer: Receiver
    ) -> None:
        first, _ = subscribed(peer.url)
        second, _ = subscribed(peer.url, "parcel.sent", "parcel.lost")
        subscribed(peer.url, "parcel.lost")

        envelope = happens()

        deliveries = Delivery.objects.order_by("subscription__created_at")
        assert [each.subscription_id for each in deliveries] == [first.pk, second.pk]
        assert {each.event_id for each in deliveries} == {envelope.event_id}
        assert set(Work.objects.values_list("id", flat=True)) == {each.pk for each in deliveries}
        assert peer.received == []

    def test_carries_what_the_contract_names(self, peer: Receiver) -> None:
        subscribed(peer.url)

        envelope = happens()

        assert json.loads(the_delivery().body) == {
            "name": "parcel.sent",
            "data": {"parcelId": "p1", "weightGrams": 500, "reference": "[REDACTED]"},
            "metadata": {
                "eventId": envelope.event_id,
                "version": 1,
                "correlationId": envelope.correlation_id,
            },
            "emittedAt": envelope.as_json()["emittedAt"],
        }

    def test_leaves_nothing_behind_when_the_event_is_rolled_back(self, peer: Receiver) -> None:
        subscribed(peer.url)

        with transaction.atomic():
            happens()
            transaction.set_rollback(True)

        assert not Delivery.objects.exists()
        assert not Work.objects.exists()

    def test_passes_over_events_that_are_not_for_export(self, peer: Receiver) -> None:
        subscribed(peer.url)

        happens("parcel.weighed")

        assert not Delivery.objects.exists()

    def test_asks_who_listens_anew_each_time(self, peer: Receiver) -> None:
        happens(parcel="before anybody listened")
        subscription, _ = subscribed(peer.url)
        happens(parcel="heard")
        subscriptions.disable_subscription(subscription_id=subscription.pk)
        happens(parcel="while paused")
        subscriptions.enable_subscription(subscription_id=subscription.pk)
        subscriptions.update_subscription(subscription_id=subscription.pk, events=["parcel.lost"])
        happens(parcel="deselected")
        subscriptions.delete_subscription(subscription_id=subscription.pk)
        happens("parcel.lost", parcel="after the end")

        assert json.loads(the_delivery().body)["data"]["parcelId"] == "heard"

    def test_costs_one_statement_when_nobody_listens(self) -> None:
        def statements(name: str) -> int:
            with CaptureQueriesContext(connection) as queries:
                happens(name)
            return len(queries)

        happens()  # What is set up once is set up.

        assert statements("parcel.sent") == statements("parcel.weighed") + 1

    def test_costs_no_round_trip_when_nobody_listens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        wait, trips = psycopg.Connection.wait, list[object]()

        def counted(raw: Any, *args: Any) -> Any:
            trips.append(raw)
            return wait(raw, *args)

        def round_trips(name: str) -> int:
            trips.clear()
            happens(name)
            return len(trips)

        happens()  # What is set up once is set up.
        happens("parcel.weighed")
        monkeypatch.setattr(psycopg.Connection, "wait", counted)

        assert round_trips("parcel.sent") == round_trips("parcel.weighed")

    def test_is_not_held_up_by_who_changes_a_subscription(self, peer: Receiver) -> None:
        subscription, _ = subscribed(peer.url)
        was_done: list[bool] = []

        def happen() -> None:
            happens()
            connection.close()

        def meanwhile(_changed: Envelope) -> None:
            other = threading.Thread(target=happen)
            other.start()
            other.join(PATIENCE_S)
            was_done.append(not other.is_alive())

        hook = bus.before_commit("webhook.subscription.updated", meanwhile)
        try:
            with context.acting(OPERATOR):
                subscriptions.update_subscription(
                    subscription_id=subscription.pk, description="Ours"
                )
        finally:
            hook.unsubscribe()

        assert was_done == [True]
        assert the_delivery().subscription_id == subscription.pk


class TestDrop:
    def test_ends_the_delivery_whose_job_is_cancelled(self, peer: Receiver) -> None:
        subscribed(peer.url)
        happens()
        delivery = the_delivery()

        with transaction.atomic():
            queue.cancel(delivery.pk, reason="not wanted")

        delivery.refresh_from_db()
        assert delivery.status == DeliveryStatus.ABANDONED
        assert delivery.finished_at is not None
