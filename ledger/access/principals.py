"""Resolves the human behind a principal. The only module that does.

Four-eyes rules count people: a key or an agent counts as its owner.
"""

from collections.abc import Callable
from uuid import UUID

from events.domain.principal import Principal, PrincipalKind
from ledger.models import Agent, ApiKey

Starter = Callable[[str], Principal | None]

_starters: dict[PrincipalKind, Starter] = {}


def register_starter(kind: PrincipalKind, starter: Starter) -> None:
    """Register how to find the starter of principals of this kind: for apps that know its runs.

    `starter(id)` returns the principal who started it, None if nobody did. Each was there
    before the one it started, so asking on and on ends.
    """
    known = _starters.setdefault(kind, starter)
    assert known is starter, f"two apps register the starter of a {kind}"


def human_of(principal: Principal) -> str | None:
    """Return the primary key of the user for whom `principal` acts in the end.

    None for the system and the anonymous: no human asked through them. Also for a key that
    never was, and for a workflow that no human started.
    """
    if principal.kind is PrincipalKind.USER:
        return principal.id
    if principal.kind is PrincipalKind.API_KEY:
        # Also of a key that has ended: what it asked for, its owner still asked for.
        owner = ApiKey.objects.filter(prefix=principal.id).values_list("owner_id", flat=True)
        return next((str(owner_id) for owner_id in owner), None)
    if principal.kind is PrincipalKind.AGENT:
        return _owner_of_agent(principal.id)
    starter = _starters.get(principal.kind)
    before = starter(principal.id) if starter else None
    return human_of(before) if before is not None else None


def _owner_of_agent(agent_id: str) -> str | None:
    # The owner of an agent is the root of every delegation to it: the tables see to that.
    try:
        found = Agent.objects.filter(pk=UUID(agent_id)).values_list("owner_id", flat=True).first()
    except ValueError:
        return None
    return None if found is None else str(found)
