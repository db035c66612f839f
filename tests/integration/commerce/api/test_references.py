import pytest
from rest_framework.test import APIClient

NOBODY = "01a1f000-0000-7000-8000-000000000000"
CONTACT = {"name": "Ada"}
MONEY = {"amount_cents": 1, "currency": "EUR", "reason": "x"}


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("slots", {"product_id": NOBODY, "starts_at": "2030-01-01T00:00:00Z"}, "/product_id"),
        (
            "bookings",
            {"items": [{"slot_id": NOBODY, "quantity": 1}], "pax": 1, "contact": CONTACT},
            "/items/0/slot_id",
        ),
        ("invoices", {"booking_id": NOBODY}, "/booking_id"),
        ("credit-notes", {"invoice_id": NOBODY, **MONEY}, "/invoice_id"),
        (
            "refunds",
            {"payment_id": NOBODY, "amount_cents": 1, "method": "cash", "reason": "x"},
            "/payment_id",
        ),
    ],
)
def test_a_body_that_names_what_is_not_there_is_told_where(
    admin: APIClient, path: str, body: dict[str, object], pointer: str
) -> None:
    answer = admin.post(f"/api/v1/{path}", body)

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
