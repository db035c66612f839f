"""A booking with its invoice on a running Daybook, made as an integrator makes it."""

from typing import Any
from uuid import uuid4

import httpx2

API = "/api/v1"


def post(client: httpx2.Client, path: str, body: Any = None) -> Any:
    """Do it under a key, and return what was answered."""
    key = {"Idempotency-Key": str(uuid4())}
    answer = client.post(f"{API}{path}", json=body or {}, headers=key)
    assert answer.is_success, answer.text
    return answer.json()


def booked(client: httpx2.Client, contact: dict[str, Any]) -> str:
    """Return the id of a booking of somebody, with seats held."""
    about = {"name": "A walk", "currency": "EUR", "sell_amount_cents": 100, "status": "active"}
    product = post(client, "/products", about)
    when = {"product_id": product["id"], "starts_at": "2099-01-01T10:00:00Z", "capacity": 10}
    slot = post(client, "/slots", when)
    items = [{"slot_id": slot["id"], "quantity": 1}]
    booking = post(client, "/bookings", {"items": items, "pax": 1, "contact": contact})
    post(client, f"/bookings/{booking['id']}/hold")
    return str(booking["id"])


def invoiced(client: httpx2.Client, booking: str) -> dict[str, Any]:
    """Return the invoice of a booking, issued."""
    invoice = post(client, "/invoices", {"booking_id": booking})
    return dict(post(client, f"/invoices/{invoice['id']}/issue"))
