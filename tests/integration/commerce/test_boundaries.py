"""No foreign key leads to what belongs to somebody else (I18)."""

import pytest

from commerce.domain.refunds import RefundMethod
from commerce.models import Booking, Invoice, Payment
from commerce.services import refunds, vouchers
from ledger import boundaries
from ledger.invariants.ownership import boundaries_hold
from tests.integration.commerce.conftest import MakeBooking, bill
from tests.support.tampering import tamper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def history(confirmed: Booking, paid: Payment, make_booking: MakeBooking) -> Booking:
    """A booking with everything that can hang on it; return another one."""
    [item] = confirmed.items.all()
    vouchers.issue_voucher(booking_id=confirmed.pk, item_id=item.pk)
    note = refunds.issue_credit_note(
        invoice_id=paid.invoice_id, amount_cents=100, currency="EUR", reason="Rain."
    )
    refunds.request_refund(
        payment_id=paid.pk,
        amount_cents=100,
        method=RefundMethod.CASH,
        reason="Rain.",
        credit_note_id=note.pk,
    )
    other = make_booking(quantity=1)
    bill(other)
    return other


def test_every_key_between_owned_rows_is_walked() -> None:
    walked = {str(each) for each in boundaries.crossings()}

    assert walked >= {
        "commerce.Voucher.item",
        "commerce.Refund.credit_note",
        "commerce.Allocation.item",
        "commerce.InvoiceLine.booking_item",
        "commerce.BookingItem.slot",
        "ledger.ApiKey.successor",
        "ledger.Delegation.parent",
        "ledger.Delegation.agent",
        "ledger.SocketTicket.key",
        "webhooks.Delivery.replay_of",
    }


def test_a_model_that_refers_to_an_owned_one_says_whose_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert boundaries.undeclared() == []
    others = {model: paths for model, paths in boundaries._PATHS.items() if model is not Invoice}
    monkeypatch.setattr(boundaries, "_PATHS", others)

    assert boundaries.undeclared() == ["commerce.Invoice.booking"]


def test_what_its_services_made_crosses_no_boundary(history: Booking) -> None:
    assert boundaries_hold() == []


@pytest.mark.parametrize(
    ("statement", "key"),
    [
        ("UPDATE commerce_voucher SET booking_id = '{other}'", "commerce.Voucher.item"),
        ("UPDATE commerce_allocation SET booking_id = '{other}'", "commerce.Allocation.item"),
        (
            "UPDATE commerce_creditnote SET invoice_id = '{invoice}'",
            "commerce.Refund.credit_note",
        ),
    ],
)
def test_a_key_that_leads_to_somebody_else_is_found(
    history: Booking, statement: str, key: str
) -> None:
    invoice = Invoice.objects.get(booking=history).pk

    tamper(statement.format(other=history.pk, invoice=invoice))

    assert any(each.startswith(f"{key}: ") for each in boundaries_hold())


def test_an_entry_of_another_tenant_is_found(booking: Booking) -> None:
    tamper("UPDATE ledger_entry SET organization_id = 'acme' WHERE action_name = 'booking.create'")

    [found] = boundaries_hold()
    assert found.endswith("is of another tenant: acme")


def test_an_entry_under_the_key_of_another_user_is_found(booking: Booking) -> None:
    tamper(
        "UPDATE ledger_entry SET idempotency_key = 'k', idempotency_scope = 'user:8 POST bookings'"
        " WHERE action_name = 'booking.create'"
    )

    [found] = boundaries_hold()
    assert found.endswith("has a key of user:8")
