"""Which scopes somebody may pass on: existing ones, and no more than they hold."""

from collections.abc import Sequence

from events.domain.errors import Forbidden
from ledger import capabilities
from ledger.access.authority import Caller
from ledger.domain.capability import ScopeUnknown, is_within


class ScopesTooWide(Forbidden):
    code = "scopes_too_wide"
    hint = "Log in, or use a key whose scopes include those you ask for."

    def __init__(self, scopes: Sequence[str]) -> None:
        super().__init__(
            "A key cannot give away more than it has.", pointer="/scopes", scopes=list(scopes)
        )


def check_scopes(scopes: Sequence[str], *, giver: Caller | None) -> None:
    """Check that `giver` may give these away; None is Daybook itself.

    :raises ScopeUnknown: if a scope includes no capability.
    :raises ScopesTooWide: if the giver is a key that reaches less far.
    """
    for scope in scopes:
        if not capabilities.is_scope(scope):
            raise ScopeUnknown(scope)
    check_reach(scopes, giver=giver)


def check_reach(scopes: Sequence[str], *, giver: Caller | None) -> None:
    """Check that `giver` reaches as far as these, known to be scopes.

    :raises ScopesTooWide: if the giver is a key that reaches less far.
    """
    if giver is not None and giver.key is not None and not is_within(scopes, giver.key.scopes):
        raise ScopesTooWide(scopes)
