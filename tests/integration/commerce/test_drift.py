"""Whether the ledger and the trade's tables tell the same story."""

from functools import partial

import pytest

from commerce.domain.refunds import RefundMethod
from commerce.models import Booking, Payment, PaymentMethod, Slot, Traveller
from commerce.services import bookings, invoices, payments, refunds, travellers, vouchers
from ledger import drift
from ledger.services import erasures
from tests.integration.commerce.conftest import bill, book, open_slot, pay
from tests.support.tampering import tamper

pytestmark = pytest.mark.django_db

CASH = RefundMethod.CASH
WHY = "The sea was too rough."


def found() -> dict[str, tuple[int, int]]:
    """Return which checks found how many rows without entry, and entries without row."""
    return {
        each.check.name: (each.missing_count, each.unseen_count)
        for each in drift.find_drift()
        if not each.is_none
    }


def add_traveller(booking: Booking) -> Traveller:
    return travellers.add_traveller(
        booking_id=booking.pk, category="adult", personal={"first_name": "Ada"}
    )


@pytest.fixture(scope="module")
def history(_kept_for_a_module: None) -> None:
    """Bookings that went every way, and money that came and went."""
    slot = open_slot()
    paid = pay(bill(book(slot)))
    _travel_and_cancel(paid)
    _give_back(paid)
    held = book(slot, quantity=1)
    bookings.hold_booking(booking_id=held.pk)
    bookings.expire_booking(booking_id=held.pk)
    forgotten = add_traveller(book(slot, quantity=1))
    erasures.erase_subject(subject=f"traveller/{forgotten.pk}", reason="They asked.")
    alone = book(slot, quantity=1)
    travellers.remove_traveller(booking_id=alone.pk, traveller_id=add_traveller(alone).pk)
    _void(book(slot, quantity=1))


def _travel_and_cancel(paid: Payment) -> None:
    kept = paid.invoice.booking
    bookings.confirm_booking(booking_id=kept.pk)
    [item] = kept.items.all()
    voucher = vouchers.issue_voucher(booking_id=kept.pk, item_id=item.pk)
    vouchers.void_voucher(booking_id=kept.pk, code=voucher.code, reason="Lost.")
    vouchers.issue_voucher(booking_id=kept.pk, item_id=item.pk)
    add_traveller(kept)
    erased = add_traveller(kept)
    travellers.erase_traveller(booking_id=kept.pk, traveller_id=erased.pk)
    bookings.cancel_booking(booking_id=kept.pk, reason=WHY)


def _give_back(paid: Payment) -> None:
    note = refunds.issue_credit_note(
        invoice_id=paid.invoice_id, amount_cents=1_000, currency="EUR", reason=WHY
    )
    ask = partial(refunds.request_refund, payment_id=paid.pk, method=CASH, reason=WHY)
    first = ask(amount_cents=1_000, credit_note_id=note.pk)
    refunds.settle_refund(refund_id=first.pk)
    second = ask(amount_cents=500, with_credit_note=True)
    refunds.fail_refund(refund_id=second.pk, reason="The account is closed.")


def _void(booking: Booking) -> None:
    draft = invoices.create_invoice(booking_id=booking.pk)
    void = invoices.issue_invoice(invoice_id=draft.pk)
    pending = payments.record_payment(
        invoice_id=void.pk,
        amount_cents=100,
        currency="EUR",
        method=PaymentMethod.CASH,
        is_pending=True,
    )
    payments.fail_payment(payment_id=pending.pk, reason="It never came.")
    invoices.void_invoice(invoice_id=void.pk, reason=WHY)


def test_what_is_done_by_its_services_is_no_drift(history: None) -> None:
    assert Traveller.objects.filter(personal=None).count() == 2
    assert found() == {}


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        (
            (
                "UPDATE commerce_booking SET status = 'confirmed', confirmed_at = now()"
                " WHERE status = 'draft'"
            ),
            "booking_confirmed",
        ),
        (
            (
                "UPDATE commerce_payment SET status = 'completed', paid_at = now(),"
                " failure_reason = '' WHERE status = 'failed'"
            ),
            "payment_failed",
        ),
        ("DELETE FROM commerce_refund WHERE status = 'settled'", "refund_settled"),
        (
            "UPDATE commerce_voucher SET voided_at = NULL WHERE voided_because = 'Lost.'",
            "voucher_voided",
        ),
        ("DELETE FROM commerce_travellerpersonal", "traveller_forgotten"),
        (
            (
                "UPDATE commerce_invoice SET status = 'issued', voided_at = NULL,"
                " balance_due_cents = total_cents WHERE status = 'void'"
            ),
            "invoice_voided",
        ),
    ],
)
def test_what_was_changed_past_the_ledger_is_found(
    history: None, statement: str, check: str
) -> None:
    tamper(statement)

    assert check in found()


def test_only_what_was_cancelled_past_the_ledger_is_named(history: None) -> None:
    booking = book(Slot.objects.get(), quantity=1)
    tamper(
        "UPDATE commerce_booking SET status = 'cancelled', cancelled_at = now()"
        f" WHERE id = '{booking.pk}'"
    )

    [only] = [each for each in drift.find_drift() if not each.is_none]

    assert (only.check.name, only.sample_ids) == ("booking_cancelled", (str(booking.pk),))
    assert (only.missing_count, only.unseen_count) == (1, 0)
