"""The approval gate that every recorded action passes: is an approval needed, and present?

It stands at the end of the transaction of `ledger.recording`, when everything is known that a
policy can ask about. Raising there rolls the change back before its effects have begun. So no
path bypasses it: pages, the API, jobs, flows, agents, shells, superusers. The request is
put on record in a transaction of its own, when the refused one is gone.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from events.domain import canonical
from events.domain.context import EventContext
from events.domain.errors import Forbidden, NotFound
from events.ids import new_id, uuid_of
from ledger import capabilities, commands, entries, idempotency
from ledger.access import delegations
from ledger.approving import asking, demands, reference, sight, steps
from ledger.approving.asking import Petition
from ledger.approving.demands import NeededApproval, NoApprovalNeeded
from ledger.approving.reference import ApprovalNotNeeded, Presented
from ledger.domain import approval as rules
from ledger.domain.action import (
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
from ledger.domain.validation import (
    ApprovalExpired,
    ApprovalNotApproved,
    ApprovalPrincipalMismatch,
    Execution,
    why_not,
    why_over,
)
from ledger.entries import ActionRepeated, EntryDraft
from ledger.idempotency import IdempotencyKeyRequired
from ledger.models import Approval
from ledger.privacy import fingerprints, subjects

NO_POLICY: Final = ("", 0, "")


class ApprovalRequired(Forbidden):
    """Not an error: the request is recorded, and somebody else has to approve it first."""

    code = "approval_required"
    hint = "Repeat the request with Action-Approval-Id and the same Idempotency-Key, once approved."

    def __init__(self, approval: Approval, *, is_replayed: bool, is_form: bool = False) -> None:
        self.approval = approval
        if is_form:
            self.hint = "Do just the same again once it is approved: then it is carried out."  # type: ignore[misc]
        self.is_replayed = is_replayed
        super().__init__(
            f"Somebody else has to agree first: approval {approval.pk} is {approval.status}.",
            approval_id=str(approval.pk),
            status=approval.status,
            expires_at=approval.expires_at.isoformat(),
        )


class ApprovedActionRepeated(ActionRepeated):
    """The action was already executed under this approval; the response is its result."""

    code = "approved_action_repeated"


class ApprovalNeeded(Exception):
    """Control flow: roll the transaction back, then request an approval."""

    def __init__(self, petition: Petition) -> None:
        super().__init__("an approval is needed")
        self.petition = petition


class Clearance(NamedTuple):
    """The gate's permission for an action: under an approval, or because none is needed.

    `policies` is the mark of the evaluated policies; None if none had to be evaluated. The
    statement of the entry compares it with the mark of the policies then in force.
    """

    passage: "Passage | None" = None
    policies: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The approval under which an action is executed, as its entry records it."""

    approval_id: UUID
    requested_entry_id: UUID
    fingerprint: str

    @property
    def idempotency(self) -> Idempotency:
        """Return the key under which the execution is on record."""
        return Idempotency(scope=f"{self.approval_id}:execution", key=str(self.approval_id))


def enter(action: Action, happened: EventContext) -> Approval | None:
    """Lock the approval that the request refers to, in the transaction of the action.

    The lock makes one of two concurrent executions wait for the other. None if there is none.

    :raises ApprovalNotFound: if there is no such approval, or not for them to see (ADR 0170).
    :raises ApprovedActionRepeated: if the same requester has executed exactly this under it.
    """
    presented = reference.presented()
    if presented is None:
        return None
    row = steps.locked(_id_of(presented.approval_id))
    if not sight.is_seen(row, happened.principal):
        raise ApprovalNotFound(presented.approval_id)
    done = steps.execution_of(row.pk)
    # Before any fingerprint: the execution itself has changed the target since.
    if done and _is_of_the_same(row, action, happened):
        presented.is_used = True
        raise ApprovedActionRepeated(done)
    return row


def cleared_at_once(
    proof: Proof, authority: Authority, happened: EventContext, granted: Approval | None
) -> Clearance | None:
    """Clear an action that needs no approval by the cached policies; None if that is not certain.

    Then call `clear`, which reads the policies in force.
    """
    if granted is not None or reference.is_only_asking():
        return None
    if none := demands.nobody_asked(authority, happened.principal.kind):
        return Clearance(policies=none.policies)
    none = demands.no_approval_needed(demands.circumstances_of(proof, authority, happened))
    return Clearance(policies=none.policies) if none else None


def clear(
    proof: Proof, authority: Authority, happened: EventContext, granted: Approval | None
) -> Clearance:
    """Clear what is not `cleared_at_once`: without an approval, or under a valid one.

    A form cannot name an approval, so it uses the requester's unused approval of exactly these
    terms.

    :raises ApprovalNeeded: if somebody else has to approve first.
    :raises ActionInProgress: if the same form was submitted twice, and the other is in progress.
    :raises DomainError: if the approval does not cover it, with the first of fifteen reasons.
    :raises PolicyMissing: if an approval is needed and no policy says whose.
    """
    needed = demands.found_out(demands.circumstances_of(proof, authority, happened))
    if granted is None and isinstance(needed, NoApprovalNeeded):
        if reference.is_only_asking():
            raise ApprovalNotNeeded(proof.action.name)
        return Clearance(policies=needed.policies)
    bound = _bound(
        proof.action,
        happened,
        route=happened.origin.route(),
        proof=proof,
        authority=authority,
        demand=needed.demand if isinstance(needed, NeededApproval) else None,
    )
    if granted is not None:
        passage = _under(granted, bound)
        _use(reference.presented())
        return Clearance(passage=passage)
    assert isinstance(needed, NeededApproval), "without a grant and a demand nothing is asked"
    petition = _petition(proof, bound, needed, authority, happened)
    if _is_form(happened) and not reference.is_only_asking() and (given := asking.given(petition)):
        return Clearance(passage=_under(given, bound))
    raise ApprovalNeeded(petition)


def clear_unrecorded(action: Action) -> None:
    """Clear an action that is not recorded, and so needs no approval.

    :raises ApprovalNotNeeded: within `only_asking`, which executes nothing.
    """
    if reference.is_only_asking():
        raise ApprovalNotNeeded(action.name)


def ask(needed: ApprovalNeeded) -> ApprovalRequired:
    """Record the request for approval, after the rollback; return the response to raise.

    :raises IdempotencyKeyRequired: over the API without a key: a retry would ask twice.
    :raises ApprovalNotApproved, ApprovalExpired: if the request is a repetition and its approval
        was denied or has ended; not within `only_asking`, which returns it as it is.
    :raises ActionKeyReused: if the idempotency key was used for another request.
    :raises ReversalRefused: if the reversal is impossible, or not for this amount.
    """
    petition = needed.petition
    is_api = petition.happened.origin.caller_type == "api"
    if is_api and petition.idempotency is None:
        raise IdempotencyKeyRequired
    with transaction.atomic(durable=True):
        approval, is_replayed = asking.ask(petition)
    why = why_over(steps.granted_by(approval), at=timezone.now()) if is_replayed else None
    if why is not None and not reference.is_only_asking():
        raise why
    is_form = _is_form(petition.happened)
    return ApprovalRequired(approval, is_replayed=is_replayed, is_form=is_form)


def referred_to(under: Presented | None) -> UUID | None:
    """Return the approval that was referred to, if there is such a one: to name it in a refusal."""
    id_ = None if under is None else uuid_of(under.approval_id)
    return id_ if id_ and Approval.objects.filter(pk=id_).exists() else None


def refused_once(
    action: Action, happened: EventContext, why: Exception, approval_id: UUID | None
) -> Idempotency | None:
    """Return the key under which a repeated refusal is recorded only once; None if it is new.

    A requester who waits asks again and again: while the state of the approval is the same, the
    same request is refused for the same reason, which is one entry. For anybody else it is one
    entry per action, and one per action and hour if there is no such approval.
    """
    if approval_id is None and not isinstance(why, ApprovalNotFound):
        return None
    refusal = {"principal": str(happened.principal)}
    if isinstance(why, ApprovalNotApproved | ApprovalExpired):
        bound = _bound(action, happened, route="")
        refusal["command"] = fingerprints.made(rules.command_of(bound))
        refusal["status"] = why.facts.get("status", "")
    elif not isinstance(why, ApprovalNotFound | ApprovalPrincipalMismatch):
        return None
    elif approval_id is None:
        refusal["hour"] = timezone.now().strftime("%Y-%m-%dT%H")
    refusal["code"] = why.code
    return Idempotency(
        scope=f"{approval_id or 'approval'}:refusal", key=canonical.fingerprint(refusal)
    )


def note_failure(action: Action, happened: EventContext, under: Presented, why: Exception) -> None:
    """Record that the execution of an approved action failed; in a transaction of its own.

    A missing target and a repetition are not recorded: there was no execution that could fail.
    """
    if isinstance(why, NotFound | ApprovedActionRepeated):
        return
    row = Approval.objects.filter(pk=_id_of(under.approval_id)).first()
    if row is None or row.status != ApprovalStatus.APPROVED:
        return
    if not _is_of_the_same(row, action, happened):
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


def _is_of_the_same(row: Approval, action: Action, happened: EventContext) -> bool:
    if row.requested_by != str(happened.principal):
        return False
    return row.command_fingerprint in fingerprints.of_command(_bound(action, happened, route=""))


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
        delegated_by=proof.action.delegated_by,
        undoing=proof.notes.undoing,
        unanswered=needed.demand.unanswered,
    )


def _is_form(happened: EventContext) -> bool:
    # A request of the API with a key has its header, also from a browser that is logged in.
    return happened.origin.caller_type == "session" and _key_of_request() is None


def _use(presented: Presented | None) -> None:
    assert presented is not None, "it was presented when the action began"
    presented.is_used = True


def _under(row: Approval, bound: Bound) -> Passage:
    if steps.is_due(row, at=timezone.now()):
        # Without writing it down: this transaction is about to be taken back.
        row.status = ApprovalStatus.EXPIRED.value
    wanted = Execution(bound=bound, at=timezone.now(), fingerprints=fingerprints.of_bound)
    why = why_not(str(row.pk), steps.granted_by(row), wanted)
    if why is not None:
        raise why
    return Passage(
        approval_id=row.pk, requested_entry_id=row.requested_entry_id, fingerprint=row.fingerprint
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
        reason=subjects.fingerprint_of(action.reason, of=action.name) if action.reason else "",
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
        undoes=str(request.of or "") if request else "",
    )


def _key_of_request() -> Idempotency | None:
    asked = idempotency.current_request()
    return None if asked is None else Idempotency(scope=asked.scope, key=asked.key)


def _title(bound: Bound) -> str:
    try:
        meaning = commands.get(bound.action, bound.version).meaning
    except commands.CommandUnknown:
        meaning = capabilities.get(bound.capability).meaning
    return meaning.rstrip(".")


def _id_of(written: str) -> UUID:
    try:
        return UUID(written)
    except ValueError:
        raise ApprovalNotFound(written[:64]) from None
