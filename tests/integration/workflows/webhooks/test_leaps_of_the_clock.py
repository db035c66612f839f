"""What an attempt says of itself when the clock is set while it is under way."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.integration.workflows.webhooks.conftest import (
    happens,
    subscribed,
    the_delivery,
    work_off,
)
from tests.peers import Receiver
from workflows.webhooks import delivery
from workflows.webhooks.models import Attempt, DeliveryStatus

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_message_that_arrived_is_on_record_although_the_clock_was_set_back(
    peer: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribed(peer.url)
    happens()

    def set_back_after_the_call(point: str) -> None:
        if point == delivery.AFTER_CALL:
            earlier = timezone.now() - timedelta(hours=1)
            monkeypatch.setattr(timezone, "now", lambda: earlier)

    monkeypatch.setattr(delivery, "failpoint", set_back_after_the_call)

    assert work_off() == 1

    assert 0 <= Attempt.objects.get().duration_ms < 60_000
    assert the_delivery().status == DeliveryStatus.DELIVERED
