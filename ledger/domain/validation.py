"""Checks whether an approval covers the action at hand: fifteen reasons why not, in order.

The first that applies is reported.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from events.domain.errors import Conflict, DomainError, Forbidden
from ledger.domain.approval import ApprovalAssigneeMismatch, ApprovalNotFound, ApprovalStatus, Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What is known of the approval that somebody refers to."""

    id: str
    status: ApprovalStatus
    expires_at: datetime
    bound: Bound
    fingerprint: str
    assigned_to: str = ""
    decided_by: frozenset[str] = frozenset()
    is_executed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What is about to be done under it. Its policy is the one that applies now, if any does.

    `fingerprints` returns all that may be on record of what an approval is bound to.
    """

    bound: Bound
    at: datetime
    fingerprints: Callable[[Bound], Collection[str]]
    is_bound_to_route: bool = False


class NotCovered(DomainError):
    """The approval that was referred to does not cover what is about to be done."""

    def __init__(self, approval_id: str, message: str, **facts: Any) -> None:
        super().__init__(message, approval_id=approval_id, **facts)


class ApprovalNotApproved(NotCovered, Conflict):
    code = "approval_not_approved"
    hint = "Wait until it is approved; if it was denied or has ended, ask again under a new key."


class ApprovalExpired(NotCovered, Conflict):
    code = "approval_expired"
    hint = "Ask again: repeat the request without the approval, under a new key."


class ApprovalMismatchedAction(NotCovered, Conflict):
    code = "approval_mismatched_action"
    hint = "Repeat exactly what was approved."


class ApprovalMissingFingerprint(NotCovered, Conflict):
    code = "approval_missing_fingerprint"
    hint = "It was given for a subject, not for a command; nothing can be executed under it."


class ApprovalFingerprintMismatch(NotCovered, Conflict):
    code = "approval_fingerprint_mismatch"
    hint = "The command or its target has changed since. Ask again under a new key."


class ApprovalPrincipalMismatch(NotCovered, Forbidden):
    code = "approval_principal_mismatch"
    hint = "Only the requester can use it."


class ApprovalOrganizationMismatch(NotCovered, Forbidden):
    code = "approval_organization_mismatch"
    hint = "It was requested in another organization."


class ApprovalCapabilityMismatch(NotCovered, Conflict):
    code = "approval_capability_mismatch"
    hint = "The capability it needs has changed since. Ask again under a new key."


class ApprovalRiskMismatch(NotCovered, Conflict):
    code = "approval_risk_mismatch"
    hint = "The risk has changed since. Ask again under a new key."


class ApprovalPolicyMismatch(NotCovered, Conflict):
    code = "approval_policy_mismatch"
    hint = "Another policy applies now. Ask again under a new key."


class ApprovalReasonMismatch(NotCovered, Conflict):
    code = "approval_reason_mismatch"
    hint = "It was needed for another reason. Ask again under a new key."


class ApprovalIdempotencyKeyMismatch(NotCovered, Conflict):
    code = "approval_idempotency_key_mismatch"
    hint = "Repeat the request under the idempotency_key that the approval names."


class ApprovalAlreadyExecuted(NotCovered, Conflict):
    code = "approval_already_executed"
    hint = "One approval is good for one execution."


Check = Callable[[Granted, Execution], DomainError | None]


def why_not(approval_id: str, granted: Granted | None, wanted: Execution) -> DomainError | None:
    """Return the first reason why `wanted` is not covered by the approval; None if it is."""
    if granted is None:
        return ApprovalNotFound(approval_id)
    return next((why for check in _IN_ORDER if (why := check(granted, wanted))), None)


def why_over(granted: Granted, *, at: datetime) -> NotCovered | None:
    """Return why nothing will be done under an approval any more; None if it may still be."""
    if granted.status is not ApprovalStatus.PENDING and (why := _not_approved(granted)):
        return why
    if granted.expires_at > at:
        return None
    if granted.status is ApprovalStatus.PENDING:
        # Before the sweep has said so.
        return _not_approved(replace(granted, status=ApprovalStatus.EXPIRED))
    return ApprovalExpired(granted.id, f"Approval {granted.id} was good until it expired.")


def _status(granted: Granted, _wanted: Execution) -> DomainError | None:
    return _not_approved(granted)


def _not_approved(granted: Granted) -> NotCovered | None:
    if granted.status is ApprovalStatus.APPROVED:
        return None
    text = f"Approval {granted.id} is {granted.status}."
    return ApprovalNotApproved(granted.id, text, status=granted.status)


def _expiry(granted: Granted, wanted: Execution) -> DomainError | None:
    if granted.expires_at > wanted.at:
        return None
    return ApprovalExpired(granted.id, f"Approval {granted.id} was good until it expired.")


def _action(granted: Granted, wanted: Execution) -> DomainError | None:
    names = ["action", "version", "target_type", "target_id"]
    if wanted.is_bound_to_route:
        names.append("route")
    if granted.bound.undoes:
        # An approval to undo something is none to do the same for its own sake.
        names.append("undoes")
    different = [name for name in names if _differs(granted, wanted, name)]
    if not different:
        return None
    text = f"Approval {granted.id} is of another action: {', '.join(different)} differs."
    return ApprovalMismatchedAction(granted.id, text, differs=different)


def _is_bound(granted: Granted, _wanted: Execution) -> DomainError | None:
    if granted.fingerprint:
        return None
    return ApprovalMissingFingerprint(granted.id, f"Approval {granted.id} covers no command.")


def _fingerprint(granted: Granted, wanted: Execution) -> DomainError | None:
    # Under the policy of then: whether that still applies has reasons of its own, below.
    then = granted.bound
    now = replace(
        wanted.bound,
        policy=then.policy,
        policy_version=then.policy_version,
        capability=then.capability,
        capability_version=then.capability_version,
        risk=then.risk,
        reason_code=then.reason_code,
    )
    if granted.fingerprint in wanted.fingerprints(now):
        return None
    text = f"What approval {granted.id} was given for has changed since."
    return ApprovalFingerprintMismatch(granted.id, text)


def _principal(granted: Granted, wanted: Execution) -> DomainError | None:
    if not _differs(granted, wanted, "principal"):
        return None
    return ApprovalPrincipalMismatch(granted.id, "Somebody else asked for this approval.")


def _organization(granted: Granted, wanted: Execution) -> DomainError | None:
    if not _differs(granted, wanted, "organization"):
        return None
    return ApprovalOrganizationMismatch(granted.id, "This approval is of another organization.")


def _assignee(granted: Granted, _wanted: Execution) -> DomainError | None:
    if not granted.assigned_to or granted.assigned_to in granted.decided_by:
        return None
    return ApprovalAssigneeMismatch(granted.id, "somebody who did not")


def _capability(granted: Granted, wanted: Execution) -> DomainError | None:
    names = ("capability", "capability_version")
    if not any(_differs(granted, wanted, name) for name in names):
        return None
    return ApprovalCapabilityMismatch(granted.id, "It takes another capability by now.")


def _risk(granted: Granted, wanted: Execution) -> DomainError | None:
    if not _differs(granted, wanted, "risk"):
        return None
    text = f"It was {granted.bound.risk} and is {wanted.bound.risk}."
    return ApprovalRiskMismatch(granted.id, text)


def _policy(granted: Granted, wanted: Execution) -> DomainError | None:
    # If none applies any more, no approval would be needed: the one that was given does no harm.
    if not wanted.bound.policy:
        return None
    if not any(_differs(granted, wanted, name) for name in ("policy", "policy_version")):
        return None
    text = f"Approval {granted.id} was asked for under {granted.bound.policy}."
    return ApprovalPolicyMismatch(granted.id, text)


def _reason(granted: Granted, wanted: Execution) -> DomainError | None:
    if not wanted.bound.policy or not _differs(granted, wanted, "reason_code"):
        return None
    return ApprovalReasonMismatch(granted.id, f"It was needed for {granted.bound.reason_code}.")


def _key(granted: Granted, wanted: Execution) -> DomainError | None:
    then, now = granted.bound.key, wanted.bound.key
    if not then or not now or then == now:
        return None
    return ApprovalIdempotencyKeyMismatch(granted.id, "It was asked for under another key.")


def _execution(granted: Granted, _wanted: Execution) -> DomainError | None:
    if not granted.is_executed:
        return None
    return ApprovalAlreadyExecuted(granted.id, f"What approval {granted.id} is for was done.")


def _differs(granted: Granted, wanted: Execution, name: str) -> bool:
    return bool(getattr(granted.bound, name) != getattr(wanted.bound, name))


_IN_ORDER: tuple[Check, ...] = (
    _status,
    _expiry,
    _action,
    _is_bound,
    _fingerprint,
    _principal,
    _organization,
    _assignee,
    _capability,
    _risk,
    _policy,
    _reason,
    _key,
    _execution,
)
"""All but the first of the fifteen, which is that there is no such approval."""
