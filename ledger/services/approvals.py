"""Decides, withdraws, hands on and expires approvals, and requests them ahead.

Each public function is one durable transaction. The approval that an action itself needs is
requested by the gate (`ledger.approving.gate`), which no path bypasses.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from events import context
from events.domain.errors import Forbidden, NotFound, Rejected
from events.ids import new_id
from ledger import capabilities, commands, selectors
from ledger.access.authority import Caller
from ledger.approving import asking, reference, steps, voting
from ledger.approving.asking import Petition
from ledger.approving.gate import ApprovalRequired
from ledger.approving.reference import ApprovalNotNeeded
from ledger.domain import approval as rules
from ledger.domain.action import UNKNOWN_TARGET, Kind, Status
from ledger.domain.approval import (
    ApprovalDecisionConflict,
    ApprovalDecisionStatusInvalid,
    ApprovalStatus,
    Bound,
    Decider,
    Decision,
)
from ledger.domain.capability import Risk
from ledger.domain.payload import PayloadKind
from ledger.domain.policy import PolicyMissing, PolicyStatus
from ledger.domain.validation import ApprovalMissingFingerprint
from ledger.models import Approval, ApprovalPolicyVersion, ApprovalVote
from ledger.reversing import reversal_context, standings

EXPIRED_AT_ONCE_MAX: Final = 200


class DelegateUnknown(Rejected):
    code = "approval_delegate_unknown"
    hint = "Name somebody who may decide approvals."

    def __init__(self, username: str) -> None:
        super().__init__(
            f"Nobody called {username!r} may decide approvals.", pointer="/to", to=username
        )


class InputGone(NotFound):
    code = "approval_input_gone"
    hint = "Repeat the request with Action-Approval-Id."

    def __init__(self, approval_id: UUID) -> None:
        super().__init__(
            f"What approval {approval_id} was asked with is no longer kept.",
            approval_id=str(approval_id),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The subject of an approval that is not for a command: a step of a flow, a plan, a document.

    `reference` is the requester's own name for it (`flow/<id>/<step>`): per requester, target
    and reference there is one open approval. `details` are shown to the decider.
    """

    type: str
    id: str
    title: str
    reference: str = ""
    reason: str = ""
    details: Mapping[str, Any] | None = None
    risk: Risk = Risk.MEDIUM


def request_approval(
    *,
    subject: Subject,
    policy: str,
    ttl: timedelta | None = None,
    quorum: int | None = None,
) -> Approval:
    """Request approval of a subject that is no command, as the current principal; once a reference.

    In the caller's transaction if there is one, so that what waits and what it waits for are
    committed together; otherwise in one of its own. `policy` names a policy in force, which
    says who decides and for how long; `ttl` may only shorten it, `quorum` only raise it.

    The decision arrives as an event of stream `("approval", <id>)`, in the transaction that
    makes it: `ledger.approval.decided` (`status` is `approved` or `denied`),
    `ledger.approval.expired`, `.cancelled` or `.superseded`. Its data names `approvalId`,
    `status`, `targetType`, `targetId` and your `reference`. Whoever must not miss it promotes
    `ledger.approval.*` (`workflows.work.promotion.durable_subscriber`) and is called at least
    once by a row of work; `ledger.approval.voted`, `.delegated` and
    `.returned` do not end the approval.

    :raises PolicyMissing: if no such policy is in force.
    """
    inside = transaction.get_connection().in_atomic_block
    with nullcontext() if inside else transaction.atomic(durable=True):
        approval, _ = asking.ask(_petition(subject, policy, ttl, quorum))
    return approval


def request_command_approval(
    *,
    command: str,
    target_id: str,
    input: Mapping[str, Any],  # noqa: A002 (the word of the registry)
    by: Caller | None = None,
) -> Approval:
    """Ask for approval of a command ahead, as whoever acts. Nothing is done: it is tried, and the
    gate takes it back. Without `by` the caller has seen to it that they may.

    :raises CommandUnknown, CommandInputInvalid: as the registry says.
    :raises CapabilityMissing: if they lack the permission to execute it, even when approved.
    :raises ApprovalNotNeeded: if no approval is needed.
    :raises DomainError: whatever the command refuses with.
    """
    if by is not None:
        by.demand(commands.get(command).capability)
    try:
        with reference.only_asking():
            commands.run(command, target_id=target_id, input=input)
    except ApprovalRequired as required:
        return required.approval
    raise ApprovalNotNeeded(command)


def decide_approval(
    *,
    approval_id: UUID,
    decision: str,
    decider: Caller,
    comment: str = "",
    is_fresh: bool = False,
) -> Approval:
    """Approve or deny, as `decider`. Idempotent.

    `is_fresh` says that a person has just proved who they are; a key does so each time.

    :raises ApprovalDecisionStatusInvalid: if `decision` is neither.
    :raises ApprovalNotFound: if there is no such approval.
    :raises CapabilityMissing: if they may not decide approvals.
    :raises VotesMoved: if an earlier approver lost the permission at the same moment.
    :raises DomainError: as `rules.authorize_decision` does, which every path asks.
    """
    if decision not in set(Decision):
        raise ApprovalDecisionStatusInvalid(decision)
    decider.demand(steps.DECIDE)
    who = voting.decider_of(decider, is_fresh=is_fresh)
    try:
        with transaction.atomic(durable=True):
            row = steps.locked(approval_id)
            is_over = steps.expire_if_over(row)
            if not is_over and not _has_voted(row, who, Decision(decision)):
                voting.give_back_if_lost(row)
                _decide(row, who, Decision(decision), comment)
    except Forbidden as why:
        voting.note_refused(approval_id, decision, why)
        raise
    except IntegrityError as error:
        raise voting.moved(approval_id, error) from error
    if is_over:
        raise ApprovalDecisionConflict(str(row.pk), row.status)
    return row


def cancel_approval(*, approval_id: UUID, by: Caller, comment: str = "") -> Approval:
    """Withdraw a request, as its requester or the person behind it, through whatever key.

    :raises ApprovalNotFound: if there is no such approval, or not for them to see (ADR 0170).
    :raises ApprovalDecisionConflict: if it has been decided or has ended.
    :raises NotTheRequester: if somebody else requested it.
    """
    _check_visible(approval_id, by)
    with transaction.atomic(durable=True):
        row = steps.locked(approval_id)
        is_over = steps.expire_if_over(row)
        if not is_over:
            state = steps.state_of(row)
            after = rules.cancel(state, voting.decider_of(by), at=timezone.now())
            steps.end(row, after.status, summary="Withdrawn by who asked.", comment=comment)
    if is_over:
        raise ApprovalDecisionConflict(str(row.pk), row.status)
    return row


def withdraw_approval(*, approval_id: UUID, reason: str) -> Approval:
    """Withdraw a request of the current principal, such as a workflow that no longer needs it.

    In the caller's transaction if there is one. A request that has ended is not changed.

    :raises ApprovalNotFound: if there is no such approval.
    :raises NotTheRequester: if somebody else requested it.
    """
    inside = transaction.get_connection().in_atomic_block
    with nullcontext() if inside else transaction.atomic(durable=True):
        row = steps.locked(approval_id)
        if row.requested_by != str(context.current().principal):
            raise rules.NotTheRequester(str(approval_id))
        is_open = not steps.expire_if_over(row) and row.status == ApprovalStatus.PENDING
        if is_open:
            summary = "Withdrawn by who asked."
            steps.end(row, ApprovalStatus.CANCELLED, summary=summary, comment=reason)
    return row


def delegate_approval(
    *, approval_id: UUID, to: str, decider: Caller, comment: str = ""
) -> Approval:
    """Delegate a request to the user named `to`, who then decides it also outside its group.

    :raises ApprovalNotFound: if there is no such approval.
    :raises DelegateUnknown: if nobody of that name may decide approvals.
    :raises CapabilityMissing: if the decider may not decide approvals.
    :raises DomainError: as `rules.delegate` does; of `to` as well as of the decider.
    """
    decider.demand(steps.DECIDE)
    user = User.objects.filter(username=to, is_active=True).first()
    if user is None or not Caller(user).holds(steps.DECIDE):
        raise DelegateUnknown(to)
    who = voting.decider_of(decider)
    try:
        with transaction.atomic(durable=True):
            row = steps.locked(approval_id)
            voting.give_back_if_lost(row)
            rules.delegate(steps.state_of(row), who, to=str(user.pk), at=timezone.now())
            steps.assign(row, user, by=who.human or who.principal)
            summary = f"Handed on to {to}."
            steps.note(
                row, kind=Kind.UPDATE, status=Status.REQUESTED, summary=summary, comment=comment
            )
            steps.emit_event("delegated", row, delegatedBy=who.principal)
    except Forbidden as why:
        voting.note_refused(approval_id, "delegate", why)
        raise
    return row


def expire_approvals() -> int:
    """Expire the approvals that nobody has decided in time; return how many. For beat.

    What was handed on to somebody who cannot decide any more is given back to all who may.
    Those that were given to undo something and were not used in time end that request, too.
    One transaction each. Whatever this misses ends when somebody tries to decide or use it.
    """
    due = Approval.objects.filter(
        status=ApprovalStatus.PENDING.value, expires_at__lte=timezone.now()
    )
    ended = 0
    for approval_id in due.order_by("expires_at").values_list("pk", flat=True)[
        :EXPIRED_AT_ONCE_MAX
    ]:
        with transaction.atomic(durable=True):
            ended += steps.expire_if_over(steps.locked(approval_id))
    for approval_id in selectors.approvals_of_lost_deciders()[:EXPIRED_AT_ONCE_MAX]:
        with transaction.atomic(durable=True):
            voting.give_back_if_lost(steps.locked(approval_id))
    for approval_id in standings.unused_requests(at=timezone.now())[:EXPIRED_AT_ONCE_MAX]:
        with transaction.atomic(durable=True):
            ended += steps.lapse(steps.locked(approval_id))
    return ended


def execute_approved(*, approval_id: UUID) -> str:
    """Execute an approved command, as the current principal, who must be the requester. For a job.

    The command's own service opens the transaction, where the approval is validated again.
    Return the id of what was made or changed.

    :raises ApprovalNotFound: if there is no such approval.
    :raises ApprovalMissingFingerprint: if it is for a subject, which cannot be executed.
    :raises InputGone: if its input has been redacted.
    :raises ApprovedActionRepeated: if it has been executed already.
    :raises DomainError: whatever validation, or the command, refuses with.
    """
    row = Approval.objects.filter(pk=approval_id).first()
    if row is None:
        raise rules.ApprovalNotFound(approval_id)
    if not row.is_repeatable:
        text = f"Approval {approval_id} is of nothing that can be carried out by name."
        raise ApprovalMissingFingerprint(str(approval_id), text)
    asked = asking.content_of(row.requested_entry_id, PayloadKind.COMMAND_INPUT)
    if asked is None:
        raise InputGone(approval_id)
    target_id = "" if row.target_id == UNKNOWN_TARGET else row.target_id
    undoing = asking.undoing_of(row)
    as_undoing = reversal_context.during(undoing, reason=row.reason) if undoing else nullcontext()
    with reference.presenting(str(approval_id)), as_undoing:
        return commands.run(
            row.action_name, version=row.action_version, target_id=target_id, input=asked
        )


def _decide(row: Approval, who: Decider, decision: Decision, comment: str) -> None:
    before = replace(steps.state_of(row), lapsed=voting.lapsed(row))
    after = rules.decide(before, who, decision, at=timezone.now())
    assert who.human is not None, "the rules let nobody else through"
    # Before its entry, which has the comment: who approves is counted as it comes in.
    entry_id = new_id()
    ApprovalVote.objects.create(
        approval=row,
        principal=who.principal,
        human=who.human,
        decision=decision.value,
        as_delegate=row.assigned_to_id is not None,
        entry_id=entry_id,
    )
    agreed = len(after.approved_by)
    summary = f"{agreed} of {row.quorum} people agree."
    if after.status is ApprovalStatus.PENDING:
        steps.hand_back(row)
        steps.note(
            row,
            kind=Kind.APPROVE,
            status=Status.SUCCEEDED,
            summary=summary,
            comment=comment,
            risk=Risk.CRITICAL,
            entry_id=entry_id,
        )
        steps.emit_event("voted", row, voices=agreed)
        return
    if after.status is ApprovalStatus.DENIED:
        summary = "Denied."
    steps.end(row, after.status, summary=summary, comment=comment, entry_id=entry_id)


def _has_voted(row: Approval, who: Decider, decision: Decision) -> bool:
    """Return whether this person has said just that before: the answer is what has become of it."""
    vote = ApprovalVote.objects.filter(approval=row, human=who.human or "").first()
    return vote is not None and vote.decision == decision


def _check_visible(approval_id: UUID, by: Caller) -> None:
    if selectors.approvals_visible_to(by).filter(pk=approval_id).exists():
        return
    if Approval.objects.filter(pk=approval_id).exists():
        voting.note_refused(approval_id, "cancel", rules.NotTheRequester(str(approval_id)))
    raise rules.ApprovalNotFound(approval_id)


def _petition(
    subject: Subject, policy_name: str, ttl: timedelta | None, quorum: int | None
) -> Petition:
    policy = (
        ApprovalPolicyVersion.objects.select_related("assigned_group")
        .filter(name=policy_name, status=PolicyStatus.ACTIVE.value)
        .first()
    )
    if policy is None:
        raise PolicyMissing(f"{subject.type} {subject.id}")
    happened = context.current()
    capability = capabilities.get(steps.REQUEST)
    return Petition(
        title=subject.title,
        bound=Bound(
            action=steps.REQUEST,
            version=1,
            target_type=subject.type,
            target_id=subject.id,
            route=happened.origin.route(),
            state=subject.details,
            principal=str(happened.principal),
            capability=capability.id,
            capability_version=capability.version,
            risk=subject.risk.value,
            policy=policy.name,
            policy_version=policy.version,
            reason_code=policy.reason_code,
        ),
        kind=Kind.EXECUTE,
        policy=policy,
        quorum=max(policy.quorum, quorum or 0),
        happened=happened,
        ttl=min(policy.ttl, ttl or policy.ttl),
        reason=subject.reason,
        reference=subject.reference,
        source="approval",
        is_command=False,
    )
