"""A payment provider: customers pay when told to, or some seconds after they were asked."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from examples.demo_peers.peer import NOT_FOUND, Answer, Call, Peer


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
    """

    name = "payment"

    def __init__(self, *, settle_after_s: float | None = None) -> None:
        self._settle_after_default = settle_after_s
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._payments: dict[str, Payment] = {}
        self._settle_after_s = self._settle_after_default

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
        if "settle_after_s" in body:
            self._settle_after_s = body["settle_after_s"]
        for payment in self._payments.values():
            if body.get("settle") in {payment.id, payment.reference}:
                payment.settle(int(body.get("amount_cents", payment.amount_cents)))

    def describe(self) -> dict[str, Any]:
        payments = [self._shown(each) for each in self._payments.values()]
        return {**super().describe(), "payments": payments}

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
        refunded = sum(refund["amount_cents"] for refund in payment.refunds)
        if amount_cents <= 0 or refunded + amount_cents > payment.paid_cents:
            return Answer(409, {"error": "more than was paid"})
        refund = {
            "id": f"re_{payment.id}_{len(payment.refunds) + 1}",
            "amount_cents": amount_cents,
        }
        payment.refunds.append(refund)
        return Answer(201, refund)

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
        }
