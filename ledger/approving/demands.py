"""Which approvals an action needs by the policies in force, for the gate and for previews."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from events.domain.context import EventContext
from events.domain.principal import Principal, PrincipalKind
from ledger import capabilities
from ledger.approving import conditions, in_force
from ledger.domain import policy as policies
from ledger.domain.action import Authority, Proof
from ledger.domain.capability import ApprovalPolicy as Declared
from ledger.domain.policy import Circumstances, Demand, PolicyMissing
from ledger.models import ApprovalPolicyVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededApproval:
    """An approval that is needed: by which policy, from how many people, and from whom."""

    policy: ApprovalPolicyVersion
    demand: Demand

    @property
    def quorum(self) -> int:
        """How many people have to agree."""
        return self.demand.quorum

    @property
    def who(self) -> str:
        """Who may decide, in words."""
        group = self.policy.assigned_group
        may = f"members of the group {group.name} who" if group else "who may decide approvals and"
        return f"{may} have nothing to do with the request"

    def __str__(self) -> str:
        count = "1 person has" if self.quorum == 1 else f"{self.quorum} people have"
        return f"{count} to agree first, by the policy {self.policy}: {self.who}."


def circumstances(
    *,
    action: str,
    capability: str,
    target_type: str,
    state: Mapping[str, Any] | None,
    facts: Mapping[str, Any],
    by: Principal,
    is_reversible: bool = False,
) -> Circumstances:
    """Return the facts that policies are evaluated on. `state` is that of the target, if known.

    `is_reversible`: whether the action has declared that it can be undone.
    """
    declared = capabilities.get(capability)
    return Circumstances(
        action=action,
        capability=capability,
        risk=declared.risk_of(facts),
        principal_kind=by.kind,
        principal_id=by.id,
        target_type=target_type,
        target_state=state or {},
        is_reversible=is_reversible or bool(declared.reversal),
        facts=facts,
    )


def circumstances_of(proof: Proof, authority: Authority, happened: EventContext) -> Circumstances:
    """Return the facts of an action that is about to be recorded."""
    return circumstances(
        action=proof.action.name,
        capability=authority.capability,
        target_type=proof.action.target.type,
        state=proof.notes.before,
        facts=proof.notes.facts,
        by=happened.principal,
        is_reversible=proof.is_reversible,
    )


class NoApprovalNeeded(NamedTuple):
    """No approval is needed, by the policies of this mark; None if none had to be evaluated."""

    policies: UUID | None


def nobody_asked(authority: Authority, kind: PrincipalKind) -> NoApprovalNeeded | None:
    """Decide that no policy is about an action, whatever its circumstances.

    None if one is: then `no_approval_needed` evaluates it.
    """
    capability = capabilities.get(authority.capability)
    if not policies.may_need_approval(capability, kind, authority.risk):
        return NoApprovalNeeded(None)
    if capability.approval is Declared.REQUIRED:
        return None
    seen = in_force.last_seen()
    return None if seen.about(capability.id, kind) else NoApprovalNeeded(seen.mark)


def no_approval_needed(known: Circumstances) -> NoApprovalNeeded | None:
    """Decide from the cached policies that no approval is needed; None if that is not certain."""
    if capabilities.get(known.capability).approval is Declared.REQUIRED:
        return None
    seen = in_force.last_seen()
    about = seen.about(known.capability, known.principal_kind)
    demand = policies.demanded(about, known, answer=conditions.answer)
    return NoApprovalNeeded(seen.mark) if demand is None else None


def approval_needed(known: Circumstances) -> NeededApproval | None:
    """Return the approval that is needed in these circumstances; None if none is.

    :raises PolicyMissing: if the capability always needs approval, and no policy covers it.
    """
    found = found_out(known)
    return found if isinstance(found, NeededApproval) else None


def found_out(known: Circumstances) -> NeededApproval | NoApprovalNeeded:
    """Evaluate the policies in force: return the approval that is needed, or that none is.

    :raises PolicyMissing: if the capability always needs approval, and no policy covers it.
    """
    capability = capabilities.get(known.capability)
    if not policies.may_need_approval(capability, known.principal_kind, known.risk):
        return NoApprovalNeeded(None)
    seen = in_force.look()
    demand = policies.demanded(seen.rules, known, answer=conditions.answer)
    if demand is None and capability.approval is Declared.REQUIRED:
        always = [each.without_condition() for each in seen.rules]
        demand = policies.demanded(always, known, answer=conditions.answer)
        if demand is None:
            raise PolicyMissing(capability.id)
    if demand is None:
        return NoApprovalNeeded(seen.mark)
    policy = next(each for each in seen.rows if each.name == demand.policy.name)
    return NeededApproval(policy=policy, demand=demand)
