"""What is asked of the ledger."""

from django.db.models import QuerySet

from ledger import authority
from ledger.authority import Holder
from ledger.models import Agent, AgentSwitch, ApiKey, ApiKeyQuerySet, Delegation


def api_keys_visible_to(holder: Holder) -> ApiKeyQuerySet:
    """Everybody's keys for who administers them, one's own for all others."""
    keys = ApiKey.objects.select_related("owner", "successor")
    if authority.holds(holder, "api_key.administer"):
        return keys
    return keys.filter(owner=holder.user)


def agents_visible_to(holder: Holder) -> QuerySet[Agent]:
    """Everybody's agents for who administers them, one's own for all others."""
    rows = Agent.objects.select_related("owner")
    if authority.holds(holder, "agent.administer"):
        return rows
    return rows.filter(owner=holder.user)


def delegations_visible_to(holder: Holder) -> QuerySet[Delegation]:
    """Everybody's delegations for who administers them, one's own for all others."""
    rows = Delegation.objects.select_related("root", "agent")
    if authority.holds(holder, "agent.administer"):
        return rows
    return rows.filter(root=holder.user)


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


def agent_switch() -> AgentSwitch | None:
    """Return the kill switch, if it is on."""
    return AgentSwitch.objects.first()
