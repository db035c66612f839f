"""The payment provider: request a payment, query what was paid, reverse a capture."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

from django.utils import timezone

from commerce import conf
from commerce.domain.horizon import CLOCKS_DIFFER
from commerce.domain.money import AMOUNT_CENTS_MAX
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
        report = _report(self._call("GET", f"/payments/{_quoted(external_id)}"))
        if report.external_id != external_id:
            raise _misunderstood("it reports another payment than it was asked about")
        return report

    def refund(self, capture_ref: str, *, amount_cents: int, key: str) -> str:
        body = {"amount_cents": amount_cents}
        path = f"/payments/{_quoted(capture_ref)}/refunds"
        answer = self._call("POST", path, body=body, key=key)
        if not isinstance(answer, dict):
            raise _misunderstood("its answer is no refund")
        return _text(answer, "id")

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


def _quoted(id_: str) -> str:
    # Ids come from outside: what is a path or a query in them must not lead elsewhere.
    return quote(id_, safe="")


def _report(answer: Any) -> SettlementReport:
    """Read a report as far as it can be one: money is booked by it.

    :raises PeerUnavailable: if it cannot: the provider may say it better the next time.
    """
    if not isinstance(answer, dict):
        raise _misunderstood("its answer is no payment")
    asked_cents, paid_cents = _cents(answer, "amount_cents"), _cents(answer, "paid_cents")
    return SettlementReport(
        external_id=_text(answer, "id"),
        external_number=_text(answer, "number"),
        external_url=_text(answer, "url", chars_max=500),
        status=_text(answer, "status", chars_max=40),
        paid_amount_cents=paid_cents,
        unpaid_amount_cents=asked_cents - paid_cents,
        currency=_text(answer, "currency", chars_max=3),
        settled_at=_time(answer, "settled_at"),
        reference_number=_text(answer, "reference"),
        capture_id=_text(answer, "id"),
    )


def _cents(answer: dict[str, Any], name: str) -> int:
    value = answer.get(name)
    # JSON's true is an int of Python's.
    if type(value) is not int or not 0 <= value <= AMOUNT_CENTS_MAX:
        raise _misunderstood(f"its {name} is no amount")
    return value


def _text(answer: dict[str, Any], name: str, *, chars_max: int = 200) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= chars_max or "\0" in value:
        raise _misunderstood(f"its {name} is no text of 1 to {chars_max} characters")
    return value


def _time(answer: dict[str, Any], name: str) -> datetime | None:
    text = answer.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise _misunderstood(f"its {name} is no time") from error
    if moment.tzinfo is None:
        raise _misunderstood(f"its {name} has no offset")
    # Until when a capture can be taken back is counted from there.
    if moment > timezone.now() + CLOCKS_DIFFER:
        raise _misunderstood(f"its {name} is still to come")
    return moment


def _misunderstood(why: str) -> http.PeerUnavailable:
    return http.PeerUnavailable(PEER, why)
