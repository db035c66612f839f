"""Whose leave an action needs, by the policies in force: asked by the gate, and by previews."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from events import wire
from events.domain.principal import Principal
from ledger import capabilities
from ledger.approving import conditions
from ledger.domain import policy as policies
from ledger.domain.capability import ApprovalPolicy as Declared
from ledger.domain.policy import Circumstances, Demand, Policy, PolicyMissing
from ledger.models import ApprovalPolicyVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """That somebody else has to agree: by which policy, how many people, and which ones."""

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
) -> Circumstances:
    """Return what policies are asked about: `state` is how the target is found, if anybody says."""
    declared = capabilities.get(capability)
    return Circumstances(
        action=action,
        capability=capability,
        risk=declared.risk_of(facts),
        principal_kind=by.kind,
        principal_id=by.id,
        target_type=target_type,
        target_state=state or {},
        is_reversible=bool(declared.reversal),
        facts=facts,
    )


def leave_needed(known: Circumstances) -> Needed | None:
    """Return whose leave is needed in these circumstances; None if nobody's is.

    :raises PolicyMissing: if it is never done alone, and no policy in force says who agrees.
    """
    capability = capabilities.get(known.capability)
    if not policies.may_need_approval(capability, known.principal_kind, known.risk):
        return None
    in_force, rules_in_force = _in_force()
    demand = policies.demanded(rules_in_force, known, answer=conditions.answer)
    if demand is None and capability.approval is Declared.REQUIRED:
        always = [each.without_condition() for each in rules_in_force]
        demand = policies.demanded(always, known, answer=conditions.answer)
        if demand is None:
            raise PolicyMissing(capability.id)
    if demand is None:
        return None
    policy = next(each for each in in_force if each.name == demand.policy.name)
    return Needed(policy=policy, demand=demand)


def _in_force() -> tuple[list[ApprovalPolicyVersion], list[Policy]]:
    # A version in force never changes, so which ones those are says all. Reading the rows
    # for every action cost more than writing its entry.
    [(ids,)] = wire.run(_IN_FORCE)
    return _read_in_force(tuple(ids))


@lru_cache(maxsize=4)
def _read_in_force(ids: tuple[UUID, ...]) -> tuple[list[ApprovalPolicyVersion], list[Policy]]:
    rows = ApprovalPolicyVersion.objects.select_related("assigned_group").in_bulk(ids)
    in_force = [rows[id_] for id_ in ids]
    return in_force, [each.rule for each in in_force]


# Relies on ledger_policy_has_one_version_in_force.
_IN_FORCE: Final = """
SELECT coalesce(array_agg(id ORDER BY name), '{}') FROM ledger_approvalpolicyversion
 WHERE status = 'active'
"""
