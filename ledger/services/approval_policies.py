"""Drafts approval policies, puts them into force, and retires them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Max
from django.utils import timezone

from events import context, recorder, store
from events.domain.errors import Rejected
from events.domain.principal import SYSTEM, PrincipalKind
from ledger import capabilities, recording
from ledger.approving import conditions
from ledger.domain.action import Action, Kind, Proof, Target
from ledger.domain.approval import QUORUM_MAX, OnExpiry
from ledger.domain.capability import EVERY_PRINCIPAL
from ledger.domain.policy import (
    Execute,
    PolicyFixed,
    PolicyNotFound,
    PolicyStatus,
    PolicyStepUpRequired,
)
from ledger.models import ApprovalPolicyVersion
from ledger.models.approvals import TTL_MAX


class PolicyInvalid(Rejected):
    code = "approval_policy_invalid"
    hint = "Correct what the pointer names."

    def __init__(self, pointer: str, why: str) -> None:
        super().__init__(why, pointer=pointer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a version. `capabilities` are written as scopes: `refund.*`."""

    name: str
    meaning: str
    capabilities: tuple[str, ...]
    ttl: timedelta
    principals: tuple[str, ...] = ()
    condition: str = ""
    quorum: int = 1
    escalate_when: str = ""
    escalated_quorum: int | None = None
    on_expiry: str = OnExpiry.EXPIRED.value
    execute: str = Execute.BY_REQUESTER.value
    assigned_group: str = ""
    reason_code: str = ""


def terms_of(policy: ApprovalPolicyVersion, *, condition: str) -> Terms:
    """Return the terms of the next version of a policy if only its condition changes."""
    return Terms(
        name=policy.name,
        meaning=policy.meaning,
        capabilities=tuple(policy.capabilities),
        ttl=policy.ttl,
        principals=tuple(policy.principals),
        condition=condition,
        quorum=policy.quorum,
        escalate_when=policy.escalate_when,
        escalated_quorum=policy.escalated_quorum,
        on_expiry=policy.on_expiry,
        execute=policy.execute,
        assigned_group=policy.assigned_group.name if policy.assigned_group else "",
        reason_code=policy.reason_code,
    )


def draft_policy(*, terms: Terms) -> ApprovalPolicyVersion:
    """Draft the next version of a policy; nothing changes before it is put into force.

    :raises PolicyInvalid: if it covers no capability, its numbers are out of range, or there is
        no such group.
    :raises ConditionInvalid: if a condition is not valid CEL.
    :raises ConditionNameUnknown: if it uses an unknown name.
    """
    _check(terms)
    with recording.recorded(_action("draft", Kind.CREATE, terms=terms)) as proof:
        return _insert(terms, _group(terms.assigned_group), proof=proof)


def activate_policy(*, policy_id: UUID, is_fresh: bool = False) -> ApprovalPolicyVersion:
    """Put a draft into force, which retires the version before. Open requests keep theirs.

    `is_fresh` says that a person has just proved who they are; a key does so each time.

    :raises PolicyNotFound: if there is no such version.
    :raises PolicyFixed: if it is not a draft.
    :raises PolicyStepUpRequired: if a person has not just confirmed the password.
    :raises ConditionNameUnknown: if it was drafted before names were checked.
    """
    with recording.recorded(_action("activate", Kind.UPDATE, policy_id)) as proof:
        policy = _locked(policy_id)
        if policy.status != PolicyStatus.DRAFT:
            raise PolicyFixed(str(policy), policy.status)
        _check_fresh(policy, is_fresh=is_fresh)
        _check_conditions(policy.condition, policy.escalate_when)
        _put_into_force(policy, proof=proof)
    return policy


def retire_policy(*, policy_id: UUID, is_fresh: bool = False) -> ApprovalPolicyVersion:
    """Retire a version that is in force, or discard a draft.

    `is_fresh` is as for `activate_policy`; discarding a draft does not need it.

    :raises PolicyNotFound: if there is no such version.
    :raises PolicyFixed: if it was ended before.
    :raises PolicyStepUpRequired: if in force, and a person has not just confirmed the password.
    """
    action = _action("retire", Kind.UPDATE, policy_id, capability="approval_policy.activate")
    with recording.recorded(action) as proof:
        policy = _locked(policy_id)
        if policy.status == PolicyStatus.RETIRED:
            raise PolicyFixed(str(policy), policy.status)
        if policy.status == PolicyStatus.ACTIVE:
            _check_fresh(policy, is_fresh=is_fresh)
        _end(policy, proof=proof)
    return policy


def install_policies(
    *, every: Iterable[Terms], drafts: Iterable[Terms] = ()
) -> list[ApprovalPolicyVersion]:
    """Put into force the policies whose names are not known yet; the others are the operator's.

    Of `drafts` the operator decides: they are written down, and nothing changes by it. Return
    what was put into force.

    `every` is part of the program, and its tests compile the conditions: to build their parser
    takes a new installation longer than to make its tables.
    """
    known = set(ApprovalPolicyVersion.objects.values_list("name", flat=True))
    made = []
    for terms in every:
        if terms.name in known:
            continue
        _check_terms(terms)
        with (
            context.acting(SYSTEM),
            recording.recorded(_action("activate", Kind.CREATE, terms=terms)) as proof,
        ):
            policy = _insert(terms, _installed_group(terms.assigned_group), proof=proof)
            _put_into_force(policy, proof=proof)
        made.append(policy)
    for terms in drafts:
        if terms.name not in known:
            _check_terms(terms)
            with (
                context.acting(SYSTEM),
                recording.recorded(_action("draft", Kind.CREATE, terms=terms)) as proof,
            ):
                _insert(terms, _installed_group(terms.assigned_group), proof=proof)
    return made


def _action(
    verb: str,
    kind: Kind,
    policy_id: UUID | None = None,
    *,
    capability: str = "",
    terms: Terms | None = None,
) -> Action:
    name = f"approval_policy.{verb}"
    return Action(
        name=name,
        kind=kind,
        target=Target(type="approval_policy", id=str(policy_id or "")),
        capability=capability or name,
        input=_written(terms) if terms else {},
    )


def _written(terms: Terms) -> dict[str, Any]:
    return {**asdict(terms), "ttl": int(terms.ttl.total_seconds())}


def _check(terms: Terms) -> None:
    _check_terms(terms)
    _check_conditions(terms.condition, terms.escalate_when)


def _check_terms(terms: Terms) -> None:
    unknown = [scope for scope in terms.capabilities if not capabilities.is_scope(scope)]
    if unknown or not terms.capabilities:
        raise PolicyInvalid("/capabilities", f"No capability is meant by {unknown or 'nothing'}.")
    kinds = {kind.value for kind in EVERY_PRINCIPAL}
    if strange := sorted(set(terms.principals) - kinds):
        raise PolicyInvalid("/principals", f"There are no principals of kind {strange}.")
    if not 1 <= terms.quorum <= QUORUM_MAX:
        raise PolicyInvalid("/quorum", f"From 1 to {QUORUM_MAX} people have to agree.")
    if not timedelta(0) < terms.ttl <= TTL_MAX:
        raise PolicyInvalid("/ttl_seconds", f"A request is open for up to {TTL_MAX.days} days.")
    _check_escalation(terms)


def _check_conditions(condition: str, escalate_when: str) -> None:
    conditions.check(condition, pointer="/condition")
    conditions.check(escalate_when, pointer="/escalate_when")


def _check_fresh(policy: ApprovalPolicyVersion, *, is_fresh: bool) -> None:
    # A key is shown with every request; a session may have been left open.
    if context.current().principal.kind is PrincipalKind.USER and not is_fresh:
        raise PolicyStepUpRequired(str(policy))


def _check_escalation(terms: Terms) -> None:
    higher = terms.escalated_quorum
    if higher is None:
        if terms.escalate_when:
            raise PolicyInvalid("/escalated_quorum", "Say how many have to agree then.")
    elif not terms.quorum < higher <= QUORUM_MAX:
        why = f"Escalation raises the bar: from {terms.quorum + 1} to {QUORUM_MAX}."
        raise PolicyInvalid("/escalated_quorum", why)


def _insert(terms: Terms, group: Group | None, *, proof: Proof) -> ApprovalPolicyVersion:
    _take_turns(terms.name)
    versions = ApprovalPolicyVersion.objects.filter(name=terms.name)
    last = versions.aggregate(last=Max("version"))["last"] or 0
    policy = ApprovalPolicyVersion.objects.create(
        name=terms.name,
        version=last + 1,
        meaning=terms.meaning,
        capabilities=list(terms.capabilities),
        principals=[PrincipalKind(kind).value for kind in terms.principals],
        condition=terms.condition,
        quorum=terms.quorum,
        escalate_when=terms.escalate_when,
        escalated_quorum=terms.escalated_quorum,
        ttl=terms.ttl,
        on_expiry=OnExpiry(terms.on_expiry).value,
        execute=Execute(terms.execute).value,
        assigned_group=group,
        reason_code=terms.reason_code,
        created_by=str(context.current().principal),
    )
    proof.refers_to(policy.pk)
    proof.says(f"Drafted {policy}.")
    _emit("drafted", policy)
    return policy


def _put_into_force(policy: ApprovalPolicyVersion, *, proof: Proof) -> None:
    in_force = ApprovalPolicyVersion.objects.filter(
        name=policy.name, status=PolicyStatus.ACTIVE.value
    )
    for each in in_force:
        _end(each, proof=proof)
    policy.status = PolicyStatus.ACTIVE.value
    policy.activated_at = timezone.now()
    policy.save(update_fields=["status", "activated_at"])
    proof.says(f"{policy} is in force.")
    _emit("activated", policy)


def _end(policy: ApprovalPolicyVersion, *, proof: Proof) -> None:
    policy.status = PolicyStatus.RETIRED.value
    policy.retired_at = timezone.now()
    policy.save(update_fields=["status", "retired_at"])
    proof.says(f"{policy} is not in force any more.")
    _emit("retired", policy)


def _locked(policy_id: UUID) -> ApprovalPolicyVersion:
    """Return a version, locked until commit with all others of its name."""
    rows = ApprovalPolicyVersion.objects.filter(pk=policy_id)
    name = rows.values_list("name", flat=True).first()
    if name is None:
        raise PolicyNotFound(policy_id)
    _take_turns(name)
    return rows.get()


def _take_turns(name: str) -> None:
    # The lock of the stream: of two versions at once the second sees what the first has become.
    store.lock([_stream_of(name)])


def _stream_of(name: str) -> tuple[str, str]:
    return ("approval_policy", name)


def _group(name: str) -> Group | None:
    found = Group.objects.filter(name=name).first() if name else None
    if name and found is None:
        # Made here it would be empty, and nobody could agree to anything.
        raise PolicyInvalid("/assigned_group", f"There is no group {name!r}.")
    return found


def _installed_group(name: str) -> Group | None:
    # A new installation has none yet: the administrator decides who is in it.
    return Group.objects.get_or_create(name=name)[0] if name else None


def _emit(what: str, policy: ApprovalPolicyVersion) -> None:
    recorder.emit(
        f"ledger.approval_policy.{what}",
        {"policyId": str(policy.pk), "name": policy.name, "version": policy.version},
        stream=_stream_of(policy.name),
        event_id=f"evt_approval_policy_{what}_{policy.pk}",
    )
