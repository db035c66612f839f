"""A capability names one thing that somebody may be allowed to do: `booking.cancel`.

A scope is a capability id, or a wildcard over them: `booking.*`, `*`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from events.domain.errors import Forbidden, Rejected
from events.domain.principal import PrincipalKind

_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_SCOPE = re.compile(r"\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?")

EVERY_PRINCIPAL = frozenset(PrincipalKind) - {PrincipalKind.ANONYMOUS}
ID_CHARS_MAX = 100  # The width of a Django permission's codename.


class Risk(StrEnum):
    """What a mistake would cost. What is declared is a floor."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def is_grave(self) -> bool:
        """Return whether it must be on record, done or refused."""
        return self in {Risk.HIGH, Risk.CRITICAL}


_ORDER = tuple(Risk)
"""Risks as they are declared: from the least to the gravest."""


def graver(left: Risk, right: Risk) -> Risk:
    """Return the higher of two risks."""
    return max(left, right, key=_ORDER.index)


class LedgerPolicy(StrEnum):
    """Whether an action under a capability is recorded."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class ApprovalPolicy(StrEnum):
    """Whether somebody else has to agree first. A policy in force may always ask for more."""

    NONE = "none"
    CONDITIONAL = "conditional"
    REQUIRED = "required"


_PROGRAMS = {PrincipalKind.SYSTEM, PrincipalKind.WORKFLOW, PrincipalKind.AGENT}

PEOPLE = frozenset({PrincipalKind.USER, PrincipalKind.API_KEY})
"""Principals behind which a human stands who answers for what they do."""


def actor_of(kind: PrincipalKind) -> str:
    """Return the type of actor: what the business sees of a principal."""
    return "system" if kind in _PROGRAMS else "staff"


class ScopeUnknown(Rejected):
    code = "scope_unknown"
    hint = "GET /api/v1/api-keys/scopes lists the scopes there are; wildcards end in .*"

    def __init__(self, scope: str) -> None:
        super().__init__(f"There is no scope {scope!r}.", pointer="/scopes", scope=scope)


class PrincipalNotAllowed(Forbidden):
    code = "principal_not_allowed"
    hint = "This capability is only for other kinds of principals."

    def __init__(self, capability: str, kind: str) -> None:
        super().__init__(f"No {kind} may hold {capability}.", capability=capability, kind=kind)


class CapabilityMissing(Forbidden):
    code = "capability_missing"
    hint = "Ask an administrator for this permission, or use a key that has it in its scopes."

    def __init__(self, capability: str) -> None:
        super().__init__(f"This needs the capability {capability}.", capability=capability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One thing that somebody may be allowed to do, as an app declares it.

    - `object_permission`: the Django permission (`commerce.view_booking`) that grants it on one
      object; None if it can only be held over all objects.
    - `risk`: the least risk of an action; `weigh` may find more in its facts, never less.
    - `all_of`, `any_of`: capabilities that have to be held as well: all of the first, and one of
      the second if it has any.
    - `approval`: whether somebody else has to agree. `reversal` names what undoes it.
    - `asks_why`: an access reason is required.
    """

    id: str
    meaning: str
    resource: str
    action: str
    risk: Risk = Risk.LOW
    object_permission: str | None = None
    version: int = 1
    weigh: Callable[[Mapping[str, Any]], Risk] | None = None
    principals: frozenset[PrincipalKind] = EVERY_PRINCIPAL
    ledger: LedgerPolicy = LedgerPolicy.OPTIONAL
    all_of: frozenset[str] = frozenset()
    any_of: frozenset[str] = frozenset()
    approval: ApprovalPolicy = ApprovalPolicy.NONE
    reversal: str = ""
    asks_why: bool = False

    def __post_init__(self) -> None:
        assert _ID.fullmatch(self.id), f"{self.id!r} is not noun.verb"
        assert len(self.id) <= ID_CHARS_MAX, f"{self.id!r} is too long"
        assert self.object_permission is None or self.object_permission.count(".") == 1
        assert self.version >= 1, "versions start at 1"
        assert self.ledger is LedgerPolicy.REQUIRED or not self.risk.is_grave, (
            f"{self.id} is {self.risk}: it goes on record"
        )
        assert self.id not in self.all_of | self.any_of, f"{self.id} asks for itself anyway"

    def risk_of(self, facts: Mapping[str, Any]) -> Risk:
        """Return how much is at stake: at least the floor."""
        return self.risk if self.weigh is None else graver(self.risk, self.weigh(facts))


def covers(scopes: Iterable[str], capability_id: str) -> bool:
    """Return whether one of `scopes` includes the capability."""
    return any(_includes(scope, capability_id) for scope in scopes)


def is_within(scopes: Iterable[str], limit: Iterable[str]) -> bool:
    """Return whether `scopes` reach no further than `limit` does."""
    limit = tuple(limit)
    return all(covers(limit, scope) for scope in scopes)


def is_well_formed(scope: str) -> bool:
    """Return whether `scope` could be a scope at all."""
    return _SCOPE.fullmatch(scope) is not None


def _includes(scope: str, other: str) -> bool:
    # `other` may itself be a wildcard: booking.* includes booking.* and booking.notes.*.
    if scope == "*":
        return True
    if scope.endswith(".*"):
        return other.startswith(scope[:-1])
    return scope == other
