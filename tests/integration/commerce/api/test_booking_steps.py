"""Every step from every status, as an integrator takes it."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from commerce.models import Booking, Slot
from tests.integration.commerce.api.test_bookings import asked

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

Take = Callable[[str], Any]


@pytest.fixture
def take(admin: APIClient, slot: Slot) -> Take:
    url = admin.post("/api/v1/bookings", asked(slot))["Location"]

    def step(name: str) -> Any:
        bodies: dict[str, Any] = {"cancel": {"reason": "Plans changed"}, "hold": {}}
        return admin.post(
            f"{url}/{name}", bodies.get(name, {} if name == "await-payment" else None)
        )

    return step


@pytest.mark.parametrize("step", ENDS)
@pytest.mark.parametrize("status", WAYS)
def test_a_step_is_taken_where_it_makes_sense_and_nowhere_else(
    take: Take, slot: Slot, status: str, step: str
) -> None:
    for name in WAYS[status]:
        assert take(name).status_code == 200
    before = Booking.objects.get()
    assert before.status == status

    answer = take(step)

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
