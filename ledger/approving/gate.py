"""The gate in front of every recorded action: is an approval needed, and is it there?

It stands at the end of the transaction of `ledger.recording`, when all is known that a policy
asks about: raising there takes the change back, and its effects have not begun. So no path
goes round it: pages, the API, jobs, flows, agents, shells, superusers. What was asked for is
put on record in a transaction of its own, when the refused one is gone.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from events.domain.context import EventContext
from events.domain.errors import Forbidden, NotFound
from events.ids import new_id, uuid_of
from ledger import capabilities, commands, delegations, entries, idempotency
from ledger.approving import asking, demands, in_force, reference, steps
from ledger.approving.asking import Petition
from ledger.approving.demands import NeededApproval
from ledger.approving.reference import ApprovalNotNeeded, Presented
from ledger.domain import approval as rules
from ledger.domain.action import (
    UNKNOWN_TARGET,
    Action,
    Authority,
    Idempotency,
    Kind,
    Proof,
    Status,
    Target,
)
from ledger.domain.approval import ApprovalNotFound, ApprovalStatus, Bound
from ledger.domain.capability import Risk
from ledger.domain.policy import Demand
from ledger.domain.validation import Execution, Granted, why_not
from ledger.entries import ActionRepeated, EntryDraft
from ledger.idempotency import IdempotencyKeyRequired
from ledger.models import Approval

NO_POLICY: Final = ("", 0, "")


class ApprovalRequired(Forbidden):
    """Answered with 202: nothing is wrong, but somebody else has to agree first."""

    code = "approval_required"
    hint = "Repeat the request with Action-Approval-Id and the same Idempotency-Key, once approved."

    def __init__(self, approval: Approval, *, is_replayed: bool) -> None:
        self.approval = approval
        self.is_replayed = is_replayed
        super().__init__(
            f"Somebody else has to agree first: approval {approval.pk} is {approval.status}.",
            approval_id=str(approval.pk),
            status=approval.status,
            expires_at=approval.expires_at.isoformat(),
        )


class ApprovedActionRepeated(ActionRepeated):
    """Answered with what it made: it was done, once, under this very approval."""

    code = "approved_action_repeated"


class ApprovalNeeded(Exception):
    """Control flow: the transaction is to be taken back, then approval is to be asked for."""

    def __init__(self, petition: Petition) -> None:
        super().__init__("an approval is needed")
        self.petition = petition


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """That an action may pass: under an approval, or because nobody has to agree.

    `policies` is the mark of those that say so, None if none was asked. The statement of the
    entry compares it with the mark of the policies that are in force by then.
    """

    passage: "Passage | None" = None
    policies: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Under which approval an action passes, and what its entry says of that."""

    approval_id: UUID
    requested_entry_id: UUID
    fingerprint: str

    @property
    def idempotency(self) -> Idempotency:
        """Return the key under which the execution is on record."""
        return Idempotency(scope=f"{self.approval_id}:execution", key=str(self.approval_id))


def enter(action: Action, happened: EventContext) -> Approval | None:
    """Take up the approval that is referred to, in the transaction of the action.

    It stays locked, so of two executions one waits for the other.

    :raises ApprovalNotFound: if there is no such approval.
    :raises ApprovedActionRepeated: if exactly this was done under it by the same requester.
    """
    presented = reference.presented()
    if presented is None:
        return None
    row = steps.locked(_id_of(presented.approval_id))
    done = steps.execution_of(row.pk)
    # Before any fingerprint: the execution itself has changed the target since.
    asked = rules.command_fingerprint(_bound(action, happened, route=""))
    if done and asked == row.command_fingerprint and str(happened.principal) == row.requested_by:
        presented.is_used = True
        raise ApprovedActionRepeated(done)
    return row


def clear(
    proof: Proof, authority: Authority, happened: EventContext, granted: Approval | None
) -> Clearance:
    """Let the action pass, with the approval under which it does, if it takes one.

    :raises ApprovalNeeded: if somebody else has to agree first.
    :raises DomainError: if the approval does not cover it, with the first of fifteen reasons.
    :raises PolicyMissing: if an approval is needed and no policy says whose.
    """
    known = demands.circumstances(
        action=proof.action.name,
        capability=authority.capability,
        target_type=proof.action.target.type,
        state=proof.notes.before,
        facts=proof.notes.facts,
        by=happened.principal,
    )
    if (
        granted is None
        and not reference.is_only_asking()
        and (it := demands.no_approval_needed(known))
    ):
        return Clearance(policies=it.policies)
    needed = demands.approval_needed(known)
    if granted is None and needed is None:
        if reference.is_only_asking():
            raise ApprovalNotNeeded(proof.action.name)
        return Clearance(policies=in_force.last_seen().mark)
    bound = _bound(
        proof.action,
        happened,
        route=happened.origin.route(),
        proof=proof,
        authority=authority,
        demand=needed.demand if needed else None,
    )
    if granted is not None:
        return Clearance(passage=_under(granted, bound))
    assert needed is not None, "without a grant and without a demand there is nothing to ask"
    raise ApprovalNeeded(_petition(proof, bound, needed, authority, happened))


def clear_unrecorded(action: Action) -> None:
    """Let pass what goes on no record, and so is nobody's to approve.

    :raises ApprovalNotNeeded: if approval is only asked for, and nothing is to be done.
    """
    if reference.is_only_asking():
        raise ApprovalNotNeeded(action.name)


def ask(needed: ApprovalNeeded) -> ApprovalRequired:
    """Put the request on record, and return what to answer. The refused transaction is gone.

    :raises IdempotencyKeyRequired: over the API without a key: a retry would ask twice.
    :raises ActionKeyReused: if the key stands for a request that said something else.
    :raises ReversalRefused: if it is to undo what cannot be undone, or not so much of it.
    """
    petition = needed.petition
    is_api = petition.happened.origin.caller_type == "api"
    if is_api and petition.idempotency is None:
        raise IdempotencyKeyRequired
    with transaction.atomic(durable=True):
        approval, is_replayed = asking.ask(petition)
    return ApprovalRequired(approval, is_replayed=is_replayed)


def referred_to(under: Presented | None) -> UUID | None:
    """Return the approval that was referred to, if there is such a one: to name it in a refusal."""
    id_ = None if under is None else uuid_of(under.approval_id)
    return id_ if id_ and Approval.objects.filter(pk=id_).exists() else None


def note_failure(action: Action, happened: EventContext, under: Presented, why: Exception) -> None:
    """Append that what was approved did not work out; in a transaction of its own.

    What is not there, or was done before, is no failure of what it does.
    """
    if isinstance(why, NotFound | ApprovedActionRepeated):
        return
    row = Approval.objects.filter(pk=_id_of(under.approval_id)).first()
    is_it = (
        row is not None
        and row.status == ApprovalStatus.APPROVED
        and row.requested_by == str(happened.principal)
        and row.command_fingerprint == rules.command_fingerprint(_bound(action, happened, route=""))
    )
    if row is None or not is_it:
        return
    capability = capabilities.get(action.capability)
    entries.append(
        EntryDraft(
            id=new_id(),
            occurred_at=timezone.now(),
            name=action.name,
            version=action.version,
            kind=action.kind,
            status=Status.FAILED,
            target=Target(type=row.target_type, id=row.target_id),
            authority=Authority(
                capability=capability.id,
                version=capability.version,
                risk=Risk(row.risk),
                source="approval",
            ),
            happened=steps.caused_by(happened, row.requested_entry_id),
            reason=action.reason,
            summary=f"Failed: {getattr(why, 'code', 'internal_error')}",
            approval_id=row.pk,
            mandate=delegations.mandate_of(happened.principal),
        )
    )


def _petition(
    proof: Proof, bound: Bound, needed: NeededApproval, authority: Authority, happened: EventContext
) -> Petition:
    return Petition(
        title=_title(bound),
        bound=bound,
        kind=proof.action.kind,
        policy=needed.policy,
        quorum=needed.quorum,
        happened=happened,
        ttl=needed.policy.ttl,
        reason=proof.action.reason,
        reference=proof.action.reference,
        source=authority.source,
        idempotency=_key_of_request(),
        undoing=proof.notes.undoing,
        unanswered=needed.demand.unanswered,
    )


def _under(row: Approval, bound: Bound) -> Passage:
    presented = reference.presented()
    assert presented is not None, "it was presented when the action began"
    if steps.is_due(row, at=timezone.now()):
        # Without writing it down: this transaction is about to be taken back.
        row.status = ApprovalStatus.EXPIRED.value
    why = why_not(str(row.pk), _granted(row), Execution(bound=bound, at=timezone.now()))
    if why is not None:
        raise why
    presented.is_used = True
    return Passage(
        approval_id=row.pk, requested_entry_id=row.requested_entry_id, fingerprint=row.fingerprint
    )


def _granted(row: Approval) -> Granted:
    return Granted(
        id=str(row.pk),
        status=ApprovalStatus(row.status),
        expires_at=row.expires_at,
        fingerprint=row.fingerprint,
        assigned_to=str(row.assigned_to_id or ""),
        decided_by=frozenset(row.votes.values_list("human", flat=True)),
        is_executed=steps.execution_of(row.pk) is not None,
        bound=Bound(
            action=row.action_name,
            version=row.action_version,
            target_type=row.target_type,
            target_id="" if row.target_id == UNKNOWN_TARGET else row.target_id,
            route=row.route_or_tool_name,
            principal=row.requested_by,
            organization=row.organization_id,
            capability=row.capability_id,
            capability_version=row.capability_version,
            risk=row.risk,
            policy=row.policy_name,
            policy_version=row.policy_version,
            reason_code=row.reason_code,
            key=row.idempotency_key,
            undoes=_written(steps.undone_by(row)),
        ),
    )


def _bound(
    action: Action,
    happened: EventContext,
    *,
    route: str,
    proof: Proof | None = None,
    authority: Authority | None = None,
    demand: Demand | None = None,
) -> Bound:
    capability = capabilities.get(action.capability)
    policy, version, code = NO_POLICY
    if demand is not None:
        policy, version = demand.policy.name, demand.policy.version
        code = demand.reason_code
    key = _key_of_request()
    request = asking.request_of(proof.notes.undoing) if proof else None
    return Bound(
        action=action.name,
        version=action.version,
        target_type=action.target.type,
        # What is yet to be made may have been given an id already, another one each time.
        target_id="" if action.kind is Kind.CREATE else action.target.id,
        route=route,
        input=action.input,
        request=_request() if action.input is None else "",
        state=proof.notes.before if proof else None,
        facts=proof.notes.facts if proof else {},
        principal=str(happened.principal),
        capability=capability.id,
        capability_version=capability.version,
        risk=authority.risk.value if authority else "",
        policy=policy,
        policy_version=version,
        reason_code=code,
        key=key.key if key else "",
        undoes=_written(request.of if request else None),
    )


def _request() -> str:
    """Return what tells the request over the API that is served from another; else empty."""
    asked = idempotency.current_exchange().request
    return "" if asked is None else asked.fingerprint


def _key_of_request() -> Idempotency | None:
    asked = idempotency.current_exchange().request
    return None if asked is None else Idempotency(scope=asked.scope, key=asked.key)


def _title(bound: Bound) -> str:
    try:
        meaning = commands.get(bound.action, bound.version).meaning
    except commands.CommandUnknown:
        meaning = capabilities.get(bound.capability).meaning
    return meaning.rstrip(".")


def _written(id_: UUID | None) -> str:
    return "" if id_ is None else str(id_)


def _id_of(written: str) -> UUID:
    try:
        return UUID(written)
    except ValueError:
        raise ApprovalNotFound(written[:64]) from None
