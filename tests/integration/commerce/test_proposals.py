"""What a cancelled booking gives back is asked for, and only that: nothing goes back by itself."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from commerce.domain.cancellation import RefundType, Rule
from commerce.models import Booking, Capture, Invoice, Payment, PaymentMethod, Product, Refund
from commerce.services import bookings, invoices, payments, policies, products, proposals
from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger.models import Approval, ReversalStanding
from ledger.services import reversals
from tests.integration.commerce.acting import work_off_all
from tests.integration.commerce.conftest import MakeBooking
from tests.integration.commerce.peers import Peers
from tests.integration.commerce.undoing import entry_of, look, standing_of
from tests.integration.ledger.approvals import put_into_force
from tests.integration.ledger.conftest import grant
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clerk(transactional_db: None) -> Principal:
    """Somebody who may give money back."""
    user = grant(User.objects.create_user("clerk"), proposals.MAY)
    return Principal(kind=PrincipalKind.USER, id=str(user.pk))


def let_refunds_be_agreed_to() -> None:
    put_into_force(name="refunds", capabilities=("refund.request",), condition="")


def cancel(booking: Booking, by: Principal) -> None:
    with context.acting(by):
        bookings.cancel_booking(booking_id=booking.pk, reason="Rain")


def proposed(booking: Booking, by: Principal) -> dict[str, Any]:
    with context.acting(by):
        return proposals.propose_refund(booking_id=booking.pk)


def pay(invoice: Invoice, cents: int) -> Payment:
    return payments.record_payment(
        invoice_id=invoice.pk, amount_cents=cents, currency="EUR", method=PaymentMethod.CASH
    )


class TestProposing:
    def test_asks_in_the_name_of_who_cancelled_and_gives_nothing_back(
        self, booking: Booking, paid: Payment, clerk: Principal
    ) -> None:
        bookings.confirm_booking(booking_id=booking.pk)
        let_refunds_be_agreed_to()
        cancel(booking, clerk)

        work_off_all()

        approval = Approval.objects.get()
        assert (approval.requested_by, approval.action_name) == (str(clerk), "refund.request")
        work = Work.objects.get(kind="subscriber.commerce.propose_refund")
        assert json.loads(work.result or "") == {"approvalId": str(approval.pk)}
        standing = standing_of(entry_of("payment.record", paid.pk))
        assert (standing.state, standing.requests) == ("requested", [approval.pk])
        assert not Refund.objects.exists()

    def test_asks_for_what_was_paid_beyond_what_the_terms_keep(
        self, booking: Booking, invoice: Invoice, clerk: Principal
    ) -> None:
        part = pay(invoice, 20_000)
        let_refunds_be_agreed_to()
        cancel(booking, clerk)

        proposed(booking, clerk)

        # Half of 240.00 is kept, and 200.00 had come.
        preview = look(entry_of("payment.record", part.pk))
        assert preview.plan is not None
        assert (preview.plan.amount_cents, preview.standing.state) == (8_000, "requested")

    def test_twice_asks_once(self, booking: Booking, paid: Payment, clerk: Principal) -> None:
        let_refunds_be_agreed_to()
        cancel(booking, clerk)

        first, again = proposed(booking, clerk), proposed(booking, clerk)

        assert first == again == {"approvalId": str(Approval.objects.get().pk)}

    def test_asks_for_a_new_act_once_the_provider_takes_nothing_back(
        self, booking: Booking, captured: Payment, clerk: Principal, peers: Peers
    ) -> None:
        past = timezone.now() - timedelta(seconds=1)
        Capture.objects.update(window_closes_at=past, captured_at=past)
        entry = entry_of("payment.capture", captured.pk)
        ReversalStanding.objects.filter(entry=entry.pk).update(until=past)
        reversals.expire_reversals()
        let_refunds_be_agreed_to()
        cancel(booking, clerk)

        assert proposed(booking, clerk) == {"approvalId": str(Approval.objects.get().pk)}
        assert standing_of(entry).state == "requested"


class TestAskingNobody:
    def refused(self, booking: Booking, by: Principal) -> str:
        because: str = proposed(booking, by)["because"]
        assert not Approval.objects.exists()
        assert not Refund.objects.exists()
        return because

    def test_because_nobody_else_has_to_agree(
        self, booking: Booking, paid: Payment, clerk: Principal
    ) -> None:
        cancel(booking, clerk)

        assert self.refused(booking, clerk) == "approval_not_needed"

    def test_because_nothing_was_paid(self, booking: Booking, clerk: Principal) -> None:
        let_refunds_be_agreed_to()
        cancel(booking, clerk)

        assert self.refused(booking, clerk) == "nothing_due"

    def test_because_no_more_was_paid_than_the_terms_keep(
        self, booking: Booking, invoice: Invoice, clerk: Principal
    ) -> None:
        deposit = pay(invoice, 12_000)
        let_refunds_be_agreed_to()
        cancel(booking, clerk)

        assert self.refused(booking, clerk) == "nothing_due"
        preview = look(entry_of("payment.record", deposit.pk))
        assert preview.refusal is not None
        assert "The agreed terms give nothing back" in str(preview.refusal)

    def test_because_the_terms_give_no_money(
        self, make_booking: MakeBooking, product: Product, clerk: Principal
    ) -> None:
        rules = [Rule(days_before=0, refund_bp=5_000, refund_type=RefundType.CREDIT)]
        drafted = policies.create_policy(name="Credit", currency="EUR", rules=rules)
        policies.publish_version(policy_id=drafted.policy_id, version_id=drafted.pk)
        products.update_product(product_id=product.pk, cancellation_policy_id=drafted.policy_id)
        booking = make_booking()
        invoice = invoices.create_invoice(booking_id=booking.pk)
        pay(invoices.issue_invoice(invoice_id=invoice.pk), 24_000)
        let_refunds_be_agreed_to()
        cancel(booking, clerk)

        assert self.refused(booking, clerk) == "manual_review"

    def test_because_it_came_in_several_payments(
        self, booking: Booking, invoice: Invoice, clerk: Principal
    ) -> None:
        for _ in range(2):
            pay(invoice, 12_000)
        let_refunds_be_agreed_to()
        cancel(booking, clerk)

        assert self.refused(booking, clerk) == "manual_review"

    def test_because_who_cancelled_may_not_give_money_back(
        self, booking: Booking, paid: Payment, transactional_db: None
    ) -> None:
        let_refunds_be_agreed_to()
        nobody = User.objects.create_user("nobody")
        by = Principal(kind=PrincipalKind.USER, id=str(nobody.pk))
        cancel(booking, by)

        assert self.refused(booking, by) == "capability_missing"

    def test_because_it_is_not_cancelled(self, booking: Booking, clerk: Principal) -> None:
        assert self.refused(booking, clerk) == "not_cancelled"
