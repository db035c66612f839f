"""The display name of a principal: the user who acts, or who stands behind it."""

from collections.abc import Collection, Iterable
from typing import Final

from django.contrib.auth.models import User

from events.domain.principal import SYSTEM, Principal, PrincipalKind
from ledger.access import principals
from ledger.models import Agent, ApiKey

_OF_THE_SYSTEM: Final = {str(SYSTEM): "Daybook itself"}


def names_of(written: Iterable[str]) -> dict[str, str]:
    """Return what to call each of these principals; itself if no person stands behind it."""
    acting = {one: Principal.parse(one) for one in set(written)}
    humans = principals.humans_of(acting.values())
    ids = {human for human in humans.values() if human is not None and human.isdecimal()}
    users = {str(user.pk): user for user in User.objects.filter(pk__in=ids)}
    programs = _programs(acting.values())
    return {
        one: _name(one, programs.get(principal), users.get(humans[principal] or ""))
        for one, principal in acting.items()
    }


def _programs(acting: Collection[Principal]) -> dict[Principal, str]:
    """Return what people have called those that are keys or agents."""
    keys = [one for one in acting if one.kind is PrincipalKind.API_KEY]
    agents = [one for one in acting if one.kind is PrincipalKind.AGENT]
    of_keys = dict(
        ApiKey.objects.filter(prefix__in={one.id for one in keys}).values_list("prefix", "name")
    )
    of_agents = {
        str(pk): name
        for pk, name in Agent.objects.filter(pk__in={one.id for one in agents}).values_list(
            "pk", "name"
        )
    }
    return {
        **{one: f"key “{of_keys[one.id]}”" for one in keys if one.id in of_keys},
        **{one: f"agent “{of_agents[one.id]}”" for one in agents if one.id in of_agents},
    }


def _name(written: str, program: str | None, user: User | None) -> str:
    if user is None:
        return program or _OF_THE_SYSTEM.get(written, written)
    if Principal.parse(written).kind is PrincipalKind.USER:
        return user.get_username()
    return f"{program or written} of {user.get_username()}"
