"""A repeated request whose first response was lost is answered with the row as it is."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from commerce.domain.refunds import RefundMethod
from commerce.models import (
    CancellationPolicy,
    Chargeback,
    CreditNote,
    Invoice,
    Payment,
    PaymentMethod,
    Refund,
)
from commerce.services import payments, products, refunds
from ledger.models import IdempotencyKey
from tests.integration.commerce.charging_back import note

pytestmark = pytest.mark.django_db(transaction=True)


def twice(client: APIClient, url: str, body: dict[str, Any]) -> tuple[Any, Any]:
    """Send it, lose what was answered, and send it again under its key."""
    responses: list[Any] = []
    for _ in range(2):
        responses.append(client.post(url, body, format="json", headers={"Idempotency-Key": "once"}))
        IdempotencyKey.objects.update(response_status=None, response_headers={}, response_body=None)
    return responses[0], responses[1]


def assert_rebuilt(first: Any, again: Any) -> None:
    assert first.status_code in {200, 201}, first.content
    assert again.status_code == 200, again.content
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"


def test_of_a_product_that_is_gone_by_then(admin: APIClient) -> None:
    body = {"name": "Tour", "currency": "EUR", "sell_amount_cents": 100}
    headers = {"Idempotency-Key": "once"}
    made = admin.post("/api/v1/products", body, format="json", headers=headers)
    IdempotencyKey.objects.update(response_status=None, response_headers={}, response_body=None)
    products.delete_product(product_id=made.json()["id"])

    again = admin.post("/api/v1/products", body, format="json", headers=headers)

    assert (made.status_code, again.status_code) == (201, 409)
    assert again.json()["code"] == "idempotency_response_lost"


def test_of_a_payment(admin: APIClient, invoice: Invoice) -> None:
    announced = payments.record_payment(
        invoice_id=invoice.pk,
        amount_cents=100,
        currency="EUR",
        method=PaymentMethod.CASH,
        is_pending=True,
    )

    first, again = twice(admin, f"/api/v1/payments/{announced.pk}/fail", {"reason": "No"})

    assert_rebuilt(first, again)


def test_of_a_credit_note(admin: APIClient, invoice: Invoice) -> None:
    body: dict[str, Any] = {"invoice_id": str(invoice.pk), "amount_cents": 100, "currency": "EUR"}
    body["reason"] = "Too much"

    first, again = twice(admin, "/api/v1/credit-notes", body)

    assert_rebuilt(first, again)
    assert CreditNote.objects.count() == 1


def test_of_a_refund(admin: APIClient, paid: Payment) -> None:
    refund = refunds.request_refund(
        payment_id=paid.pk, amount_cents=100, method=RefundMethod.CASH, reason="x"
    )

    first, again = twice(admin, f"/api/v1/refunds/{refund.pk}/fail", {"reason": "x"})

    assert_rebuilt(first, again)
    assert Refund.objects.get().status == "failed"


def test_of_a_chargeback(admin: APIClient, captured: Payment) -> None:
    chargeback = note(captured)
    body = {"status": "lost", "reason": "They wrote."}

    first, again = twice(admin, f"/api/v1/chargebacks/{chargeback.pk}/resolve", body)

    assert_rebuilt(first, again)
    assert Chargeback.objects.get().status == "lost"


def test_of_a_cancellation_policy(admin: APIClient) -> None:
    rule = {"days_before": 0, "refund_type": "none"}
    body = {"name": "Strict", "currency": "EUR", "rules": [rule]}

    first, again = twice(admin, "/api/v1/cancellation-policies", body)

    assert_rebuilt(first, again)
    assert CancellationPolicy.objects.count() == 1
