"""The payment provider: ask for money, hear what was paid, give money back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from commerce import conf
from commerce.domain.settlement import SettlementReport
from commerce.ports import http

PEER = "payment provider"
DEMO = "demo"


class PaymentProvider(Protocol):
    """What we ask of a payment provider. Calls raise as `ports.http.call` does."""

    def request(
        self, *, amount_cents: int, currency: str, reference: str, key: str
    ) -> SettlementReport:
        """Ask for money; the same key asks once."""

    def poll(self, external_id: str) -> SettlementReport:
        """Return what is known about a payment."""

    def refund(self, capture_ref: str, *, amount_cents: int, key: str) -> str:
        """Give captured money back and return the provider's reference; the same key, once."""


class HttpPaymentProvider:
    """The demo provider, which `up` serves."""

    def request(
        self, *, amount_cents: int, currency: str, reference: str, key: str
    ) -> SettlementReport:
        body = {"amount_cents": amount_cents, "currency": currency, "reference": reference}
        return _report(self._call("POST", "/payments", body=body, key=key))

    def poll(self, external_id: str) -> SettlementReport:
        return _report(self._call("GET", f"/payments/{external_id}"))

    def refund(self, capture_ref: str, *, amount_cents: int, key: str) -> str:
        body = {"amount_cents": amount_cents}
        answer = self._call("POST", f"/payments/{capture_ref}/refunds", body=body, key=key)
        return str(answer["id"])

    def _call(self, method: str, path: str, *, body: Any = None, key: str = "") -> Any:
        return http.call(
            PEER,
            method,
            conf.payment_url(),
            path,
            timeout_s=conf.PROVIDER_TIMEOUT_S,
            body=body,
            idempotency_key=key,
        )


PROVIDERS: Mapping[str, PaymentProvider] = {DEMO: HttpPaymentProvider()}


def _report(answer: dict[str, Any]) -> SettlementReport:
    return SettlementReport(
        external_id=answer["id"],
        external_number=answer["number"],
        external_url=answer["url"],
        status=answer["status"],
        paid_amount_cents=answer["paid_cents"],
        unpaid_amount_cents=answer["amount_cents"] - answer["paid_cents"],
        currency=answer["currency"],
        settled_at=_time(answer["settled_at"]),
        reference_number=answer["reference"],
        capture_id=answer["id"],
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
