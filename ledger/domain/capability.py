"""A capability names one thing that somebody may be allowed to do: `booking.cancel`.

A scope is a capability id, or a wildcard over them: `booking.*`, `*`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from events.domain.errors import Forbidden, Rejected

_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_SCOPE = re.compile(r"\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?")

ID_CHARS_MAX = 100  # The width of a Django permission's codename.


class Risk(StrEnum):
    """What a mistake would cost. What is declared is a floor."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class ScopeUnknown(Rejected):
    code = "scope_unknown"
    hint = "GET /api/v1/api-keys/scopes lists the scopes there are; wildcards end in .*"

    def __init__(self, scope: str) -> None:
        super().__init__(f"There is no scope {scope!r}.", pointer="/scopes", scope=scope)


class CapabilityMissing(Forbidden):
    code = "capability_missing"
    hint = "Ask an administrator for this permission, or use a key that has it in its scopes."

    def __init__(self, capability: str) -> None:
        super().__init__(f"This needs the capability {capability}.", capability=capability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """`object_permission` is the Django permission (`commerce.view_booking`) that grants
    the capability on a single object; None when it can only be held over all of them."""

    id: str
    meaning: str
    resource: str
    action: str
    risk: Risk = Risk.LOW
    object_permission: str | None = None

    def __post_init__(self) -> None:
        assert _ID.fullmatch(self.id), f"{self.id!r} is not noun.verb"
        assert len(self.id) <= ID_CHARS_MAX, f"{self.id!r} is too long"
        assert self.object_permission is None or self.object_permission.count(".") == 1


def covers(scopes: Iterable[str], capability_id: str) -> bool:
    """Say whether one of `scopes` includes the capability."""
    return any(_includes(scope, capability_id) for scope in scopes)


def is_within(scopes: Iterable[str], limit: Iterable[str]) -> bool:
    """Say whether `scopes` reach no further than `limit` does."""
    limit = tuple(limit)
    return all(covers(limit, scope) for scope in scopes)


def is_well_formed(scope: str) -> bool:
    """Say whether `scope` could be a scope at all."""
    return _SCOPE.fullmatch(scope) is not None


def _includes(scope: str, other: str) -> bool:
    # `other` may itself be a wildcard: booking.* includes booking.* and booking.notes.*.
    if scope == "*":
        return True
    if scope.endswith(".*"):
        return other.startswith(scope[:-1])
    return scope == other
