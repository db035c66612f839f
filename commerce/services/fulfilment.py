"""Fulfilment of a confirmed booking, as a flow: every item gets its voucher, or none does.

The booking remains the source of truth: the flow checks it before and after its work, and
compensates what it did if the booking is no longer confirmed.
"""

from typing import Any
from uuid import UUID

from commerce.services import vouchers
from workflows.flows import services as flows
from workflows.flows.domain.step_json import step_from_json

CHECK, ISSUE, VOID, CLOSE = (
    "commerce.check_booking",
    "commerce.issue_voucher",
    "commerce.void_voucher",
    "commerce.close_fulfilment",
)
"""The step functions, by name; see `commerce.steps`."""

GOAL = "close-fulfilment"
_ID = {"role": "required", "type": "string"}
_RETRIES = {"max_retries": 10, "init_backoff": 1_000, "max_backoff": 60_000}

STEPS: tuple[dict[str, Any], ...] = (
    {
        "id": "check-booking",
        "name": "Check the booking",
        "type": "python",
        "python": {"callable": CHECK},
        "attributes": {
            "booking_id": _ID,
            "booking_items": {"role": "output", "type": "array"},
        },
        "work_config": _RETRIES,
    },
    {
        "id": "issue-voucher",
        "name": "Issue vouchers",
        "type": "python",
        "python": {"callable": ISSUE, "compensate": VOID},
        "attributes": {
            "booking_id": _ID,
            "booking_items": {"role": "required", "type": "array", "required": {"for_each": True}},
            "vouchers": {"role": "output", "type": "any"},
        },
        "work_config": {**_RETRIES, "parallelism": 4},
    },
    {
        "id": GOAL,
        "name": "Close the fulfilment",
        "type": "python",
        "python": {"callable": CLOSE},
        "attributes": {
            "booking_id": _ID,
            "vouchers": {"role": "required", "type": "any"},
            "fulfilled": {"role": "output", "type": "object"},
        },
        "work_config": _RETRIES,
    },
)


def flow_id_of(booking_id: UUID, revision: int) -> str:
    """Return the id of the flow that follows from a booking's confirmation at `revision`."""
    return f"fulfil-{booking_id}-{revision}"


def begin(*, booking_id: UUID, revision: int) -> str:
    """Start the fulfilment of a confirmed booking; to begin it again changes nothing."""
    flow_id = flow_id_of(booking_id, revision)
    flows.start_flow(
        flow_id=flow_id,
        steps=[step_from_json(step) for step in STEPS],
        goals=(GOAL,),
        init={"booking_id": [str(booking_id)]},
        labels={"booking": str(booking_id)},
        options={"compensate": True},
    )
    return flow_id


def check_booking(*, booking_id: UUID) -> list[str]:
    """Return the items of a booking that is still confirmed, in a fixed order.

    :raises BookingNotConfirmed: if it is not.
    """
    items = vouchers.confirmed(booking_id).items.order_by("id")
    return [str(id_) for id_ in items.values_list("id", flat=True)]


def close(*, booking_id: UUID) -> dict[str, Any]:
    """Return what a booking was fulfilled with.

    :raises BookingNotConfirmed: if it was cancelled meanwhile; then all of it is undone.
    """
    booking = vouchers.confirmed(booking_id)
    codes = booking.vouchers.filter(voided_at=None).order_by("code").values_list("code", flat=True)
    return {"booking": booking.number, "vouchers": list(codes)}
