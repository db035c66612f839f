"""The current permissions of an absent principal, for work that runs in their name."""

from django.contrib.auth.models import User
from django.utils import timezone

from events.domain.errors import Forbidden
from events.domain.principal import Principal, PrincipalKind
from ledger.access import delegations
from ledger.access.authority import Caller
from ledger.access.principals import human_of
from ledger.domain.capability import CapabilityMissing
from ledger.domain.delegation import OutOfReach
from ledger.models import ApiKey


class PrincipalInactive(Forbidden):
    code = "holder_gone"
    hint = "Have it declared again by a user who may do it."

    def __init__(self, principal: Principal) -> None:
        super().__init__(f"{principal} may no longer act.", principal=str(principal))


def demand_current(principal: Principal, *capability_ids: str) -> None:
    """Check that an absent principal still holds these capabilities, each on at least one object.

    The system always does.

    :raises PrincipalInactive: if the user may no longer log in, or the key has ended.
    :raises DelegationEnded, DelegationNotBegun, OutsideHours, OutOfReach: of an agent, as its
        delegations say.
    :raises CapabilityMissing: if one of them is no longer held.
    """
    if principal.kind is PrincipalKind.SYSTEM:
        return
    chain = delegations.chain_of(principal) if principal.kind is PrincipalKind.AGENT else None
    if chain is not None and (ended := chain.why_ended(timezone.now())):
        raise ended
    caller = _caller_behind(principal)
    if caller is None or caller.user is None or not caller.user.is_active:
        raise PrincipalInactive(principal)
    for capability_id in capability_ids:
        if chain is not None and not chain.covers(capability_id):
            raise OutOfReach(capability_id, "anything")
        if not caller.holds_somewhere(capability_id):
            raise CapabilityMissing(capability_id)


def holds_currently(principal: Principal, capability_id: str) -> bool:
    """Return whether an absent principal still holds a capability, on at least one object.

    Whether the delegations of an agent cover it is checked where its actions are recorded.
    """
    caller = _caller_behind(principal)
    return caller is not None and caller.holds_somewhere(capability_id)


def _caller_behind(principal: Principal) -> Caller | None:
    if principal.kind is PrincipalKind.API_KEY:
        key = ApiKey.objects.live().select_related("owner").filter(prefix=principal.id).first()
        return Caller(key.owner, key=key) if key else None
    human = human_of(principal)
    if human is None:
        return None
    user = User.objects.filter(pk=human, is_active=True).first()
    return Caller(user) if user else None
