"""The state machine of an approval, and the rule of who may decide it.

Pure: the clock, the people and the rows are arguments. One function, `authorize_decision`,
decides whether somebody may decide, and every path calls it. Constraints in the tables enforce
the same again (`ledger.models.approvals`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from events.domain.errors import Conflict, Forbidden, Malformed, NotFound
from ledger.domain.action import plain
from ledger.domain.capability import Risk

QUORUM_MAX = 10
COMMENT_CHARS_MAX = 500
TITLE_CHARS_MAX = 200
"""What somebody types is refused above it; what is made of names is shortened."""


class ApprovalStatus(StrEnum):
    """Where it stands. All but the first are final."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


class Decision(StrEnum):
    """What somebody may say about it."""

    APPROVE = "approve"
    DENY = "deny"


class OnExpiry(StrEnum):
    """The status of an approval that was not decided in time. Never approved."""

    EXPIRED = "expired"
    DENIED = "denied"


class ApprovalNotFound(NotFound):
    code = "approval_not_found"

    def __init__(self, approval_id: object) -> None:
        super().__init__(f"There is no approval {approval_id}.", approval_id=str(approval_id))


class ApprovalDecisionConflict(Conflict):
    code = "approval_decision_conflict"
    hint = "It has been decided or has ended; ask for another approval if it is still needed."

    def __init__(self, approval_id: str, status: str) -> None:
        super().__init__(
            f"Approval {approval_id} is {status}; that is final.",
            approval_id=approval_id,
            status=status,
        )


class ApprovalDecisionStatusInvalid(Malformed):
    code = "approval_decision_status_invalid"
    hint = "Decide `approve` or `deny`."

    def __init__(self, decision: str) -> None:
        super().__init__(
            f"{decision!r} is no decision.", pointer="/decision", known=sorted(Decision)
        )


class SelfDecisionForbidden(Forbidden):
    code = "approval_self_decision_forbidden"
    hint = "A person who is not involved in the request has to decide."

    def __init__(self, approval_id: str) -> None:
        super().__init__(
            "Nobody may decide their own request, through whatever key or agent.",
            approval_id=approval_id,
        )


class NotHumanEnough(Forbidden):
    code = "approval_needs_a_human"
    hint = "Let a person decide; an agent can ask for an approval and wait for it."

    def __init__(self, approval_id: str, kind: str) -> None:
        super().__init__(f"A {kind} cannot decide an approval.", approval_id=approval_id, kind=kind)


class ApprovalAssigneeMismatch(Forbidden):
    code = "approval_assignee_mismatch"
    hint = "It is assigned to another user, who can delegate it."

    def __init__(self, approval_id: str, assigned_to: str) -> None:
        super().__init__(
            f"Approval {approval_id} is for {assigned_to} to decide.", approval_id=approval_id
        )


class StepUpRequired(Forbidden):
    code = "approval_step_up_required"
    hint = "Enter your password again; it counts for five minutes."

    def __init__(self, approval_id: str) -> None:
        super().__init__(
            "A critical request can be decided only after a recent step-up.",
            approval_id=approval_id,
        )


class AlreadyVoted(Conflict):
    code = "approval_already_voted"
    hint = "It needs the votes of different people."

    def __init__(self, approval_id: str) -> None:
        super().__init__("This person has voted already.", approval_id=approval_id)


class NotTheRequester(Forbidden):
    code = "approval_not_the_requester"
    hint = "Only the requester can withdraw it; a decider can deny it."

    def __init__(self, approval_id: str) -> None:
        super().__init__(
            "The approval was requested by another principal.", approval_id=approval_id
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The state of an approval.

    `chain` are the principals through which it was requested, `humans` the people behind them.
    `approved_by` are the people who have voted for it, `lapsed` those of them who may no longer
    decide: their votes stay on record and do not count.
    """

    id: str
    status: ApprovalStatus
    risk: Risk
    quorum: int
    expires_at: datetime
    chain: frozenset[str]
    humans: frozenset[str]
    requested_by: str
    approved_by: frozenset[str] = frozenset()
    lapsed: frozenset[str] = frozenset()
    assigned_to: str = ""
    assigned_group: str = ""
    on_expiry: OnExpiry = OnExpiry.EXPIRED

    def __post_init__(self) -> None:
        assert 1 <= self.quorum <= QUORUM_MAX, "somebody at least has to agree"
        assert self.requested_by in self.chain, "who asked is part of how it was asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Somebody who wants to decide: the credential, the person behind it, their groups."""

    principal: str
    kind: str
    human: str | None
    groups: frozenset[str] = frozenset()
    is_fresh: bool = False
    """They have just proved who they are: with the key itself, or their password."""


_HUMAN_KINDS = frozenset({"user", "api_key"})
"""Kinds of principals behind which a person acts."""


def authorize_decision(approval: Approval, decider: Decider, *, at: datetime) -> None:
    """Check that `decider` may decide `approval` now. Every path calls this function.

    The service has checked before that they hold the capability. Superusers are no exception.

    :raises ApprovalDecisionConflict: if it is decided, or its time is over, even if no sweep has
        expired it yet.
    :raises NotHumanEnough: if no person is behind the principal.
    :raises SelfDecisionForbidden: if they, or the person behind them, asked for it.
    :raises ApprovalAssigneeMismatch: if it is for others to decide.
    :raises AlreadyVoted: if they have said yes before.
    :raises StepUpRequired: if it is critical and they have not just proved who they are.
    """
    check_pending(approval, at=at)
    if decider.kind not in _HUMAN_KINDS or decider.human is None:
        raise NotHumanEnough(approval.id, decider.kind)
    if decider.principal in approval.chain or decider.human in approval.humans:
        raise SelfDecisionForbidden(approval.id)
    check_assignee(approval, decider)
    if decider.human in approval.approved_by:
        raise AlreadyVoted(approval.id)
    if approval.risk is Risk.CRITICAL and not decider.is_fresh:
        raise StepUpRequired(approval.id)


def check_pending(approval: Approval, *, at: datetime) -> None:
    """Check that it can still be decided.

    :raises ApprovalDecisionConflict: if not.
    """
    if approval.status is not ApprovalStatus.PENDING:
        raise ApprovalDecisionConflict(approval.id, approval.status)
    if is_over(approval, at=at):
        raise ApprovalDecisionConflict(approval.id, approval.on_expiry)


def check_assignee(approval: Approval, decider: Decider) -> None:
    """Check that it is for this person, or for everybody who may.

    :raises ApprovalAssigneeMismatch: if it is for others.
    """
    if approval.assigned_to:
        if approval.assigned_to != decider.human:
            raise ApprovalAssigneeMismatch(approval.id, "somebody else")
    elif approval.assigned_group and approval.assigned_group not in decider.groups:
        raise ApprovalAssigneeMismatch(approval.id, f"the group {approval.assigned_group}")


def decide(approval: Approval, decider: Decider, decision: Decision, *, at: datetime) -> Approval:
    """Return the approval with one vote more: one denial denies it, a quorum approves it.

    It is assigned to nobody from then on: the missing votes may come from anyone.

    :raises DomainError: as `authorize_decision` does.
    """
    authorize_decision(approval, decider, at=at)
    assert decider.human is not None, "authorize_decision lets nobody else through"
    if decision is Decision.DENY:
        return replace(approval, status=ApprovalStatus.DENIED)
    approved_by = (approval.approved_by - approval.lapsed) | {decider.human}
    if len(approved_by) < approval.quorum:
        return replace(approval, approved_by=approved_by, assigned_to="")
    return replace(approval, approved_by=approved_by, status=ApprovalStatus.APPROVED)


def cancel(approval: Approval, decider: Decider, *, at: datetime) -> Approval:
    """Return the approval as its requester withdraws it.

    :raises ApprovalDecisionConflict: if it is decided or over.
    :raises NotTheRequester: if neither they nor the person behind them asked.
    """
    check_pending(approval, at=at)
    is_theirs = decider.principal in approval.chain or decider.human in approval.humans
    if not is_theirs:
        raise NotTheRequester(approval.id)
    return replace(approval, status=ApprovalStatus.CANCELLED)


def delegate(approval: Approval, decider: Decider, *, to: str, at: datetime) -> Approval:
    """Return the approval as one for `to` (a person) to decide instead. The bar stays.

    :raises DomainError: as `authorize_decision` does, for `decider`.
    :raises SelfDecisionForbidden: if it would go to somebody through whom it was asked.
    :raises AlreadyVoted: if it would go to somebody who has said yes, and can say no more.
    """
    authorize_decision(approval, replace(decider, is_fresh=True), at=at)
    if to in approval.humans:
        raise SelfDecisionForbidden(approval.id)
    if to in approval.approved_by:
        raise AlreadyVoted(approval.id)
    return replace(approval, assigned_to=to)


def expire(approval: Approval, *, at: datetime) -> Approval:
    """Return the approval as it is when it was not decided in time.

    :raises AssertionError: if its time is not over; that is a bug.
    """
    assert approval.status is ApprovalStatus.PENDING, "what is final does not expire"
    assert is_over(approval, at=at), "its time is not over"
    return replace(approval, status=ApprovalStatus(approval.on_expiry.value))


def supersede(approval: Approval) -> Approval:
    """Return the approval as a newer request of the same requester replaces it."""
    assert approval.status is ApprovalStatus.PENDING, "what is final is not replaced"
    return replace(approval, status=ApprovalStatus.SUPERSEDED)


def is_over(approval: Approval, *, at: datetime) -> bool:
    """Return whether its time has passed."""
    return approval.expires_at <= at


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What an approval covers. That of the approval and of the action are compared part by part.

    `input` are the arguments of the request, `state` the state of the target and the facts of the
    risk. `reason` is a fingerprint, because the text itself is kept beside the entry. `undoes` is
    the id of the entry that the action reverses; it is compared, but is part of no fingerprint.
    """

    action: str
    version: int
    target_type: str
    target_id: str
    route: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    state: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    principal: str
    organization: str = ""
    capability: str
    capability_version: int
    risk: str
    policy: str
    policy_version: int
    reason_code: str
    key: str = ""
    undoes: str = ""


def approved_content(bound: Bound) -> dict[str, Any]:
    """Return what an approval is bound to: the command, the target as found, the policy."""
    return {
        **command_of(bound),
        "targetState": plain(bound.state),
        "riskFacts": plain(bound.facts),
        "policyInputs": {
            "approvalPolicy": f"{bound.policy}@v{bound.policy_version}",
            "capabilityId": bound.capability,
            "capabilityVersion": bound.capability_version,
            "evaluatedRisk": bound.risk,
            "reasonCode": bound.reason_code,
        },
    }


def command_of(bound: Bound) -> dict[str, Any]:
    """Return what two requests have in common when they ask for the same, whatever the state."""
    return {
        "actionName": bound.action,
        "actionVersion": f"v{bound.version}",
        "targetType": bound.target_type,
        "targetId": bound.target_id,
        "commandInput": plain(bound.input),
        **({"reason": bound.reason} if bound.reason else {}),
    }
