"""Resolves the human behind a principal. The only module that does.

Four-eyes rules count people: a key or an agent counts as its owner.
"""

from collections.abc import Callable, Collection

from events.domain.principal import Principal, PrincipalKind
from events.ids import uuid_of
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
    return humans_of([principal])[principal]


def humans_of(many: Collection[Principal]) -> dict[Principal, str | None]:
    """Return of each what `human_of` does: all keys in one query, and all agents."""
    owners = {
        # Also of a key that has ended: what it asked for, its owner still asked for.
        PrincipalKind.API_KEY: _owners_of_keys(_ids(many, PrincipalKind.API_KEY)),
        PrincipalKind.AGENT: _owners_of_agents(_ids(many, PrincipalKind.AGENT)),
    }
    return {
        each: owners[each.kind].get(each.id) if each.kind in owners else _human_behind(each)
        for each in many
    }


def _ids(many: Collection[Principal], kind: PrincipalKind) -> set[str]:
    return {each.id for each in many if each.kind is kind}


def _human_behind(principal: Principal) -> str | None:
    if principal.kind is PrincipalKind.USER:
        return principal.id
    starter = _starters.get(principal.kind)
    before = starter(principal.id) if starter else None
    return human_of(before) if before is not None else None


def _owners_of_keys(prefixes: Collection[str]) -> dict[str, str]:
    keys = ApiKey.objects.filter(prefix__in=prefixes)
    return {prefix: str(owner) for prefix, owner in keys.values_list("prefix", "owner_id")}


def _owners_of_agents(ids: Collection[str]) -> dict[str, str]:
    # The owner of an agent is the root of every delegation to it: the tables see to that.
    agents = Agent.objects.filter(pk__in=[id_ for each in ids if (id_ := uuid_of(each))])
    found = {str(pk): str(owner) for pk, owner in agents.values_list("pk", "owner_id")}
    return {each: found[str(id_)] for each in ids if str(id_ := uuid_of(each)) in found}
