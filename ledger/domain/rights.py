"""What an account of a person may do, and how far whoever changes it has to reach.

Nobody gives more than they hold, and nobody lays hands on an account that may do more than
theirs: with its password it would be theirs. So administering users widens nobody's reach, and
superusers are made, changed and unmade by superusers alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from events.domain.errors import Conflict, Forbidden


class RightsTooWide(Forbidden):
    code = "rights_too_wide"
    hint = "Ask somebody who may do as much, such as a superuser."

    def __init__(self, beyond: Iterable[str]) -> None:
        missing = sorted(beyond)
        super().__init__(
            "This account may do, or would do, more than you may yourself.", beyond=missing[:20]
        )


class OwnAccess(Conflict):
    code = "own_access"
    hint = "Ask somebody else who administers users: so that one of you is always left."

    def __init__(self) -> None:
        super().__init__("You cannot take your own access away.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The flags of an account, the names of its groups, and permissions of its own.

    `reach` are all permissions (`ledger.booking.read`), those of its groups too, and the groups to
    which policies assign approvals (`group:Treasury`); of a superuser they are none in particular.
    """

    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False
    groups: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    reach: frozenset[str] = frozenset()

    @property
    def flags(self) -> dict[str, bool]:
        """Return the flags by the names of their columns."""
        return {name: getattr(self, name) for name, *_ in _FLAGS}

    def holds(self, permission: str) -> bool:
        """Return whether somebody with these rights may do this now."""
        return self.is_active and (self.is_superuser or permission in self.reach)

    def as_json(self) -> dict[str, Any]:
        """Return what is on record: sorted, so that equal rights are written alike."""
        return {
            **self.flags,
            "groups": sorted(self.groups),
            "permissions": sorted(self.permissions),
        }


ADMINISTER = "ledger.user.administer"
"""The permission to change users and groups."""
SUPERUSER = "superuser"
"""Stands among permissions for all of them, those that are yet to come as well."""


def check_reach(giver: Rights, *accounts: Rights) -> None:
    """Check that whoever acts may do all that these may.

    :raises RightsTooWide: if not; its facts name at most 20 of the permissions that are missing.
    """
    if giver.is_superuser:
        return
    beyond = {each for account in accounts for each in account.reach - giver.reach}
    if any(account.is_superuser for account in accounts):
        beyond.add(SUPERUSER)
    if beyond:
        raise RightsTooWide(beyond)


def check_own_access(before: Rights, after: Rights) -> None:
    """Check that somebody who changes their own account can still do so afterwards.

    Whoever acts is thus always left: the last superuser cannot be unmade.

    :raises OwnAccess: if a flag is taken away that lets them in, or the permission to administer.
    """
    lost = any(had and not after.flags[flag] for flag, had in before.flags.items())
    if lost or not after.holds(ADMINISTER):
        raise OwnAccess


def describe_changes(before: Rights, after: Rights) -> str:
    """Return as sentences what changed, the gravest first. Empty if nothing did."""
    flags = [
        is_so if after.flags[flag] else is_not
        for flag, is_so, is_not in _FLAGS
        if before.flags[flag] != after.flags[flag]
    ]
    lists = [
        f"{name}: {', '.join(names)}."
        for name, names in (
            ("Put into", sorted(after.groups - before.groups)),
            ("Taken out of", sorted(before.groups - after.groups)),
            ("Given", sorted(after.permissions - before.permissions)),
            ("Taken away", sorted(before.permissions - after.permissions)),
        )
        if names
    ]
    return " ".join([*flags, *lists])


_FLAGS = (
    ("is_superuser", "Made a superuser.", "A superuser no more."),
    ("is_active", "May log in again.", "May not log in any more."),
    ("is_staff", "May open the admin.", "May not open the admin any more."),
)
