"""Records actions: in the transaction that carries them out, or that they were refused.

`recorded` is the one durable transaction of an accountable service: the change and its entry
commit together, or neither does. The principal comes from the credential at the edge.
Triggers enforce the same again: see `ledger.accountable`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from uuid import UUID

from django.db import Error as DatabaseError
from django.db import transaction as db_transaction
from django.utils import timezone

from events import context
from events.companions import Deferred, PremiseMoved
from events.domain.context import EventContext
from events.domain.errors import DomainError, Forbidden, Throttled
from events.domain.principal import PrincipalKind
from events.domain.texts import shortened
from events.ids import new_id
from ledger import capabilities, entries, idempotency
from ledger.access import delegations
from ledger.access.delegations import Mandate
from ledger.approving import gate, in_force, reference
from ledger.approving.gate import ApprovalNeeded, Clearance
from ledger.approving.reference import Presented
from ledger.domain.action import (
    SUMMARY_CHARS_MAX,
    UNKNOWN_TARGET,
    Action,
    Authority,
    Idempotency,
    Kind,
    Proof,
    Status,
    Target,
    kind_and_status,
)
from ledger.domain.approval import ApprovalNotFound
from ledger.domain.capability import LedgerPolicy, PrincipalNotAllowed
from ledger.domain.payload import Kept
from ledger.domain.reversals import Declaration, Undoing
from ledger.domain.validation import NotCovered
from ledger.entries import ActionKeyReused, EntryDraft, PoliciesMoved
from ledger.models import Approval
from ledger.privacy import name_screening
from ledger.reversing import reversal_context
from ledger.reversing.reversal_context import Ongoing

logger = logging.getLogger(__name__)


@contextmanager
def recorded(action: Action, *, after: Deferred | None = None) -> Iterator[Proof]:
    """Open the durable transaction in which `action` is carried out and put on record.

    `after` holds appends that the block has deferred: they are written just before the entry, in
    the same statement where possible.

    :raises PrincipalNotAllowed: if the capability is not for this kind of principal.
    :raises AnonymousMayNotWrite, RequestInProgress: as `idempotency.transaction` says.
    :raises ActionRepeated, ActionInProgress, ActionKeyReused: as `entries.claim` says.
    :raises DelegationEnded, OutOfReach, BudgetExceeded: of an agent, as `delegations.charge` says.
    :raises ApprovalRequired: if somebody else has to agree first; the request is on record.
    :raises ApprovalNotNeeded: within `only_asking`, instead of being done.
    :raises DomainError: if it refers to an approval that does not cover it, as `gate.clear` says.
    """
    ongoing = reversal_context.claim()
    action, proof = _proof_of(action, ongoing)
    under = reference.presented()
    try:
        with idempotency.transaction() as unit:
            granted = _begin(action)
            unit.refer(action.target.id)
            yield proof
            unit.refer(proof.notes.reference or proof.notes.target_id)
            unit.ending = partial(_append, proof, granted, ends=True, after=after)
        if ongoing is not None:
            ongoing.entry_id = None if proof.notes.is_void else proof.entry_id
    except ApprovalNeeded as needed:
        # Only now, here as below: the transaction that would have taken it along is gone.
        raise _asked(action, needed) from None
    except (Forbidden, Throttled, NotCovered, ApprovalNotFound) as why:
        _record_refused(action, why, approval_id=gate.referred_to(under))
        raise
    except Exception as why:
        _did_not_happen(action, ongoing, under, why)
        raise


@contextmanager
def recorded_in_transaction(action: Action) -> Iterator[Proof]:
    """Carry out `action` and put it on record in the caller's transaction, within a savepoint.

    :raises AssertionError: if there is no transaction; without one use `recorded`.
    :raises ApprovalNeeded: if it needs an approval first. The caller has to roll its transaction
        back, and then pass this exception to `gate.ask`.
    :raises PrincipalNotAllowed, ActionRepeated: and so on, as for `recorded`.
    """
    connection = db_transaction.get_connection()
    assert connection.in_atomic_block, f"{action.name} has no transaction: use recorded()"
    proof = Proof.of(action, entry_id=new_id())
    with db_transaction.atomic():
        granted = _begin(action)
        yield proof
        _append(proof, granted)


def check_principal(capability_id: str) -> None:
    """Check that the capability is for the kind of principal that acts.

    :raises PrincipalNotAllowed: if it is not.
    """
    _check_kind(capability_id, context.current())


def _check_kind(capability_id: str, happened: EventContext) -> None:
    kind = happened.principal.kind
    if kind not in capabilities.get(capability_id).principals:
        raise PrincipalNotAllowed(capability_id, kind)


def _begin(action: Action) -> Approval | None:
    happened = context.current()
    _check_kind(action.capability, happened)
    granted = gate.enter(action, happened)
    if action.idempotency is not None:
        entries.claim(action, action.idempotency)
    return granted


def _asked(action: Action, needed: ApprovalNeeded) -> DomainError:
    try:
        return gate.ask(needed)
    except NotCovered as why:
        _record_refused(action, why, approval_id=UUID(why.facts["approval_id"]))
        return why


def _record_refused(action: Action, why: DomainError, *, approval_id: UUID | None) -> None:
    once = gate.refused_once(action, context.current(), why, approval_id)
    record_refusal(action, why, approval_id=approval_id, once=once)


def _did_not_happen(
    action: Action, ongoing: Ongoing | None, under: Presented | None, why: Exception
) -> None:
    """Record that an approved action was tried and failed. It may be tried again."""
    if isinstance(why, PremiseMoved) and ongoing is not None:
        # The action is about to be decided anew; that attempt is then the reversal.
        ongoing.is_claimed = False
    if isinstance(why, PremiseMoved) or under is None:
        return
    try:
        with db_transaction.atomic():
            gate.note_failure(action, context.current(), under, why)
    except DatabaseError:
        # The caller has to see the first error.
        logger.exception("A failed execution was not recorded.", extra={"action": action.name})


def record_refusal(
    action: Action,
    why: DomainError,
    *,
    approval_id: UUID | None = None,
    once: Idempotency | None = None,
) -> UUID | None:
    """Record that `action` was refused because of `why`; return the id of the entry.

    Only refusals of grave actions and of agents are recorded; for others it returns None.
    `approval_id` is the approval that the request referred to. With `once`, only the first
    refusal under that key is recorded; None is returned for later ones. It opens a transaction of
    its own, so call it after the refused one was rolled back.
    """
    happened = context.current()
    risk = capabilities.get(action.capability).risk_of(action.risk_facts)
    kind = happened.principal.kind
    is_due = risk.is_grave or kind is PrincipalKind.AGENT
    if not is_due or kind is PrincipalKind.ANONYMOUS:
        return None
    draft = _draft_without_change(action, Status.DENIED, f"Refused: {why.code}")
    draft = draft._replace(approval_id=approval_id, idempotency=once)
    if once is not None and entries.is_known(action.name, once):
        return None  # Looked for first: who waits would fill the log of the database instead.
    try:
        with db_transaction.atomic():
            return _appended(draft)
    except ActionKeyReused:
        return None  # Of two at once the other was first.


def record_denial(
    capability_id: str, *, target_id: str, why: DomainError, target_type: str = ""
) -> UUID | None:
    """Record that the principal lacked a capability, under the conditions of `record_refusal`."""
    type_ = target_type or capabilities.get(capability_id).resource
    target = Target(type=type_, id=target_id)
    action = Action(name=capability_id, kind=Kind.EXECUTE, target=target, capability=capability_id)
    return record_refusal(action, why)


def record_denial_in_transaction(action: Action, why: DomainError) -> UUID:
    """Record in the caller's transaction that `action` was refused because of `why`.

    Whatever its risk: for work in the background, of whose refusal nobody would hear otherwise.
    Return the id of the entry.
    """
    return _appended(_draft_without_change(action, Status.DENIED, f"Refused: {why.code}"))


def record_step(action: Action, status: Status, summary: str, undoing: Undoing) -> UUID:
    """Record a step of a reversal that changes nothing itself; return the id of the entry.

    It opens a transaction of its own, so call it after that of a failed attempt was rolled back.
    """
    with db_transaction.atomic(durable=True):
        return record_step_in_transaction(action, status, summary, undoing)


def record_step_in_transaction(
    action: Action, status: Status, summary: str, undoing: Undoing
) -> UUID:
    """Do as `record_step` does, in the caller's transaction."""
    return _appended(_draft_without_change(action, status, summary, undoing))


def record_further_target(
    action: Action, summary: str, *kept: Kept, declared: Declaration | None = None
) -> UUID:
    """Record what an action did to a second target, in the caller's transaction.

    There is no further check of approvals: the action itself has passed it. Return the entry's id.
    """
    draft = _draft_without_change(action, Status.SUCCEEDED, summary)
    return _appended(draft._replace(kept=kept, declared=declared))


def _appended(draft: EntryDraft) -> UUID:
    entries.append(draft)
    return draft.id


def _proof_of(action: Action, ongoing: Ongoing | None) -> tuple[Action, Proof]:
    if ongoing is not None and not action.reason:
        name_screening.check_text(action.target, ongoing.reason, field="reason")
        action = replace(action, reason=ongoing.reason)
    proof = Proof.of(action, entry_id=new_id())
    if ongoing is not None:
        proof.undoes(ongoing.undoing)
    return action, proof


def _draft_without_change(
    action: Action, status: Status, summary: str, undoing: Undoing | None = None
) -> EntryDraft:
    happened = context.current()
    return EntryDraft(
        id=new_id(),
        occurred_at=timezone.now(),
        name=action.name,
        version=action.version,
        kind=action.kind,
        status=status,
        target=Target(type=action.target.type, id=action.target.id or UNKNOWN_TARGET),
        authority=entries.authority_of(action.capability, action.risk_facts, happened),
        happened=happened,
        reason=action.reason,
        summary=shortened(summary, SUMMARY_CHARS_MAX),
        mandate=delegations.mandate_of(happened.principal, action.delegated_by),
        workflow_run_id=action.workflow_run_id,
        workflow_step_id=action.workflow_step_id,
        undoing=undoing,
    )


def record_request(capability_id: str, *, target_id: str = "") -> None:
    """Record what an agent asks for where the change itself has another record.

    :raises DelegationEnded, OutOfReach, BudgetExceeded: as `delegations.charge` says.
    """
    capability = capabilities.get(capability_id)
    target = Target(type=capability.resource, id=target_id or UNKNOWN_TARGET)
    action = Action(name=capability.id, kind=Kind.EXECUTE, target=target, capability=capability.id)
    try:
        with db_transaction.atomic(durable=True):
            delegations.charge(capability.id, target, {})
            entries.append(_draft_without_change(action, Status.REQUESTED, "Asked for."))
    except (Forbidden, Throttled) as why:
        record_refusal(action, why)
        raise


def _append(
    proof: Proof,
    granted: Approval | None,
    *,
    ends: bool = False,
    after: Deferred | None = None,
) -> None:
    action, notes = proof.action, proof.notes
    happened = context.current()
    is_agent = happened.principal.kind is PrincipalKind.AGENT
    is_loose = capabilities.get(action.capability).ledger is LedgerPolicy.NONE
    is_unrecorded = notes.is_void or (is_loose and not is_agent)
    if after is not None and (is_agent or granted is not None or is_unrecorded):
        # The stream is locked before a delegation. And what was done before, as a repeated
        # request finds out, needs neither a budget nor an approval.
        after.write()
    if is_unrecorded:
        gate.clear_unrecorded(action)
        return
    assert notes.target_id, f"{action.name} was done without a target"
    # Last: from here on, stopping an agent waits for this transaction.
    mandate = delegations.charge(action.capability, proof.target, notes.facts)
    mandate = mandate or delegations.mandate_of(happened.principal, action.delegated_by)
    authority = entries.authority_of(action.capability, notes.facts, happened)
    while True:
        clearance = gate.cleared_at_once(proof, authority, happened, granted)
        if clearance is None:
            if after is not None:
                after.write()
            clearance = gate.clear(proof, authority, happened, granted)
        try:
            draft = _draft(proof, clearance, authority, happened, mandate)
            entries.append(draft, ends=ends, after=after)
        except PoliciesMoved:
            in_force.look()
        else:
            return


def _draft(
    proof: Proof,
    clearance: Clearance,
    authority: Authority,
    happened: EventContext,
    mandate: Mandate | None,
) -> EntryDraft:
    action, notes, passage = proof.action, proof.notes, clearance.passage
    key: Idempotency | None
    asked = idempotency.current_request()
    if passage is not None:
        key, fingerprint = passage.idempotency, passage.fingerprint
        happened = replace(happened, causation_id=str(passage.requested_entry_id))
    elif action.idempotency is None and asked is not None:
        # The key that came over HTTP stands for the whole request; its fingerprint too.
        key, fingerprint = Idempotency(scope=asked.scope, key=asked.key), asked.fingerprint
    else:
        key, fingerprint = action.idempotency, entries.fingerprint_of(action)
    kind, status = kind_and_status(action.kind, notes.undoing)
    return EntryDraft(
        id=proof.entry_id,
        occurred_at=timezone.now(),
        name=action.name,
        version=action.version,
        kind=kind,
        status=status,
        target=proof.target,
        authority=authority,
        happened=happened,
        reason=action.reason,
        summary=notes.summary,
        facts=notes.facts,
        approval_id=passage.approval_id if passage else None,
        policies=clearance.policies,
        amends=action.amends,
        idempotency=key,
        fingerprint=fingerprint,
        mandate=mandate,
        declared=notes.declared,
        undoing=notes.undoing,
        workflow_run_id=action.workflow_run_id,
        workflow_step_id=action.workflow_step_id,
        kept=tuple(notes.kept),
    )
