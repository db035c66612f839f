"""Which approvals whoever acts may refer to: those that they may see (ADR 0170).

As `selectors.approvals_visible_to` has it for whoever came with a credential; here the caller is
known as a principal only.
"""

from typing import Final

from django.contrib.auth.models import User

from events.domain.principal import Principal, PrincipalKind
from ledger.access import delegations, principals
from ledger.domain.capability import covers
from ledger.models import ApiKey, Approval

_READ: Final = "approval.read"


def is_seen(row: Approval, by: Principal) -> bool:
    """Return whether `by` asked for the approval, alone or through others, or may read them all."""
    if row.requested_by == str(by) or by.kind is PrincipalKind.SYSTEM:
        return True
    human = principals.human_of(by)
    if by.kind is not PrincipalKind.AGENT and human in row.humans:
        return True
    return human is not None and _is_in_scope(by) and _may_read(human)


def _is_in_scope(by: Principal) -> bool:
    if by.kind is PrincipalKind.AGENT:
        chain = delegations.chain_of(by)
        return chain.covers(_READ) and not chain.is_filtered
    if by.kind is PrincipalKind.API_KEY:
        return any(covers(key.scopes, _READ) for key in ApiKey.objects.filter(prefix=by.id))
    return True


def _may_read(human: str) -> bool:
    user = User.objects.filter(pk=human).first()
    return user is not None and user.has_perm(f"ledger.{_READ}")
