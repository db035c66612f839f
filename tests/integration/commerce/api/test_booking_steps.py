"""Every step from every status, as an integrator takes it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from commerce.models import Booking, Slot
from config.testing.flush import put_all_right
from config.testing.retelling import Step, record
from events import context
from tests.integration.commerce.acting import CLERK
from tests.integration.commerce.api.test_bookings import asked
from tests.integration.commerce.conftest import Beginnings
from tests.integration.ledger.conftest import client_with, issue

ENDS = {
    "hold": "on_hold",
    "await-payment": "awaiting_payment",
    "confirm": "confirmed",
    "start": "in_progress",
    "complete": "completed",
    "expire": "expired",
    "cancel": "cancelled",
}
WAYS: dict[str, tuple[str, ...]] = {
    "draft": (),
    "on_hold": ("hold",),
    "awaiting_payment": ("await-payment",),
    "confirmed": ("confirm",),
    "in_progress": ("confirm", "start"),
    "completed": ("confirm", "start", "complete"),
    "expired": ("hold", "expire"),
    "cancelled": ("cancel",),
}
MAY = {
    "draft": {"hold", "await-payment", "confirm", "cancel"},
    "on_hold": {"await-payment", "confirm", "expire", "cancel"},
    "awaiting_payment": {"confirm", "expire", "cancel"},  # To confirm it, once it is paid.
    "confirmed": {"start", "cancel"},
    "in_progress": {"complete", "cancel"},
    "completed": set(),
    "expired": set(),
    "cancelled": set(),
}
KEEPS_SEATS = {"on_hold", "awaiting_payment", "confirmed", "in_progress", "completed"}


def take(client: APIClient, url: str, step: str) -> Any:
    bodies: dict[str, Any] = {
        "cancel": {"reason": "Plans changed"},
        "hold": {},
        "await-payment": {},
    }
    return client.post(f"{url}/{step}", bodies.get(step))


def gone(slot: Slot, way: tuple[str, ...]) -> tuple[str, str]:
    """Book, take these steps, and return the key with which it was done, and the address."""
    secret = issue(User.objects.create_superuser("root"), ["*"])[0]
    client = client_with(secret)
    url = client.post("/api/v1/bookings", asked(slot))["Location"]
    for step in way:
        assert take(client, url, step).status_code == 200
    return secret, url


@pytest.fixture(scope="module")
def ways(_beginnings: Beginnings, django_db_blocker: Any) -> dict[str, Step[tuple[str, str]]]:
    """Each way, gone once for all the tests that begin at its end."""
    found = {}
    with django_db_blocker.unblock(), context.acting(CLERK, correlation_id="cor_test"):
        put_all_right()
        for status, way in WAYS.items():
            _beginnings.policy.tell()
            _beginnings.product.tell()
            slot = _beginnings.slot.tell()
            found[status] = record(f"way_to_{status}", lambda: gone(slot, way))  # noqa: B023
            put_all_right()
    return found


@pytest.mark.parametrize("step", ENDS)
@pytest.mark.parametrize("status", WAYS)
def test_a_step_is_taken_where_it_makes_sense_and_nowhere_else(
    ways: dict[str, Step[tuple[str, str]]], slot: Slot, status: str, step: str
) -> None:
    secret, url = ways[status].tell()
    before = Booking.objects.get()
    assert before.status == status

    answer = take(client_with(secret), url, step)

    after = Booking.objects.get()
    if (status, step) == ("awaiting_payment", "confirm"):
        assert answer.json()["code"] == "payment_outstanding"
        assert (after.status, after.revision) == (status, before.revision)
    elif step in MAY[status]:
        assert answer.status_code == 200
        assert (after.status, after.revision) == (ENDS[step], before.revision + 1)
    else:
        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid_booking_transition"
        assert {ENDS[each] for each in MAY[status]} == set(answer.json()["facts"]["allowed"])
        assert (after.status, after.revision) == (status, before.revision)
    taken = Slot.objects.get(pk=slot.pk)
    assert taken.capacity is not None
    assert taken.remaining == taken.capacity - (2 if after.status in KEEPS_SEATS else 0)
