"""Dates that databases take and no business means are refused, each at its place in the body."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from commerce.models import Booking, Invoice, Payment, PaymentMethod, Product, Slot
from commerce.services import payments
from tests.integration.commerce.charging_back import note

FIRST, LAST = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"


def refusal(client: APIClient, path: str, body: dict[str, Any]) -> tuple[int, str, str]:
    """Return status, code and pointer of what is answered."""
    answer = client.post(f"/api/v1/{path}", body)
    problem = answer.json()
    return answer.status_code, problem["code"], problem["errors"][0]["pointer"]


@pytest.mark.parametrize("when", [FIRST, LAST])
class TestDatesBeyondTheHorizon:
    def test_are_no_departures(self, admin: APIClient, product: Product, when: str) -> None:
        asked = {"product_id": str(product.pk), "starts_at": when}

        assert refusal(admin, "slots", asked) == (422, "beyond_horizon", "/starts_at")
        assert not Slot.objects.exists()

    @pytest.mark.parametrize("step", ["hold", "await-payment"])
    def test_keep_no_seats(self, admin: APIClient, booking: Booking, when: str, step: str) -> None:
        path, asked = f"bookings/{booking.pk}/{step}", {"hold_expires_at": when}

        assert refusal(admin, path, asked) == (422, "beyond_horizon", "/hold_expires_at")

    def test_keep_no_seats_by_a_correction(
        self, admin: APIClient, confirmed: Booking, when: str
    ) -> None:
        asked = {"to": "on_hold", "reason": "A slip.", "hold_expires_at": when}
        path = f"bookings/{confirmed.pk}/override"

        assert refusal(admin, path, asked) == (422, "beyond_horizon", "/hold_expires_at")

    def test_are_no_due_dates(self, admin: APIClient, booking: Booking, when: str) -> None:
        asked = {"booking_id": str(booking.pk), "due_date": when[:10]}

        assert refusal(admin, "invoices", asked) == (422, "beyond_horizon", "/due_date")

    def test_are_not_when_somebody_paid(
        self, admin: APIClient, invoice: Invoice, when: str
    ) -> None:
        asked = {"amount_cents": 1, "currency": "EUR", "method": "cash", "paid_at": when}
        path = f"invoices/{invoice.pk}/payments"

        assert refusal(admin, path, asked) == (422, "beyond_horizon", "/paid_at")
        assert not Payment.objects.exists()

    def test_are_not_when_a_chargeback_ended(
        self, admin: APIClient, captured: Payment, when: str
    ) -> None:
        path = f"chargebacks/{note(captured).pk}"
        asked = {"reason": "Letter.", "occurred_at": when}
        expected = (422, "beyond_horizon", "/occurred_at")

        assert refusal(admin, f"{path}/review", asked) == expected
        assert refusal(admin, f"{path}/resolve", {**asked, "status": "won"}) == expected


def test_a_departure_does_not_end_beyond_the_horizon(admin: APIClient, product: Product) -> None:
    asked = {
        "product_id": str(product.pk),
        "starts_at": (timezone.now() + timedelta(days=1)).isoformat(),
        "ends_at": LAST,
    }

    assert refusal(admin, "slots", asked) == (422, "beyond_horizon", "/ends_at")


def test_nobody_has_paid_tomorrow(admin: APIClient, invoice: Invoice) -> None:
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    asked = {"amount_cents": 1, "currency": "EUR", "method": "cash"}
    announced = payments.record_payment(
        invoice_id=invoice.pk,
        amount_cents=1,
        currency="EUR",
        method=PaymentMethod.CASH,
        is_pending=True,
    )
    expected = (422, "still_to_come", "/paid_at")

    path = f"invoices/{invoice.pk}/payments"
    assert refusal(admin, path, {**asked, "paid_at": tomorrow}) == expected
    path = f"payments/{announced.pk}/complete"
    assert refusal(admin, path, {"paid_at": tomorrow}) == expected
