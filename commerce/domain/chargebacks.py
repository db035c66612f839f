"""Chargebacks: allocation to payments, disputed parts, resolution (ADR 0034, 0041)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from events.domain.errors import Conflict, Unavailable


class ChargebackStatus(StrEnum):
    """How it stands with a claim. All but the first two are final."""

    OPEN = "open"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"
    WITHDRAWN = "withdrawn"


SURPLUS_REFERENCE: Final = "chargeback/"
"""With the id behind it: under what approval to give back a surplus of it is found."""

RESOLVED = (ChargebackStatus.WON, ChargebackStatus.LOST, ChargebackStatus.WITHDRAWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What a claim takes off one payment, and what of it is disputed. Cents, none negative."""

    charged_back_cents: int
    disputed_cents: int


class CaptureUnknown(Unavailable):
    code = "capture_unknown"
    hint = "The payment may not be recorded yet. It is tried again."

    def __init__(self, provider: str, capture_ref: str) -> None:
        super().__init__(
            f"No payment is recorded for capture {capture_ref} of {provider}.",
            provider=provider,
            capture_ref=capture_ref,
        )


class ChargebackContradicted(Conflict):
    code = "chargeback_contradicted"
    hint = "Ask the provider which is right; the first report is kept."

    def __init__(self, provider: str, provider_ref: str) -> None:
        super().__init__(
            f"{provider} reported chargeback {provider_ref} differently before.",
            provider=provider,
            provider_ref=provider_ref,
        )


class ChargebackUnknown(Unavailable):
    code = "chargeback_unknown"
    hint = "It may not be recorded yet. It is tried again."

    def __init__(self, provider: str, provider_ref: str) -> None:
        super().__init__(
            f"No chargeback {provider_ref} of {provider} is recorded.",
            provider=provider,
            provider_ref=provider_ref,
        )


class ChargebackResolved(Conflict):
    code = "chargeback_resolved"
    hint = "The resolution is final; if it is wrong, record a payment or a refund."

    def __init__(self, provider: str, provider_ref: str, *, status: str) -> None:
        super().__init__(
            f"Chargeback {provider_ref} of {provider} ended before: {status}.",
            provider=provider,
            provider_ref=provider_ref,
            status=status,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What comes back of a chargeback: onto the invoice, and beyond what it asks for. Cents."""

    returned_cents: int
    surplus_cents: int


def split(*, claimed_cents: int, left_cents: Sequence[int]) -> Mapping[int, Split]:
    """Part a claim over the payments of its capture, of each of which so much is left.

    As few payments as possible are taken from: first those of which most is left, and no more
    than that. The rest of the claim is money that has gone back already: it is disputed with the
    provider, as part of what the first of them has to bear. Return the parts by the places of the
    payments, in that order; there is at least one.
    """
    most_first = sorted(range(len(left_cents)), key=lambda place: -left_cents[place])
    rest, taken = claimed_cents, {most_first[0]: 0}
    for place in most_first:
        if takes := min(rest, max(0, left_cents[place])):
            taken[place] = takes
            rest -= takes
    return {
        place: Split(charged_back_cents=takes, disputed_cents=rest if place == most_first[0] else 0)
        for place, takes in taken.items()
    }


def money_back(status: ChargebackStatus, *, charged_back_cents: int, due_cents: int) -> Return:
    """Return what comes back when a claim ends so: nothing if it is lost, else all of it.

    The invoice takes as much as it still asks for. What it was paid otherwise meanwhile makes a
    surplus, which is the customer's.
    """
    assert status in RESOLVED, "nothing comes back before it ends"
    if status is ChargebackStatus.LOST:
        return Return(returned_cents=0, surplus_cents=0)
    returned = min(charged_back_cents, due_cents)
    return Return(returned_cents=returned, surplus_cents=charged_back_cents - returned)
