"""Who a principal is to people: the name of the user who acts, or stands behind it."""

from collections.abc import Iterable

from django.contrib.auth.models import User

from events.domain.principal import Principal, PrincipalKind
from ledger import principals


def names_of(written: Iterable[str]) -> dict[str, str]:
    """Return what to call each of these principals; itself if no person stands behind it."""
    humans = {one: principals.human_of(Principal.parse(one)) for one in set(written)}
    users = User.objects.in_bulk([human for human in humans.values() if human and human.isdigit()])
    return {one: _name(one, users.get(int(human or 0))) for one, human in humans.items()}


def _name(written: str, user: User | None) -> str:
    if user is None:
        return written
    is_user = Principal.parse(written).kind is PrincipalKind.USER
    return user.get_username() if is_user else f"{written} of {user.get_username()}"
