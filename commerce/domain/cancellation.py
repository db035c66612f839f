"""What a customer gets back when a booking is cancelled.

A policy is a ladder of rules. The first rule whose threshold is reached applies; the
threshold itself counts as reached. Percentages are basis points and round down, flat
amounts never exceed the price. A policy must say what happens on the last day: without
that rule the last percentage would quietly apply on the day itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from commerce.domain.money import BASIS_POINTS, Money, total
from events.domain.errors import Rejected

RULES_MAX = 20


class RefundType(StrEnum):
    CASH = "cash"
    CREDIT = "credit"
    CASH_OR_CREDIT = "cash_or_credit"
    NONE = "none"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """From `days_before` days before departure on: a share, or a flat amount, of the price."""

    days_before: int
    refund_bp: int = 0
    flat_amount_cents: int | None = None
    refund_type: RefundType = RefundType.NONE
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The rules as they were agreed: frozen into the booking, whatever the policy becomes."""

    version_id: str
    currency: str
    rules: tuple[Rule, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the shape that is kept in events and snapshots."""
        return {
            "versionId": self.version_id,
            "currency": self.currency,
            "rules": [
                {
                    "daysBefore": rule.days_before,
                    "refundBp": rule.refund_bp,
                    "flatAmountCents": rule.flat_amount_cents,
                    "refundType": rule.refund_type.value,
                    "label": rule.label,
                }
                for rule in self.rules
            ],
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Terms":
        """Read what `as_json` wrote."""
        return cls(
            version_id=raw["versionId"],
            currency=raw["currency"],
            rules=tuple(
                Rule(
                    days_before=rule["daysBefore"],
                    refund_bp=rule["refundBp"],
                    flat_amount_cents=rule["flatAmountCents"],
                    refund_type=RefundType(rule["refundType"]),
                    label=rule["label"],
                )
                for rule in raw["rules"]
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One part of a booking with its own price, date and terms."""

    price: Money
    service_date: date
    terms: Terms | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """What the terms give back. `manual_review` says why it could not be computed."""

    amount_cents: int
    currency: str
    refund_bp: int
    refund_type: RefundType
    manual_review: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the shape that is kept in events and shown to people."""
        return {
            "outcome": "unknown" if self.manual_review else "evaluated",
            "amountCents": self.amount_cents,
            "currency": self.currency,
            "refundBp": self.refund_bp,
            "refundType": self.refund_type.value,
            "reason": self.manual_review,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Entitlement":
        """Read what `as_json` wrote."""
        return cls(
            amount_cents=raw["amountCents"],
            currency=raw["currency"],
            refund_bp=raw["refundBp"],
            refund_type=RefundType(raw["refundType"]),
            manual_review=raw["reason"],
        )


class PolicyNotPublishable(Rejected):
    code = "policy_not_publishable"
    hint = "Create another version with valid rules, and publish that."

    def __init__(self, problem: str) -> None:
        super().__init__(problem)


def check_publishable(rules: Sequence[Rule]) -> None:
    """Refuse rules that would surprise a customer.

    :raises PolicyNotPublishable: if the ladder is empty or too long, a step repeats or is out of
        range, there is no step for the last day, or a later cancellation would give back more.
    """
    ladder = _ladder(rules)
    if not ladder:
        raise PolicyNotPublishable("A policy needs at least one rule.")
    if len(ladder) > RULES_MAX:
        raise PolicyNotPublishable(f"A policy has at most {RULES_MAX} rules.")
    if len({rule.days_before for rule in ladder}) < len(ladder):
        raise PolicyNotPublishable("Two rules have the same number of days.")
    for rule in ladder:
        _check_rule(rule)
    if ladder[-1].days_before != 0:
        raise PolicyNotPublishable("Say what is given back on the last day: add a rule for 0 days.")
    for earlier, later in pairwise(ladder):
        if _may_rise(earlier, later):
            raise PolicyNotPublishable("Cancelling later must not give back more, of any price.")


def evaluate(terms: Terms, *, days_before: int, price: Money) -> Entitlement:
    """Return what `terms` give back of `price`, so many days before departure.

    After the departure (a negative number of days) the rule of the last day applies.
    """
    if terms.currency != price.currency:
        return _unknown("currency_mismatch", price.currency)
    if not terms.rules:
        return _entitlement(Money(0, price.currency), price, RefundType.NONE)
    ladder = _ladder(terms.rules)
    rule = next((rule for rule in ladder if days_before >= rule.days_before), ladder[-1])
    given = _entitlement(_refund(rule, price), price, rule.refund_type)
    is_share = rule.flat_amount_cents is None and given.amount_cents > 0
    # What was agreed, not what was left of it when it was rounded down.
    return replace(given, refund_bp=rule.refund_bp) if is_share else given


def evaluate_all(segments: Sequence[Segment], *, at: datetime, currency: str) -> Entitlement:
    """Return what the terms of all `segments` together give back when cancelled at `at`."""
    parts: list[Entitlement] = []
    for segment in segments:
        if segment.terms is None:
            return _unknown("policy_snapshot_missing", currency)
        days = (segment.service_date - at.date()).days
        parts.append(evaluate(segment.terms, days_before=days, price=segment.price))
    unclear = next((part for part in parts if part.manual_review), None)
    if unclear is not None:
        return unclear
    price = total((segment.price for segment in segments), currency=currency)
    refund = total((Money(part.amount_cents, currency) for part in parts), currency=currency)
    given = _entitlement(refund, price, _type_of(parts))
    shares = {part.refund_bp for part in parts}
    return replace(given, refund_bp=shares.pop()) if len(shares) == 1 else given


def due_back_cents(*, entitled_cents: int, price_cents: int, paid_cents: int) -> int:
    """Return what goes back of what was paid: what the terms keep of the price is kept first."""
    kept_cents = price_cents - entitled_cents
    return max(0, min(entitled_cents, paid_cents - kept_cents))


def _ladder(rules: Iterable[Rule]) -> list[Rule]:
    return sorted(rules, key=lambda rule: rule.days_before, reverse=True)


def _check_rule(rule: Rule) -> None:
    if rule.days_before < 0:
        raise PolicyNotPublishable("Days before departure cannot be negative.")
    if not 0 <= rule.refund_bp <= BASIS_POINTS:
        raise PolicyNotPublishable("A share is between 0 and 10000 basis points.")
    if rule.flat_amount_cents is not None and rule.flat_amount_cents < 0:
        raise PolicyNotPublishable("A flat amount cannot be negative.")
    gives_back = (
        rule.refund_bp > 0 if rule.flat_amount_cents is None else rule.flat_amount_cents > 0
    )
    if gives_back and rule.refund_type in {RefundType.NONE, RefundType.MIXED}:
        raise PolicyNotPublishable("A rule that gives something back says in which form.")


def _may_rise(earlier: Rule, later: Rule) -> bool:
    """Return whether there is a price of which `later` gives back more than `earlier`."""
    if earlier.flat_amount_cents is None:
        if later.flat_amount_cents is None:
            return later.refund_bp > earlier.refund_bp
        # Of a price that is not above the flat amount, all of it goes back.
        return later.flat_amount_cents > 0 and earlier.refund_bp < BASIS_POINTS
    if later.flat_amount_cents is None:
        # A share of a high price is more than any amount.
        return later.refund_bp > 0
    return later.flat_amount_cents > earlier.flat_amount_cents


def _refund(rule: Rule, price: Money) -> Money:
    if rule.flat_amount_cents is None:
        return price.share(rule.refund_bp)
    return Money(min(rule.flat_amount_cents, price.amount_cents), price.currency)


def _entitlement(refund: Money, price: Money, kind: RefundType) -> Entitlement:
    share = refund.amount_cents * BASIS_POINTS // price.amount_cents if price.amount_cents else 0
    return Entitlement(
        amount_cents=refund.amount_cents,
        currency=refund.currency,
        refund_bp=share,
        refund_type=kind if refund.amount_cents else RefundType.NONE,
    )


def _type_of(parts: Sequence[Entitlement]) -> RefundType:
    kinds = {part.refund_type for part in parts if part.amount_cents}
    if not kinds:
        return RefundType.NONE
    return kinds.pop() if len(kinds) == 1 else RefundType.MIXED


def _unknown(reason: str, currency: str) -> Entitlement:
    return Entitlement(
        amount_cents=0,
        currency=currency,
        refund_bp=0,
        refund_type=RefundType.NONE,
        manual_review=reason,
    )
