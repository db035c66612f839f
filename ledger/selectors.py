"""Queries of the ledger."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.contrib.auth.models import Permission, User
from django.db.models import BooleanField, Func, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.utils import timezone

from ledger import capabilities
from ledger.access import authority, principals
from ledger.access.authority import Caller
from ledger.domain.approval import ApprovalStatus
from ledger.domain.policy import PolicyStatus
from ledger.models import (
    Agent,
    AgentSwitch,
    ApiKey,
    ApiKeyQuerySet,
    Approval,
    ApprovalPolicyVersion,
    Delegation,
)

# The rule of votes, too: see ledger_approval_keeps_its_word. Nobody at all may not.
_MAY_DECIDE: Final = Func(
    Cast("assigned_to", TextField()),
    Value(None),
    function="ledger_may_decide",
    output_field=BooleanField(),
)


def api_keys_visible_to(caller: Caller) -> ApiKeyQuerySet:
    """Everybody's keys for who administers them, one's own for all others."""
    keys = ApiKey.objects.select_related("owner", "successor")
    if authority.holds(caller, "api_key.administer"):
        return keys
    return keys.filter(owner=caller.user)


def agents_visible_to(caller: Caller) -> QuerySet[Agent]:
    """Everybody's agents for who administers them, one's own for all others."""
    rows = Agent.objects.select_related("owner")
    if authority.holds(caller, "agent.administer"):
        return rows
    return rows.filter(owner=caller.user)


def delegations_visible_to(caller: Caller) -> QuerySet[Delegation]:
    """Everybody's delegations for who administers them, one's own for all others."""
    rows = Delegation.objects.select_related("root", "agent")
    if authority.holds(caller, "agent.administer"):
        return rows
    return rows.filter(root=caller.user)


def tree_of(delegation: Delegation) -> list[Delegation]:
    """Return the delegation, all above it and all below those: parents before children."""
    top = delegation
    while top.parent is not None:
        top = top.parent
    rows, found = [top.pk], {top.pk}
    while rows:
        rows = list(Delegation.objects.filter(parent__in=rows).values_list("pk", flat=True))
        found |= set(rows)
    every = Delegation.objects.select_related("root", "agent").filter(pk__in=found)
    return list(every.order_by("depth", "created_at", "pk"))


def count_pending_approvals() -> int:
    """Return how many requests wait for a decision by anyone."""
    # Index ledger_approvals_to_expire.
    return Approval.objects.filter(status=ApprovalStatus.PENDING.value).count()


def agent_switch() -> AgentSwitch | None:
    """Return the kill switch, if it is on."""
    return AgentSwitch.objects.first()


def approvals_visible_to(caller: Caller) -> QuerySet[Approval]:
    """Everybody's approvals for who may see them, one's own requests for all others."""
    rows = Approval.objects.select_related(
        "requested_entry__remark", "assigned_to", "assigned_group", "policy"
    )
    if authority.holds(caller, "approval.read"):
        return rows
    own = Q(requested_by=str(caller.principal))
    # A person also sees what their keys and agents ask for; an agent sees its own.
    if not caller.is_agent and (human := principals.human_of(caller.principal)):
        own |= Q(humans__contains=[human])
    return rows.filter(own)


def approvals_by_reference(references: Iterable[str]) -> dict[str, Approval]:
    """Return the latest approval that was asked for under each of these references."""
    # The index is partial, on rows with a reference: a parameter alone does not match it.
    rows = Approval.objects.exclude(reference="").filter(reference__in=list(references))
    return {row.reference: row for row in rows.order_by("requested_at", "pk")}


def is_policy_in_force(name: str) -> bool:
    """Return whether an approval policy of this name says now who decides."""
    in_force = ApprovalPolicyVersion.objects.filter(status=PolicyStatus.ACTIVE.value)
    return in_force.filter(name=name).exists()


def policies_about(
    scope: str, policies: QuerySet[ApprovalPolicyVersion]
) -> QuerySet[ApprovalPolicyVersion]:
    """Return those of `policies` that are for a capability, or for one of a family (`refund.*`)."""
    return policies.filter(capabilities__overlap=sorted(capabilities.scopes_that_meet(scope)))


def deciders_of(policy: ApprovalPolicyVersion) -> QuerySet[User]:
    """Return who finds in the inbox what is asked for under a policy: all but who asks."""
    capability = Permission.objects.filter(
        content_type__app_label="ledger", codename="approval.decide"
    )
    may = Q(is_superuser=True) | Q(user_permissions__in=capability)
    may |= Q(groups__permissions__in=capability)
    found = User.objects.filter(may, is_active=True)
    if policy.assigned_group_id is not None:
        found = found.filter(pk__in=User.objects.filter(groups=policy.assigned_group_id))
    return found.distinct()


def approvals_to_decide(caller: Caller) -> QuerySet[Approval]:
    """What somebody could decide now, the most urgent first: the inbox."""
    human = principals.human_of(caller.principal)
    if human is None or caller.user is None or not authority.holds(caller, "approval.decide"):
        return Approval.objects.none()
    groups = caller.user.groups.all()
    # What was handed on to somebody who cannot decide any more is for all again, before any sweep.
    is_theirs = Q(assigned_to=caller.user) | (
        Q(assignee_may=False) & (Q(assigned_group=None) | Q(assigned_group__in=groups))
    )
    return (
        Approval.objects.select_related("assigned_to", "assigned_group", "requested_entry__remark")
        .alias(assignee_may=_MAY_DECIDE)
        .filter(is_theirs, status=ApprovalStatus.PENDING.value, expires_at__gt=timezone.now())
        .exclude(humans__contains=[human])
        .exclude(votes__human=human)
        .order_by("expires_at", "id")
    )


def approvals_of_lost_deciders() -> QuerySet[Approval, UUID]:
    """Return the ids of what waits for one person who cannot decide any more."""
    rows = Approval.objects.alias(assignee_may=_MAY_DECIDE).filter(
        status=ApprovalStatus.PENDING.value, assigned_to__isnull=False, assignee_may=False
    )
    return rows.order_by("pk").values_list("pk", flat=True)
