"""Whatever is done with money in whatever order, the books and the ledger add up."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from commerce.domain.refunds import BY_HAND
from commerce.models import Chargeback, CreditNote, Payment, PaymentMethod, Refund
from commerce.services import bookings, payments, refunds, surpluses
from events.domain.errors import DomainError
from ledger.models import Entry
from tests.integration.commerce.acting import work_off_all
from tests.integration.commerce.charging_back import claim_back, end, nothing_is_wrong
from tests.integration.commerce.undoing import undo

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = 12


class Trade:
    """One booking, and everything that can be done with its money."""

    def __init__(self, captured: Payment, draw: random.Random) -> None:
        self.captured, self.draw = captured, draw
        self.invoice_id = captured.invoice_id
        self.booking_id = captured.invoice.booking_id
        self.claims: list[str] = []

    def cents(self) -> int:
        return self.draw.choice([1, 3_333, 4_999, 12_000, 24_000, self.draw.randint(1, 25_000)])

    def pay(self) -> None:
        payments.record_payment(
            invoice_id=self.invoice_id,
            amount_cents=self.cents(),
            currency="EUR",
            method=PaymentMethod.BANK_TRANSFER,
        )

    def undo_something(self) -> None:
        of = ["payment.record", "payment.capture", "invoice.issue", "chargeback.resolve"]
        entry = self.draw.choice(list(Entry.objects.filter(action_name__in=of).order_by("pk")))
        asked: dict[str, Any] = {}
        if self.draw.random() < 0.6:
            asked["amount_cents"] = self.cents()
        if entry.action_name == "invoice.issue" and self.draw.random() < 0.8:
            asked["command"] = "invoice.credit"
        if entry.action_name == "payment.capture" and self.draw.random() < 0.3:
            asked["command"] = "payment.refund"
        undo(entry, **asked)

    def refund(self) -> None:
        notes = [None, *CreditNote.objects.order_by("pk")]
        note = self.draw.choice(notes)
        refunds.request_refund(
            payment_id=self.draw.choice(list(Payment.objects.order_by("pk"))).pk,
            amount_cents=self.cents(),
            method=self.draw.choice(BY_HAND),
            reason="Rain",
            credit_note_id=note.pk if note else None,
            with_credit_note=note is None and self.draw.random() < 0.5,
        )

    def credit(self) -> None:
        refunds.issue_credit_note(
            invoice_id=self.invoice_id, amount_cents=self.cents(), currency="EUR", reason="Rain"
        )

    def end_a_refund(self) -> None:
        pending = list(Refund.objects.filter(status="pending").order_by("pk"))
        if not pending:
            return
        refund = self.draw.choice(pending)
        if self.draw.random() < 0.5:
            refunds.settle_refund(refund_id=refund.pk)
        else:
            refunds.fail_refund(refund_id=refund.pk, reason="The account is closed.")

    def cancel(self) -> None:
        bookings.cancel_booking(booking_id=self.booking_id, reason="Rain")

    def claim(self) -> None:
        self.claims.append(f"cb_{len(self.claims)}")
        claim_back(self.captured, self.cents(), self.claims[-1])
        work_off_all(1)

    def end_a_claim(self) -> None:
        if self.claims:
            end(self.draw.choice(["won", "lost", "withdrawn"]), self.draw.choice(self.claims))

    def return_a_surplus(self) -> None:
        found = list(Chargeback.objects.order_by("pk"))
        if found:
            surpluses.refund_surplus(
                chargeback_id=self.draw.choice(found).pk,
                amount_cents=self.cents(),
                method=self.draw.choice(BY_HAND),
                reason="Paid twice",
            )

    def work(self) -> None:
        work_off_all(1)


@pytest.mark.parametrize("seed", range(2))
def test_adds_up_after_every_step(captured: Payment, seed: int) -> None:
    trade = Trade(captured, random.Random(seed))  # noqa: S311 (dice of a test)
    acts: list[Callable[[], None]] = [
        trade.pay,
        trade.undo_something,
        trade.undo_something,
        trade.refund,
        trade.credit,
        trade.end_a_refund,
        trade.end_a_refund,
        trade.cancel,
        trade.claim,
        trade.end_a_claim,
        trade.return_a_surplus,
        trade.work,
    ]
    done = []
    for _ in range(STEPS):
        act = trade.draw.choice(acts)
        try:
            act()
        except DomainError as refusal:
            done.append(f"{act.__name__}: {refusal.code}")
        else:
            done.append(act.__name__)
        assert nothing_is_wrong(), done
