"""What previews say that policies will see is what they see when it is done."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from commerce.models import Booking, Capture, Invoice, Payment, Product
from commerce.services import bookings, document_access, products, renditions
from ledger.approving import asking
from ledger.approving.gate import ApprovalRequired
from ledger.domain.payload import PayloadKind
from ledger.models import Approval, Entry, ReversalStanding
from ledger.services import reversals
from tests.integration.commerce.peers import Peers
from tests.integration.commerce.undoing import chief, entry_of, look, undo
from tests.integration.ledger.approvals import put_into_force

pytestmark = pytest.mark.django_db(transaction=True)


def let_nothing_be_done_alone() -> None:
    nouns = ("booking", "invoice", "credit_note", "refund", "product", "document_access")
    trade = tuple(f"{noun}.*" for noun in nouns)
    # By which of the two it is asked for tells whether it is seen as something to be undone.
    put_into_force(name="for-good", capabilities=trade, condition="!reversible")
    put_into_force(name="for-now", capabilities=trade, condition="reversible")


def assert_seen_as_foretold(entry: Entry, **asked: Any) -> Approval:
    """Look, do it, and compare what policies saw in the preview with what the request kept."""
    preview = look(entry, command=asked.get("command", ""), asked_cents=asked.get("amount_cents"))
    assert preview.refusal is None, preview.refusal
    assert preview.command is not None
    assert preview.plan is not None
    seen = preview.command.policy_facts(preview.command.look(preview.original), preview.plan)

    with pytest.raises(ApprovalRequired) as required:
        undo(entry, **asked)

    approval = required.value.approval
    kept = asking.content_of(approval.requested_entry_id, PayloadKind.TARGET_SNAPSHOT)
    assert (seen.action, seen.target_type) == (
        approval.action_name,
        approval.target_type,
    )
    assert preview.command.capability == approval.capability_id
    assert kept["state"] == seen.state
    assert kept["facts"] == seen.facts
    assert preview.needed is not None
    assert str(preview.needed.policy) == f"{approval.policy_name}@v{approval.policy_version}"
    assert (preview.needed.quorum, preview.needed.demand.reason_code) == (
        approval.quorum,
        approval.reason_code,
    )
    assert ReversalStanding.objects.get(entry=entry.pk).state == "requested"
    return approval


class TestWhatPoliciesSee:
    def test_of_cancelling_a_paid_booking(self, confirmed: Booking, paid: Payment) -> None:
        let_nothing_be_done_alone()

        assert_seen_as_foretold(entry_of("booking.confirm", confirmed.pk))

    def test_of_correcting_a_status(self, confirmed: Booking) -> None:
        bookings.start_booking(booking_id=confirmed.pk)
        let_nothing_be_done_alone()

        assert_seen_as_foretold(entry_of("booking.start", confirmed.pk))

    def test_of_voiding_an_invoice(self, invoice: Invoice) -> None:
        let_nothing_be_done_alone()

        assert_seen_as_foretold(entry_of("invoice.issue", invoice.pk))

    def test_of_crediting_an_invoice(self, invoice: Invoice, paid: Payment) -> None:
        let_nothing_be_done_alone()

        assert_seen_as_foretold(
            entry_of("invoice.issue", invoice.pk), command="invoice.credit", amount_cents=10_000
        )

    def test_of_refunding_a_payment(self, paid: Payment) -> None:
        let_nothing_be_done_alone()

        assert_seen_as_foretold(entry_of("payment.record", paid.pk), amount_cents=4_000)

    def test_of_taking_a_capture_back(self, captured: Payment, peers: Peers) -> None:
        let_nothing_be_done_alone()

        assert_seen_as_foretold(entry_of("payment.capture", captured.pk))

    def test_of_a_follow_up_after_the_window(self, captured: Payment, peers: Peers) -> None:
        entry = entry_of("payment.capture", captured.pk)
        past = timezone.now() - timedelta(seconds=1)
        Capture.objects.update(window_closes_at=past, captured_at=past)
        ReversalStanding.objects.filter(entry=entry.pk).update(until=past)
        reversals.expire_reversals()
        let_nothing_be_done_alone()

        assert_seen_as_foretold(entry, command="payment.refund")

    def test_of_changing_a_product_back(self, product: Product) -> None:
        products.update_product(product_id=product.pk, sell_amount_cents=15_000)
        let_nothing_be_done_alone()

        assert_seen_as_foretold(entry_of("product.update", product.pk))

    def test_of_deleting_a_new_product(self, product: Product) -> None:
        let_nothing_be_done_alone()

        assert_seen_as_foretold(entry_of("product.create", product.pk))

    def test_of_ending_an_access_and_of_giving_it_back(self, invoice: Invoice) -> None:
        document = renditions.generate_invoice_document(invoice_id=invoice.pk)
        auditor = User.objects.create_user("auditor")
        access = document_access.grant_document_access(
            document_id=document.pk, grantee=f"user:{auditor.pk}", purpose="The yearly audit"
        )
        other = document_access.grant_document_access(
            document_id=document.pk, grantee=f"user:{chief().pk}", purpose="The yearly audit"
        )
        document_access.revoke_document_access(access_id=other.pk, reason="Done")
        let_nothing_be_done_alone()

        assert_seen_as_foretold(entry_of("document_access.grant", access.pk))
        assert_seen_as_foretold(entry_of("document_access.revoke", other.pk))
