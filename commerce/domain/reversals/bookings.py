"""Reversal plans that cancel a booking, or take a step of it back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from commerce.domain import cancellation, undoing
from commerce.domain.booking.state import TRANSITIONS, Status
from commerce.domain.cancellation import Segment
from commerce.domain.money import BASIS_POINTS
from ledger.domain.action import Target
from ledger.domain.plans import Effect, EffectKind, OriginalAction, Plan, PolicyFacts, blocked
from ledger.domain.reversals import ReversalKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """Money that came in for a booking. `entry_id` is what put it on record, if it says so."""

    payment_id: str
    amount_cents: int
    entry_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingFound:
    """A booking, as the rules of its undoing see it."""

    id: str
    number: str
    status: Status
    revision: int
    currency: str
    seats: int
    segments: Sequence[Segment]
    paid: Sequence[Paid]
    at: datetime
    were_documents_sent: bool


def cancel(_original: OriginalAction, found: BookingFound) -> Plan:
    """Cancel a booking: seats come back, and the agreed terms say how much money does.

    The money itself goes back by undoing each payment: that is named, not done.
    """
    paid_cents = sum(paid.amount_cents for paid in found.paid)
    effects = [
        Effect(
            kind=EffectKind.REVERTED,
            summary=f"{found.seats} seats can be sold again.",
            target=_target(found),
        ),
        *([_entitlement(found, paid_cents)] if paid_cents else []),
        *_sent(found),
    ]
    if Status.CANCELLED not in TRANSITIONS[found.status]:
        effects.append(blocked(f"The booking is {found.status.value}: that is final."))
    return Plan(
        effects=tuple(effects),
        versions={f"booking/{found.id}": found.revision},
        input={"booking_id": found.id, "expected_version": found.revision},
        is_partial=paid_cents > 0,
    )


def go_back(original: OriginalAction, found: BookingFound) -> Plan:
    """Bring a booking back to the status it had before, by hand."""
    before = Status(original.args["status"])
    effects = [
        Effect(
            kind=EffectKind.REVERTED,
            summary=f"The booking is {before.value} again, and its seats follow.",
            target=_target(found),
        ),
        *_sent(found),
        *(
            blocked(f"{later.action_name} came after it.", by=later.entry_id)
            for later in original.later
            if later.args.get("status")
        ),
    ]
    if found.status is before:
        effects.append(blocked(f"The booking is {before.value} already."))
    return Plan(
        effects=tuple(effects),
        versions={f"booking/{found.id}": found.revision},
        input={
            "booking_id": found.id,
            "expected_version": found.revision,
            "status": before.value,
        },
    )


def policy_facts_of_cancelling(found: BookingFound, _plan: Plan) -> PolicyFacts:
    """Return what cancelling weighs: that money will have to go back."""
    paid_cents = sum(paid.amount_cents for paid in found.paid)
    return _policy_facts("booking.cancel", found, paid_cents=paid_cents)


def policy_facts_of_going_back(found: BookingFound, plan: Plan) -> PolicyFacts:
    """Return what correcting the status weighs."""
    declared = undoing.of_status(found.status, Status(plan.input["status"]))
    is_reversible = declared.kind is not ReversalKind.NONE
    return replace(_policy_facts("booking.override", found), is_reversible=is_reversible)


def _policy_facts(action: str, found: BookingFound, **facts: int) -> PolicyFacts:
    is_visible = found.status is not Status.DRAFT
    return PolicyFacts(
        action=action,
        target_type="booking",
        state={"status": found.status.value, "revision": found.revision},
        facts={**facts, "currency": found.currency, "customer_visible": is_visible},
    )


def _entitlement(found: BookingFound, paid_cents: int) -> Effect:
    entitled = cancellation.evaluate_all(found.segments, at=found.at, currency=found.currency)
    due_cents = cancellation.due_back_cents(
        entitled_cents=entitled.amount_cents,
        price_cents=sum(segment.price.amount_cents for segment in found.segments),
        paid_cents=paid_cents,
    )
    share = entitled.refund_bp * 100 / BASIS_POINTS
    grounds = entitled.manual_review or f"the agreed terms give {share:g} % back"
    return Effect(
        kind=EffectKind.COMPENSATED,
        summary=f"{paid_cents} minor units were paid; {grounds}.",
        target=_target(found),
        amount_cents=due_cents,
        currency=found.currency,
        parts=tuple(
            Effect(
                kind=EffectKind.COMPENSATED,
                summary="To be given back by undoing this payment.",
                target=Target(type="payment", id=paid.payment_id),
                amount_cents=paid.amount_cents,
                currency=found.currency,
                entry_id=paid.entry_id,
            )
            for paid in found.paid
        ),
    )


def _sent(found: BookingFound) -> list[Effect]:
    if not found.were_documents_sent:
        return []
    return [
        Effect(
            kind=EffectKind.IRREVERSIBLE,
            summary="The customer has been sent documents: they stay where they are.",
            target=_target(found),
        )
    ]


def _target(found: BookingFound) -> Target:
    return Target(type="booking", id=found.id)
