"""Whatever can be done by name is the same as what the services do."""

from typing import Any

import pytest

from commerce.models import Booking, Invoice, Payment
from ledger import commands
from ledger.commands import CommandInputInvalid, CommandUnknown
from ledger.models import Entry
from tests.integration.commerce.charging_back import note

pytestmark = pytest.mark.django_db(transaction=True)


def run(command: str, target: object = "", **asked: Any) -> str:
    """Carry a command out and check that the ledger knows it under the same name."""
    made = commands.run(command, target_id=str(target), input=asked)
    assert Entry.objects.filter(action_name=command, target_id=made).exists()
    return made


class TestBookings:
    def test_go_their_way_by_name(self, booking: Booking) -> None:
        run("booking.hold", booking.pk)
        run("booking.update", booking.pk, external_ref="X-1")
        run("booking.confirm", booking.pk)
        run("booking.start", booking.pk)
        run("booking.override", booking.pk, to="confirmed", reason="too early")
        run("booking.cancel", booking.pk, reason="rain")

        booking.refresh_from_db()
        assert (booking.status, booking.external_ref) == ("cancelled", "X-1")


class TestMoney:
    def test_comes_and_goes_by_name(self, booking: Booking) -> None:
        invoice_id = run("invoice.create", booking_id=str(booking.pk))
        run("invoice.issue", invoice_id)
        total = Invoice.objects.get(pk=invoice_id).total_cents
        paid = {"invoice_id": invoice_id, "currency": "EUR", "amount_cents": total}
        payment_id = run("payment.record", **paid, method="cash", is_pending=True)
        run("payment.complete", payment_id, paid_at="2026-01-02T03:04:05Z")
        note = {"invoice_id": invoice_id, "amount_cents": 100, "currency": "EUR", "reason": "r"}
        note_id = run("credit_note.issue", **note)
        back = {"payment_id": payment_id, "amount_cents": 100, "method": "cash", "reason": "r"}
        refund_id = run("refund.request", **back, credit_note_id=note_id)
        run("refund.settle", refund_id)

        assert Payment.objects.get(pk=payment_id).status == "completed"

    def test_that_was_charged_back_is_won_by_name(self, captured: Payment) -> None:
        chargeback = note(captured)

        run("chargeback.resolve", chargeback.pk, status="won", reason="The bank wrote.")

        assert commands.get("chargeback.resolve").state_of(str(chargeback.pk)) == {"status": "won"}
        assert Invoice.objects.get(pk=captured.invoice_id).status == "paid"

    def test_is_taken_back_before_it_is_owed(self, booking: Booking) -> None:
        invoice_id = run("invoice.create", booking_id=str(booking.pk))

        run("invoice.discard", invoice_id)

        assert not Invoice.objects.exists()


class TestProducts:
    def test_come_and_go_by_name(self, transactional_db: None) -> None:
        product_id = run("product.create", name="Walk", currency="EUR", sell_amount_cents=100)

        run("product.update", product_id, sell_amount_cents=200, tags=["old"])

        assert commands.get("product.update").state_of(product_id) == {
            "status": "draft",
            "revision": 2,
        }
        run("product.delete", product_id)


class TestRefusals:
    def test_name_what_is_wrong_with_the_input(self, booking: Booking) -> None:
        with pytest.raises(CommandInputInvalid) as refused:
            commands.run("booking.cancel", target_id=str(booking.pk), input={"reason": ""})

        assert refused.value.pointer == "/input/reason"
        assert Booking.objects.get(pk=booking.pk).status == "draft"

    def test_know_no_other_command(self) -> None:
        with pytest.raises(CommandUnknown):
            commands.run("booking.fly", target_id="1", input={})
        with pytest.raises(CommandUnknown):
            commands.get("booking.cancel", 99)


def test_every_command_finds_its_target_or_says_that_it_makes_it() -> None:
    makers = {each.name for each in commands.every() if each.makes}

    assert makers == {
        "credit_note.issue",
        "document_access.grant",
        "flow.start",
        "invoice.create",
        "payment.record",
        "product.create",
        "refund.request",
        "refund.return_surplus",
    }
    assert all(commands.get(name).state_of("") is None for name in makers)
