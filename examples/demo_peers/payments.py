"""A payment provider: customers pay when told to, or some seconds after they were asked.

Sometimes a bank wants the money back: then the provider takes it, and tells so by itself.
"""

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from examples.demo_peers.peer import NOT_FOUND, Answer, Call, Peer

_NOTIFY_SECONDS_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """Where the provider's messages go, and the secret (`whsec_…`) that signs them.

    Without an address they are kept only: whoever looks at `/control` can deliver them.
    """

    secret: str
    url: str = ""

    def sealed(self, id_: str, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message as Standard Webhooks has it: its exact text, and its headers."""
        text = json.dumps(message)
        at = str(int(time.time()))
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = hmac.new(key, f"{id_}.{at}.{text}".encode(), hashlib.sha256).digest()
        headers = {
            "webhook-id": id_,
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        }
        return {"headers": headers, "body": text}

    def deliver(self, message: dict[str, Any]) -> int | None:
        """Send a message; return how it was answered, None if nobody answered."""
        if not self.url.startswith("http"):
            return None
        headers = {**message["headers"], "Content-Type": "application/json"}
        asked = urllib.request.Request(
            self.url, data=message["body"].encode(), headers=headers, method="POST"
        )
        try:
            with urllib.request.urlopen(asked, timeout=_NOTIFY_SECONDS_MAX) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            return None


@dataclass
class Payment:
    id: str
    number: str
    amount_cents: int
    currency: str
    reference: str
    asked_at: float
    paid_cents: int = 0
    settled_at: str | None = None
    refunds: list[dict[str, Any]] = field(default_factory=list)
    chargebacks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> str:
        if self.paid_cents >= self.amount_cents:
            return "settled"
        return "partly_paid" if self.paid_cents else "open"

    def settle(self, amount_cents: int) -> None:
        """Let the customer pay so much more."""
        self.paid_cents = min(self.amount_cents, self.paid_cents + amount_cents)
        self.settled_at = datetime.now(UTC).isoformat()


class Payments(Peer):
    """POST /payments, GET /payments[/id], POST /payments/id/refunds.

    `/control` also takes {"settle": id or reference, "amount_cents": …} and
    {"settle_after_s": s}: whoever is asked from then on pays by itself; null switches it off.
    {"refuse_refunds": text} gives nothing back any more, and says so in these words.
    {"charge_back": id or reference, "amount_cents": …, "reason": …} lets a bank take money back,
    which is told to whoever listens; {"tell_again": id of the chargeback} tells it once more, and
    {"review": id of the chargeback} tells that the bank looks at it again, and
    {"resolve": id of the chargeback, "status": …, "reason": …} how it ended.
    """

    name = "payment"

    def __init__(
        self, *, settle_after_s: float | None = None, mailbox: Mailbox | None = None
    ) -> None:
        self._settle_after_default = settle_after_s
        self._mailbox = mailbox
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._payments: dict[str, Payment] = {}
        self._settle_after_s = self._settle_after_default
        self._told: list[dict[str, Any]] = []
        self._refusal = ""

    def handle(self, call: Call) -> Answer:
        match call.method, call.path:
            case "POST", ("payments",):
                return Answer(201, self._shown(self._ask(call.body)))
            case "GET", ("payments",):
                return Answer(200, [self._shown(each) for each in self._payments.values()])
            case "GET", ("payments", id_) if id_ in self._payments:
                return Answer(200, self._shown(self._payments[id_]))
            case "POST", ("payments", id_, "refunds") if id_ in self._payments:
                return self._refund(self._payments[id_], int(call.body["amount_cents"]))
            case _:
                return NOT_FOUND

    def control(self, body: dict[str, Any]) -> None:
        self._refusal = str(body.get("refuse_refunds", self._refusal))
        if "settle_after_s" in body:
            self._settle_after_s = body["settle_after_s"]
        for payment in self._payments.values():
            if body.get("settle") in {payment.id, payment.reference}:
                payment.settle(int(body.get("amount_cents", payment.amount_cents)))
            if body.get("charge_back") in {payment.id, payment.reference}:
                self._charge_back(payment, body)
            for chargeback in payment.chargebacks:
                if body.get("tell_again") == chargeback["id"]:
                    self._tell(chargeback)
                if body.get("review") == chargeback["id"]:
                    self._review(chargeback, body)
                if body.get("resolve") == chargeback["id"]:
                    self._resolve(chargeback, body)

    def describe(self) -> dict[str, Any]:
        payments = [self._shown(each) for each in self._payments.values()]
        return {**super().describe(), "payments": payments, "told": self._told}

    def _ask(self, body: dict[str, Any]) -> Payment:
        number = len(self._payments) + 1
        payment = Payment(
            id=f"pay_{time.time_ns():x}_{number}",
            number=f"P-{number:06d}",
            amount_cents=int(body["amount_cents"]),
            currency=str(body["currency"]),
            reference=str(body["reference"]),
            asked_at=time.monotonic(),
        )
        self._payments[payment.id] = payment
        return payment

    def _refund(self, payment: Payment, amount_cents: int) -> Answer:
        if self._refusal:
            return Answer(422, {"error": self._refusal})
        refunded = sum(refund["amount_cents"] for refund in payment.refunds)
        if amount_cents <= 0 or refunded + amount_cents > payment.paid_cents:
            return Answer(409, {"error": "more than was paid"})
        refund = {
            "id": f"re_{payment.id}_{len(payment.refunds) + 1}",
            "amount_cents": amount_cents,
        }
        payment.refunds.append(refund)
        return Answer(201, refund)

    def _charge_back(self, payment: Payment, wanted: dict[str, Any]) -> None:
        # A bank asks nobody, and does not look at what was refunded meanwhile.
        chargeback = {
            "id": f"cb_{payment.id}_{len(payment.chargebacks) + 1}",
            "payment_id": payment.id,
            "amount_cents": int(wanted.get("amount_cents", payment.paid_cents)),
            "currency": payment.currency,
            "reason": str(wanted.get("reason", "fraudulent")),
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        payment.chargebacks.append(chargeback)
        self._tell(chargeback)

    def _review(self, chargeback: dict[str, Any], wanted: dict[str, Any]) -> None:
        data = {
            "id": chargeback["id"],
            "reason": str(wanted.get("reason", "the merchant has sent evidence")),
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        self._tell(data, type_="payment.chargeback_under_review")

    def _resolve(self, chargeback: dict[str, Any], wanted: dict[str, Any]) -> None:
        ended = {
            "id": chargeback["id"],
            "status": str(wanted["status"]),
            "reason": str(wanted.get("reason", "the bank has decided")),
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        self._tell(ended, type_="payment.chargeback_resolved")

    def _tell(self, data: dict[str, Any], *, type_: str = "payment.charged_back") -> None:
        if self._mailbox is None:
            return
        at = datetime.now(UTC).isoformat()
        notification = {"type": type_, "timestamp": at, "data": data}
        message = self._mailbox.sealed(f"msg_{len(self._told)}_{data['id']}", notification)
        self._told.append({**message, "answered": self._mailbox.deliver(message)})

    def _shown(self, payment: Payment) -> dict[str, Any]:
        after = self._settle_after_s
        if after is not None and time.monotonic() - payment.asked_at >= after:
            payment.settle(payment.amount_cents - payment.paid_cents)
        return {
            "id": payment.id,
            "number": payment.number,
            "url": f"https://payments.example/{payment.id}",
            "status": payment.status,
            "amount_cents": payment.amount_cents,
            "paid_cents": payment.paid_cents,
            "currency": payment.currency,
            "reference": payment.reference,
            "settled_at": payment.settled_at,
            "refunds": payment.refunds,
            "chargebacks": payment.chargebacks,
        }
