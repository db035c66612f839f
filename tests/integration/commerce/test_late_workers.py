"""A worker that lost its lease comes back from the provider: nothing of what it brings is kept."""

from collections.abc import Callable
from uuid import UUID

import pytest

from commerce.domain.refunds import RefundMethod
from commerce.models import Invoice, Payment
from commerce.services import deliveries, refunds, renditions, settlement
from tests.integration.commerce.acting import status_of, work_off_all
from tests.integration.commerce.peers import Peers
from tests.integration.commerce.test_all_or_nothing import everything
from workflows.work import leases, registry
from workflows.work.domain.claim import ClaimLost
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

Ask = Callable[[], UUID]


@pytest.fixture
def documents(invoice: Invoice, peers: Peers) -> Ask:
    def ask() -> UUID:
        renditions.generate_invoice_document(invoice_id=invoice.pk)
        delivery = deliveries.send_booking_documents(booking_id=invoice.booking_id)
        assert delivery.work_id is not None
        return delivery.work_id

    return ask


@pytest.fixture
def payment(invoice: Invoice, peers: Peers) -> Ask:
    return lambda: settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo").id


@pytest.fixture
def reversal(captured: Payment) -> Ask:
    def ask() -> UUID:
        refund = refunds.request_refund(
            payment_id=captured.pk,
            amount_cents=captured.amount_cents,
            method=RefundMethod.PROCESSOR_REVERSAL,
            reason="Rain",
        )
        return Work.objects.get(subject=f"refund/{refund.pk}").pk

    return ask


def of_the_trade() -> dict[str, list[str]]:
    """Return all rows but those of the list of work, which says that somebody was late."""
    rows = everything()
    return {table: rows[table] for table in rows if not table.startswith("work")}


@pytest.mark.parametrize("asked", ["documents", "payment", "reversal"])
def test_what_a_late_worker_brings_is_not_kept(asked: str, request: pytest.FixtureRequest) -> None:
    work_id = request.getfixturevalue(asked)()
    [late] = leases.claim([work_id], worker="late", kinds=registry.names())
    Work.objects.filter(pk=work_id).update(lease_until="2020-01-01T00:00:00Z")
    leases.expire(limit=10)
    before = of_the_trade()

    with pytest.raises(ClaimLost):
        registry.get(late.kind).handler(late)

    assert of_the_trade() == before
    work_off_all()
    assert status_of(work_id) == "done"
