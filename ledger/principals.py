"""Which human stands behind whoever acts. The only module that resolves this.

Four eyes are four eyes of people: a key or an agent sees with its owner's.
"""

from uuid import UUID

from events.domain.principal import Principal, PrincipalKind
from ledger.models import Agent, ApiKey


def human_of(principal: Principal) -> str | None:
    """Return the primary key of the user for whom `principal` acts in the end.

    None for the system, a workflow and the anonymous: no human asked through them. Also
    for a key that never was.
    """
    if principal.kind is PrincipalKind.USER:
        return principal.id
    if principal.kind is PrincipalKind.API_KEY:
        # Also of a key that has ended: what it asked for, its owner still asked for.
        owner = ApiKey.objects.filter(prefix=principal.id).values_list("owner_id", flat=True)
        return next((str(owner_id) for owner_id in owner), None)
    if principal.kind is PrincipalKind.AGENT:
        return _owner_of_agent(principal.id)
    return None


def _owner_of_agent(agent_id: str) -> str | None:
    # The owner of an agent is the root of every delegation to it: the tables see to that.
    try:
        found = Agent.objects.filter(pk=UUID(agent_id)).values_list("owner_id", flat=True).first()
    except ValueError:
        return None
    return None if found is None else str(found)
