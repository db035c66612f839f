"""Records a request for approval, in the caller's transaction.

The same request again, with the target unchanged, returns the pending one. If the target has
changed, the new request replaces the pending one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from events import store, wire
from events.domain.context import EventContext
from events.domain.principal import Principal
from events.domain.texts import shortened
from events.ids import new_id
from ledger import commands, entries
from ledger.access import delegations, principals
from ledger.access.delegations import Mandate
from ledger.approving import steps
from ledger.commands import CommandInputInvalid
from ledger.domain import approval as rules
from ledger.domain.action import (
    SUMMARY_CHARS_MAX,
    UNKNOWN_TARGET,
    Authority,
    Idempotency,
    Kind,
    Status,
    Target,
    plain,
)
from ledger.domain.approval import TITLE_CHARS_MAX, ApprovalStatus, Bound
from ledger.domain.capability import Risk
from ledger.domain.payload import RETENTIONS, Kept, PayloadKind
from ledger.domain.policy import Execute
from ledger.domain.reversals import STARTING, ReversalKind, StepKind, Undoing
from ledger.entries import ActionInProgress, ActionKeyReused, EntryDraft
from ledger.models import Approval, ApprovalPolicyVersion, Entry, Payload
from ledger.privacy import fingerprints, payloads
from ledger.privacy.payloads import PayloadGone
from ledger.reversing import standings

_RETENTION: Final = "approval-snapshot-2y"


@dataclass(frozen=True, slots=True, kw_only=True)
class Petition:
    """A request for approval. Without `is_command` nothing can be executed under it.

    `delegated_by` is the principal in whose name the system acts; it is None for an agent, whose
    delegations say in whose name it acts.
    `undoing` is the step of a reversal, if the request is for one; `unanswered` says why a
    condition of the policy could not be evaluated, if approval is needed because of that.
    """

    title: str
    bound: Bound
    kind: Kind
    policy: ApprovalPolicyVersion
    quorum: int
    happened: EventContext
    ttl: timedelta
    reason: str = ""
    reference: str = ""
    source: str = ""
    idempotency: Idempotency | None = None
    is_command: bool = True
    delegated_by: Principal | None = None
    undoing: Undoing | None = None
    unanswered: str = ""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the terms to which the approval is bound."""
        return fingerprints.made(rules.approved_content(self.bound))

    @property
    def target(self) -> Target:
        """The target; its id is `UNKNOWN_TARGET` if it does not exist yet."""
        return Target(type=self.bound.target_type, id=self.bound.target_id or UNKNOWN_TARGET)

    @property
    def undoes(self) -> UUID | None:
        """The id of the entry that this is a request to undo; None if it is not."""
        request = request_of(self.undoing)
        return request.of if request else None


def ask(petition: Petition) -> tuple[Approval, bool]:
    """Request an approval; return it, and whether it existed already.

    :raises ActionKeyReused: if the idempotency key was used for another request.
    :raises ReversalRefused: if the reversal is impossible, or not for this amount.
    """
    _take_turns(petition)
    known = _of_key(petition) or _as_good(petition)
    if known is not None:
        return known, True
    _supersede_others(petition)
    return _insert(petition), False


def given(petition: Petition) -> Approval | None:
    """Return the requester's approved and unused approval of exactly these terms; None if none.

    :raises ActionInProgress: if another transaction is about to use it.
    """
    row = _as_good(petition)
    if row is None or row.status != ApprovalStatus.APPROVED:
        return None
    # Not waited for: the target is locked by now, and an approval is locked before its target.
    if not Approval.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=row.pk):
        raise ActionInProgress
    return row


def request_of(undoing: Undoing | None) -> Undoing | None:
    """Return the step `requested` for a step that begins a reversal; None for any other."""
    if undoing is None or undoing.step not in STARTING:
        return None
    return replace(undoing, step=StepKind.REQUESTED)


def _take_turns(petition: Petition) -> None:
    # One requester asks for one thing at a time: of two at once the second finds the first.
    bound = petition.bound
    name = f"{bound.principal}\0{bound.action}\0{bound.target_type}\0{bound.target_id}"
    digest = hashlib.sha256(f"ask\0{name}".encode()).digest()
    lock_id = int.from_bytes(digest[:8], "big", signed=True)
    wire.run("SELECT pg_advisory_xact_lock(%s)", [lock_id])


def _of_key(petition: Petition) -> Approval | None:
    if petition.idempotency is None:
        return None
    entry = Entry.objects.filter(
        idempotency_scope=petition.idempotency.scope,
        idempotency_key=petition.idempotency.key,
        action_name=petition.bound.action,
    ).first()
    if entry is None:
        return None
    if entry.idempotency_fingerprint not in fingerprints.of_bound(petition.bound):
        raise ActionKeyReused
    return Approval.objects.filter(requested_entry=entry).first()


def _as_good(petition: Petition) -> Approval | None:
    """Return what the same requester was given, or waits for, for just the same."""
    wanted = [ApprovalStatus.PENDING.value, ApprovalStatus.APPROVED.value]
    rows = _of_requester(petition).filter(status__in=wanted, expires_at__gt=timezone.now())
    if petition.is_command:
        rows = rows.filter(fingerprint__in=fingerprints.of_bound(petition.bound))
    else:
        rows = rows.filter(fingerprint="", reference=petition.reference)
    for row in rows:
        if steps.undone_by(row) == petition.undoes and steps.execution_of(row.pk) is None:
            return row
    return None


def _supersede_others(petition: Petition) -> None:
    pending = _of_requester(petition).filter(status=ApprovalStatus.PENDING.value)
    if not petition.is_command:
        pending = pending.filter(reference=petition.reference)
    elif not petition.bound.target_id:
        # Two things that are yet to be made are two things, unless they are asked for alike.
        pending = pending.filter(command_fingerprint__in=fingerprints.of_command(petition.bound))
    ids = sorted(pending.values_list("pk", flat=True))
    store.lock([steps.stream_of(each) for each in ids])
    _lock_originals(petition, ids)
    for row in Approval.objects.filter(pk__in=ids, status=ApprovalStatus.PENDING.value):
        if steps.expire_if_over(row):
            continue
        after = rules.supersede(steps.state_of(row))
        steps.end(row, after.status, summary="A newer request takes its place.")


def _lock_originals(petition: Petition, superseded: Sequence[UUID]) -> None:
    # Of several, all at once and in order: another requester may replace the same the other way.
    rows = Approval.objects.filter(pk__in=superseded)
    originals = {one for row in rows if (one := steps.undone_by(row))}
    standings.lock(originals | ({petition.undoes} if petition.undoes else set()))


def _of_requester(petition: Petition) -> QuerySet[Approval]:
    bound = petition.bound
    return Approval.objects.filter(
        requested_by=bound.principal,
        action_name=bound.action,
        target_type=bound.target_type,
        target_id=bound.target_id or UNKNOWN_TARGET,
    ).order_by("-requested_at")


def _insert(petition: Petition) -> Approval:
    now, bound, policy = timezone.now(), petition.bound, petition.policy
    mandate = delegations.mandate_of(petition.happened.principal, petition.delegated_by)
    human = principals.human_of(petition.happened.principal) or ""
    row = Approval(
        id=new_id(),
        title=shortened(petition.title, TITLE_CHARS_MAX),
        action_name=bound.action,
        action_version=bound.version,
        target_type=bound.target_type,
        target_id=petition.target.id,
        route_or_tool_name=bound.route,
        capability_id=bound.capability,
        capability_version=bound.capability_version,
        organization_id=bound.organization,
        command_fingerprint=_made(rules.command_of(bound), petition),
        fingerprint=_made(rules.approved_content(bound), petition),
        is_repeatable=_can_be_run(petition),
        idempotency_key=bound.key,
        reference=petition.reference,
        requested_by=bound.principal,
        requested_by_human=human,
        chain=sorted(_chain(petition.happened, mandate)),
        humans=sorted(_humans(human, mandate)),
        correlation_id=petition.happened.correlation_id,
        policy=policy,
        policy_name=policy.name,
        policy_version=policy.version,
        risk=bound.risk,
        reason_code=bound.reason_code,
        quorum=petition.quorum,
        on_expiry=policy.on_expiry,
        execute=policy.execute if _can_be_run(petition) else Execute.BY_REQUESTER.value,
        assigned_group=policy.assigned_group,
        requested_at=now,
        expires_at=now + petition.ttl,
    )
    row.requested_entry_id = _append_entry(petition, row.pk, mandate)
    row.save(force_insert=True)
    steps.emit_event("requested", row)
    return row


def _made(content: Any, petition: Petition) -> str:
    return fingerprints.made(content) if petition.is_command else ""


def _can_be_run(petition: Petition) -> bool:
    """Return whether Daybook itself can execute the action once it is approved.

    It cannot if the input was kept as a fingerprint only, or is not one that the command takes.
    """
    bound = petition.bound
    if not petition.is_command or not commands.is_known(bound.action, bound.version):
        return False
    try:
        commands.get(bound.action, bound.version).validate(plain(bound.input))
    except CommandInputInvalid:
        return False
    return True


def _append_entry(petition: Petition, approval_id: UUID, mandate: Mandate | None) -> UUID:
    bound = petition.bound
    draft = EntryDraft(
        id=new_id(),
        occurred_at=timezone.now(),
        name=bound.action,
        version=bound.version,
        kind=petition.kind,
        status=Status.AWAITING_APPROVAL,
        target=petition.target,
        authority=Authority(
            capability=bound.capability,
            version=bound.capability_version,
            risk=Risk(bound.risk),
            source=petition.source,
        ),
        happened=petition.happened,
        reason=petition.reason,
        summary=_summary_of(petition),
        approval_id=approval_id,
        idempotency=petition.idempotency,
        fingerprint=petition.fingerprint,
        facts=bound.facts,
        mandate=mandate,
        kept=tuple(_kept(bound, petition.undoing if petition.undoes else None)),
        undoing=request_of(petition.undoing),
    )
    entries.append(draft)
    return draft.id


def _summary_of(petition: Petition) -> str:
    summary = f"Awaits approval under {petition.policy}. {petition.unanswered}".strip()
    return shortened(summary, SUMMARY_CHARS_MAX)


def _kept(bound: Bound, undoing: Undoing | None) -> list[Kept]:
    """Return what is kept for whoever decides, and for an execution on approval."""
    retention = RETENTIONS[_RETENTION]
    snapshot: dict[str, Any] = {"state": plain(bound.state), "facts": plain(bound.facts)}
    if undoing is not None:
        snapshot["undoing"] = plain(undoing)
    return [
        Kept(
            kind=PayloadKind.TARGET_SNAPSHOT,
            content=snapshot,
            schema_tag=f"{bound.target_type}.snapshot/1",
            retention=retention,
        ),
        Kept(
            kind=PayloadKind.COMMAND_INPUT,
            content=plain(bound.input),
            schema_tag=f"{bound.action}/{bound.version}",
            retention=retention,
        ),
    ]


def _chain(happened: EventContext, mandate: Mandate | None) -> set[str]:
    by = {str(mandate.delegated_by)} if mandate else set()
    return {str(happened.principal)} | by


def _humans(human: str, mandate: Mandate | None) -> set[str]:
    above = principals.human_of(mandate.delegated_by) if mandate else None
    return {each for each in (human, above) if each}


def undoing_of(row: Approval) -> Undoing | None:
    """Return the step of a reversal that an approval is for; None if it is for none."""
    if steps.undone_by(row) is None:
        return None
    snapshot: Mapping[str, Any] | None = content_of(
        row.requested_entry_id, PayloadKind.TARGET_SNAPSHOT
    )
    if snapshot is None:
        return None
    undoing = snapshot["undoing"]
    return Undoing(
        **{
            **undoing,
            "of": UUID(undoing["of"]),
            "step": StepKind(undoing["step"]),
            "kind": ReversalKind(undoing["kind"]),
        }
    )


def content_of(entry_id: UUID, kind: PayloadKind) -> Any:
    """Return what a request keeps of this kind; None if there is nothing, or no more."""
    try:
        return payloads.kept_by(entry_id, kind)
    except (Payload.DoesNotExist, PayloadGone):
        return None
