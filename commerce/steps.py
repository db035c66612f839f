"""Durable subscribers of bookings, and the steps of their fulfilment. Each calls one service."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from commerce.services import fulfilment, proposals, vouchers
from events.domain.envelope import Envelope
from workflows.flows.steps.callables import step_function
from workflows.work.domain.claim import Claim
from workflows.work.promotion import durable_subscriber


@durable_subscriber("booking.confirmed", name="commerce.fulfilment", capability="voucher.issue")
def begin_fulfilment(envelope: Envelope, _claim: Claim) -> dict[str, str]:
    """Let the fulfilment follow from the confirmation."""
    assert envelope.sequence is not None, "a recorded event has a place"
    booking_id = UUID(str(envelope.data["bookingId"]))
    return {"flowId": fulfilment.begin(booking_id=booking_id, revision=envelope.sequence)}


@durable_subscriber("booking.cancelled", name="commerce.propose_refund", capability=proposals.MAY)
def propose_refund(envelope: Envelope, _claim: Claim) -> dict[str, str]:
    """Ask whether what the terms give back may go back, in the name of who cancelled."""
    return proposals.propose_refund(booking_id=UUID(str(envelope.data["bookingId"])))


@durable_subscriber(
    "chargeback.resolved", name="commerce.propose_surplus", capability=proposals.MAY
)
def propose_surplus(envelope: Envelope, _claim: Claim) -> dict[str, str]:
    """Ask whether what a chargeback brought back too much may go back to the customer."""
    return proposals.propose_surplus(chargeback_id=UUID(str(envelope.data["chargebackId"])))


@step_function(fulfilment.CHECK)
def check_booking(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"booking_items": fulfilment.check_booking(booking_id=UUID(inputs["booking_id"]))}


@step_function(fulfilment.ISSUE)
def issue_voucher(inputs: Mapping[str, Any]) -> dict[str, Any]:
    voucher = vouchers.issue_voucher(
        booking_id=UUID(inputs["booking_id"]), item_id=UUID(inputs["booking_items"])
    )
    return {"vouchers": voucher.code}


@step_function(fulfilment.VOID)
def void_voucher(done: Mapping[str, Any]) -> None:
    vouchers.void_voucher(
        booking_id=UUID(done["input"]["booking_id"]),
        code=done["output"]["vouchers"],
        reason="The fulfilment failed.",
    )


@step_function(fulfilment.CLOSE)
def close_fulfilment(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"fulfilled": fulfilment.close(booking_id=UUID(inputs["booking_id"]))}
