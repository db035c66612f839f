"""What a chargeback brings back too much is proposed to go back, and goes back once agreed to."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from commerce import approval_policies as seeded
from commerce.domain.chargebacks import ChargebackStatus
from commerce.domain.refunds import RefundMethod
from commerce.models import Chargeback, Payment, PaymentMethod, Refund
from commerce.services import chargeback_resolutions, payments, proposals, surpluses
from commerce.services.chargeback_resolutions import ChargebackNotFound
from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger.access.authority import Caller
from ledger.models import Approval, Entry
from ledger.services import approval_policies, approvals
from tests.integration.commerce.acting import work_off_all
from tests.integration.commerce.charging_back import PROVIDER, end, note, nothing_is_wrong
from tests.integration.ledger.approvals import put_into_force
from tests.integration.ledger.conftest import grant
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

SURPLUS_CENTS = 14_000


def pay_otherwise(
    captured: Payment, cents: int = SURPLUS_CENTS, method: Any = PaymentMethod.BANK_TRANSFER
) -> None:
    payments.record_payment(
        invoice_id=captured.invoice_id, amount_cents=cents, currency="EUR", method=method
    )


def proposed(chargeback: Chargeback, by: str = PROVIDER) -> dict[str, Any]:
    with context.acting(Principal.parse(by)):
        return proposals.propose_surplus(chargeback_id=chargeback.pk)


@pytest.fixture
def clerk(transactional_db: None) -> User:
    return grant(User.objects.create_user("clerk"), "refund.request", "chargeback.resolve")


@pytest.fixture
def chargeback(captured: Payment) -> Chargeback:
    """One that is in dispute while the customer pays part of it otherwise."""
    made = note(captured)
    pay_otherwise(captured)
    return made


@pytest.fixture
def _policies(transactional_db: None) -> None:
    approval_policies.install_policies(every=seeded.POLICIES)


@pytest.mark.usefixtures("_policies")
class TestAfterAReportOfTheProvider:
    def test_is_asked_for_and_goes_back_once_somebody_agrees(self, chargeback: Chargeback) -> None:
        end("won")
        work_off_all()

        approval = Approval.objects.get()
        assert not Refund.objects.exists()
        assert (approval.action_name, approval.requested_by) == ("refund.return_surplus", PROVIDER)
        assert approval.policy_name == "finance-surplus-approval"
        work = Work.objects.get(kind="subscriber.commerce.propose_surplus")
        assert json.loads(work.result or "") == {"approvalId": str(approval.pk)}
        boss = grant(User.objects.create_user("boss"), "approval.decide")
        approvals.decide_approval(
            approval_id=approval.pk, decision="approve", decider=Caller(boss), is_fresh=True
        )
        work_off_all()

        refund = Refund.objects.get()
        assert (refund.surplus_of_id, refund.amount_cents) == (chargeback.pk, SURPLUS_CENTS)
        assert (refund.method, refund.status) == ("bank_transfer", "pending")
        done = Entry.objects.get(action_name="refund.return_surplus", status="succeeded")
        assert done.approval_id == approval.pk
        assert nothing_is_wrong()

    def test_twice_is_asked_for_once(self, chargeback: Chargeback) -> None:
        end("won")

        first, again = proposed(chargeback), proposed(chargeback)

        assert first == again == {"approvalId": str(Approval.objects.get().pk)}

    def test_is_only_for_what_is_not_on_its_way_yet(self, chargeback: Chargeback) -> None:
        end("won")
        surpluses.refund_surplus(
            chargeback_id=chargeback.pk,
            amount_cents=SURPLUS_CENTS,
            method=RefundMethod.CASH,
            reason="Paid twice",
        )

        assert proposed(chargeback) == {"because": "nothing_due"}

    def test_is_left_to_people_if_it_was_paid_in_several_ways(
        self, chargeback: Chargeback, captured: Payment
    ) -> None:
        pay_otherwise(captured, 1_000, PaymentMethod.CASH)
        end("won")

        assert proposed(chargeback) == {"because": "manual_review"}
        assert not Approval.objects.exists()


class TestWithoutAPolicyThatCarriesItOut:
    def test_a_provider_asks_nobody(self, chargeback: Chargeback) -> None:
        put_into_force(name="refunds", capabilities=("refund.request",), condition="")
        end("won")

        assert proposed(chargeback) == {"because": "manual_review"}
        assert not Approval.objects.exists()

    def test_who_notes_the_outcome_asks_in_their_own_name(
        self, chargeback: Chargeback, clerk: User
    ) -> None:
        put_into_force(name="refunds", capabilities=("refund.request",), condition="")
        by = Principal(kind=PrincipalKind.USER, id=str(clerk.pk))
        with context.acting(by):
            chargeback_resolutions.resolve_chargeback(
                chargeback_id=chargeback.pk, status=ChargebackStatus.WON, reason="They wrote."
            )

        work_off_all()

        approval = Approval.objects.get()
        assert (approval.requested_by, approval.requested_by_human) == (str(by), str(clerk.pk))

    def test_nothing_is_done_where_nobody_else_has_to_agree(
        self, chargeback: Chargeback, clerk: User
    ) -> None:
        end("won")

        outcome = proposed(chargeback, by=f"user:{clerk.pk}")

        assert outcome == {"because": "approval_not_needed"}
        assert not Refund.objects.exists()


def test_of_what_is_still_in_dispute_nothing_is_due(chargeback: Chargeback) -> None:
    assert proposed(chargeback) == {"because": "nothing_due"}


def test_of_what_is_not_there_nothing_is_proposed(transactional_db: None) -> None:
    with pytest.raises(ChargebackNotFound):
        proposals.propose_surplus(chargeback_id=uuid4())
