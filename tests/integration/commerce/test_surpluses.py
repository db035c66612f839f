"""What a chargeback brings back too much goes back to the customer, who had paid otherwise."""

from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from commerce import invariants, selectors
from commerce.domain.refunds import NothingToReverse, RefundExceedsSurplus, RefundMethod
from commerce.models import Booking, Chargeback, Invoice, Payment, PaymentMethod, Refund
from commerce.services import payments, refunds, surpluses
from events import context
from tests.integration.commerce.acting import CLERK, names_in, race
from tests.integration.commerce.api.conftest import Keyed, keyed  # noqa: F401 - a fixture.
from tests.integration.commerce.charging_back import end, note, nothing_is_wrong
from tests.integration.commerce.undoing import entry_of, look, standing_of

pytestmark = pytest.mark.django_db(transaction=True)

SURPLUS_CENTS = 14_000


@pytest.fixture
def chargeback(captured: Payment) -> Chargeback:
    """One that was won after the customer had paid part of it otherwise."""
    made = note(captured)
    payments.record_payment(
        invoice_id=captured.invoice_id,
        amount_cents=SURPLUS_CENTS,
        currency="EUR",
        method=PaymentMethod.BANK_TRANSFER,
    )
    end("won")
    return Chargeback.objects.select_related("resolution", "payment").get(pk=made.pk)


def give_back(chargeback: Chargeback, cents: int = SURPLUS_CENTS, **more: Any) -> Refund:
    asked = {"method": RefundMethod.BANK_TRANSFER, "reason": "Paid twice", **more}
    return surpluses.refund_surplus(chargeback_id=chargeback.pk, amount_cents=cents, **asked)


def test_goes_back_without_touching_invoice_booking_or_payment(chargeback: Chargeback) -> None:
    before = Invoice.objects.get(pk=chargeback.payment.invoice_id)

    refund = give_back(chargeback)
    refunds.settle_refund(refund_id=refund.pk, provider_ref="sepa-1")

    refund.refresh_from_db()
    assert (refund.status, refund.surplus_of_id) == ("settled", chargeback.pk)
    entry = entry_of("refund.return_surplus", refund.pk)
    assert (entry.evaluated_risk, entry.capability_id) == ("critical", "refund.request")
    assert look(entry).standing.state == "not_reversible"
    assert names_in("refund", refund.pk) == ["refund.requested", "refund.settled"]
    after = Invoice.objects.get(pk=before.pk)
    assert (
        (after.status, after.paid_cents) == (before.status, before.paid_cents) == ("paid", 24_000)
    )
    assert Booking.objects.get(pk=before.booking_id).refunded_cents == 0
    assert selectors.refund_held_cents(payment_id=refund.payment_id) == 0
    # The capture is undone by the chargeback, and by nothing else.
    capture = entry_of("payment.capture", chargeback.payment_id)
    assert standing_of(capture).done_cents == 24_000
    assert invariants.surpluses_are_covered() == []
    assert nothing_is_wrong()


def test_goes_back_at_most_once(chargeback: Chargeback) -> None:
    give_back(chargeback, 10_000)

    with pytest.raises(RefundExceedsSurplus) as refused:
        give_back(chargeback, 4_001)
    assert refused.value.facts["available_cents"] == 4_000

    failed = give_back(chargeback, 4_000)
    refunds.fail_refund(refund_id=failed.pk, reason="The account is closed.")
    assert give_back(chargeback, 4_000).status == "pending"
    assert nothing_is_wrong()


def test_goes_back_to_one_of_two_who_give_it_at_once(chargeback: Chargeback) -> None:
    ends = race(*[partial(give_back, chargeback)] * 2)

    assert sorted(ends) == ["done", "refund_exceeds_surplus"]
    assert Refund.objects.count() == 1


def test_there_is_none_before_it_is_won(captured: Payment) -> None:
    chargeback = note(captured)

    with pytest.raises(RefundExceedsSurplus):
        give_back(chargeback, 1)


def test_goes_back_by_hand_only(chargeback: Chargeback) -> None:
    with pytest.raises(NothingToReverse):
        give_back(chargeback, method=RefundMethod.PROCESSOR_REVERSAL)


def test_the_database_refuses_more_than_there_was(chargeback: Chargeback) -> None:
    refund = give_back(chargeback)

    with pytest.raises(IntegrityError, match=r"surplus of 14000"), transaction.atomic():
        Refund.objects.filter(pk=refund.pk).update(amount_cents=SURPLUS_CENTS + 1)


def test_is_asked_for_over_the_api(
    chargeback: Chargeback,
    keyed: Keyed,  # noqa: F811 - the fixture.
) -> None:
    finance: APIClient = keyed("refund.request", "refund.read", "chargeback.read")
    url = f"/api/v1/chargebacks/{chargeback.pk}/refund-surplus"
    body = {"amount_cents": SURPLUS_CENTS, "method": "bank_transfer", "reason": "Paid twice"}

    made = finance.post(url, body, format="json", headers={"Idempotency-Key": "k1"})
    more = finance.post(url, body, format="json", headers={"Idempotency-Key": "k2"})

    assert made.status_code == 201, made.content
    assert made["Location"] == f"/api/v1/refunds/{made.json()['id']}"
    assert (more.status_code, more.json()["code"]) == (409, "refund_exceeds_surplus")
    [found] = finance.get("/api/v1/refunds", {"surplus_of": str(chargeback.pk)}).json()["results"]
    assert (found["id"], found["surplus_of"]) == (made.json()["id"], str(chargeback.pk))


@pytest.fixture(autouse=True)
def _a_clerk_acts(transactional_db: None) -> Any:
    with context.acting(CLERK):
        yield
