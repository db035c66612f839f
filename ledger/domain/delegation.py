"""Delegations: the scope, budget, rate and period within which an agent acts for somebody.

Delegations form a chain, from the root (a user) over agents to the agent that acts. Each
link is at most as wide as the one above it, and an action must pass every one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from events.domain.errors import DomainError, Forbidden, Rejected, Throttled
from ledger.domain.action import UNKNOWN_TARGET
from ledger.domain.capability import covers, is_within

DEPTH_MAX: Final = 3
RATE_WINDOW: Final = timedelta(minutes=1)
HOURS: Final = 24

Resources = Mapping[str, tuple[str, ...]]
"""Type of target → the ids that may be touched. Empty: no filter, everything."""


class DelegationTooWide(Rejected):
    code = "delegation_too_wide"
    hint = "A delegation may narrow those above it, never widen them."

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} exceeds what a delegation above allows.", pointer=f"/{name}", name=name
        )


class DelegationTooDeep(Rejected):
    code = "delegation_too_deep"
    hint = "Name a parent closer to the root, or none."

    def __init__(self) -> None:
        super().__init__(
            f"A chain has at most {DEPTH_MAX} delegations.",
            pointer="/parent_id",
        )


class DelegationEnded(Forbidden):
    code = "delegation_ended"
    hint = "It was revoked, has expired, or its agent was stopped. Ask its owner."

    def __init__(self, delegation_id: str) -> None:
        super().__init__(
            "The delegation under which this agent acts is not in force.",
            delegation_id=delegation_id,
        )


class DelegationNotBegun(Forbidden):
    code = "delegation_not_begun"
    hint = "Try again when the delegation has begun."

    def __init__(self, starts_at: datetime) -> None:
        super().__init__(
            "The delegation under which this agent acts begins later.",
            starts_at=starts_at.isoformat(),
        )


class OutsideHours(Forbidden):
    code = "delegation_outside_hours"
    hint = "Try again within the hours of the delegation; they are in UTC."

    def __init__(self, hours: tuple[int, int]) -> None:
        super().__init__(
            f"This agent acts between {hours[0]} and {hours[1]} o'clock UTC only.",
            hour_from=hours[0],
            hour_until=hours[1],
        )


class OutOfReach(Forbidden):
    code = "delegation_out_of_reach"
    hint = "The delegation does not include this capability or this target."

    def __init__(self, capability: str, target: str) -> None:
        super().__init__(
            f"The delegation does not include {capability} on {target}.",
            capability=capability,
            target=target,
        )


class BudgetExceeded(Forbidden):
    code = "budget_exceeded"
    hint = "Ask the owner of the agent for a new delegation."

    def __init__(self, delegation_id: str, of: str) -> None:
        super().__init__(
            f"The budget of the delegation does not suffice: {of}.",
            delegation_id=delegation_id,
            of=of,
        )


class RateExceeded(Throttled):
    code = "delegation_rate_exceeded"
    hint = "Wait for the seconds in Retry-After."

    def __init__(self, delegation_id: str, per_minute: int) -> None:
        super().__init__(
            f"The delegation allows {per_minute} actions a minute.",
            delegation_id=delegation_id,
            per_minute=per_minute,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one delegation allows. None is no limit of its own: those above it still hold.

    Money is in minor units of `currency`; hours are of the day in UTC, the second excluded.
    """

    scopes: tuple[str, ...]
    expires_at: datetime
    starts_at: datetime | None = None
    resources: Resources = field(default_factory=dict)
    actions_max: int | None = None
    cents_max: int | None = None
    currency: str = ""
    per_minute_max: int | None = None
    hours: tuple[int, int] | None = None

    def covers(self, capability_id: str) -> bool:
        """Return whether the scopes include the capability."""
        return covers(self.scopes, capability_id)

    def includes(self, type_: str, id_: str) -> bool:
        """Return whether the filter lets this target pass. Lists apply the filter themselves."""
        if not self.resources:
            return True
        return type_ in self.resources and id_ in {*self.resources[type_], UNKNOWN_TARGET}

    def check_within(self, above: "Terms") -> None:
        """Check that these terms reach no further than those above.

        :raises DelegationTooWide: naming the first one that does.
        """
        for name, is_kept in (
            ("scopes", is_within(self.scopes, above.scopes)),
            ("resources", _is_narrower(self.resources, above.resources)),
            ("expires_at", self.expires_at <= above.expires_at),
            (
                "starts_at",
                not above.starts_at or (self.starts_at or above.starts_at) >= above.starts_at,
            ),
            ("actions_max", _is_below(self.actions_max, above.actions_max)),
            ("cents_max", _is_below(self.cents_max, above.cents_max)),
            ("currency", not (self.currency and above.currency) or self.currency == above.currency),
            ("per_minute_max", _is_below(self.per_minute_max, above.per_minute_max)),
            ("hours", _are_inside(self.hours, above.hours)),
        ):
            if not is_kept:
                raise DelegationTooWide(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """How much of a delegation is used up, and how it stands."""

    actions: int = 0
    cents: int = 0
    minute_started_at: datetime | None = None
    in_minute: int = 0
    is_ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What an action takes out of the budgets: itself, and perhaps money."""

    cents: int = 0
    currency: str = ""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Spending":
        """Read it from the risk facts of an action: `amount_cents` and `currency`."""
        cents = facts.get("amount_cents") or 0
        return cls(cents=abs(int(cents)), currency=str(facts.get("currency") or ""))


def why_ended(terms: Terms, used: Used, *, delegation_id: str, at: datetime) -> DomainError | None:
    """Return why nothing at all may be done under a delegation at this moment; None if it may."""
    if used.is_ended or at >= terms.expires_at:
        return DelegationEnded(delegation_id)
    if terms.starts_at and at < terms.starts_at:
        return DelegationNotBegun(terms.starts_at)
    if terms.hours is not None and not terms.hours[0] <= at.hour < terms.hours[1]:
        return OutsideHours(terms.hours)
    return None


def why_over_budget(
    terms: Terms, used: Used, spending: Spending, *, delegation_id: str, at: datetime
) -> DomainError | None:
    """Return why one more action is too much for a delegation; None if it is not."""
    if terms.actions_max is not None and used.actions >= terms.actions_max:
        return BudgetExceeded(delegation_id, "actions")
    if terms.cents_max is not None and spending.cents:
        if spending.currency != terms.currency:
            return BudgetExceeded(delegation_id, f"it is not in {spending.currency}")
        if used.cents + spending.cents > terms.cents_max:
            return BudgetExceeded(delegation_id, "money")
    if terms.per_minute_max is not None and used.minute_started_at is not None:
        is_same_minute = at - used.minute_started_at < RATE_WINDOW
        if is_same_minute and used.in_minute >= terms.per_minute_max:
            return RateExceeded(delegation_id, terms.per_minute_max)
    return None


def _is_narrower(resources: Resources, above: Resources) -> bool:
    if not above:
        return True
    # No filter under a filter would be everything under something.
    return bool(resources) and all(
        set(ids) <= set(above.get(type_, ())) for type_, ids in resources.items()
    )


def _is_below(limit: int | None, above: int | None) -> bool:
    return limit is None or above is None or limit <= above


def _are_inside(hours: tuple[int, int] | None, above: tuple[int, int] | None) -> bool:
    if hours is None or above is None:
        return True
    return above[0] <= hours[0] and hours[1] <= above[1]
