"""Deliver what a payment provider has to tell, as its own delivery would."""

from typing import Any

from rest_framework.test import APIClient

URL = "/api/v1/payment-providers/demo/notifications"


def tell(message: dict[str, Any], **headers: str) -> Any:
    """Deliver what the provider keeps, byte for byte; `headers` as `webhook_id`."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {**message["headers"], **changed}
    client = APIClient(raise_request_exception=False)
    return client.generic(
        "POST", URL, message["body"], content_type="application/json", headers=sent
    )
