"""The current permissions of an absent principal, for work that runs in their name."""

from django.contrib.auth.models import User
from django.utils import timezone

from events.domain.errors import Forbidden
from events.domain.principal import Principal, PrincipalKind
from ledger import delegations
from ledger.authority import Holder
from ledger.domain.capability import CapabilityMissing
from ledger.domain.delegation import OutOfReach
from ledger.models import ApiKey
from ledger.principals import human_of


class HolderGone(Forbidden):
    code = "holder_gone"
    hint = "Let somebody who may do it say it again, in their own name."

    def __init__(self, principal: Principal) -> None:
        super().__init__(f"{principal} may not act here any more.", principal=str(principal))


def demand_current(principal: Principal, *capability_ids: str) -> None:
    """Check that an absent principal still holds these capabilities, each on at least one object.

    For what was left behind to be done in their name. The system has no rights that end.

    :raises HolderGone: if the user may not log in any more, or the key has ended.
    :raises DelegationEnded, DelegationNotBegun, OutsideHours, OutOfReach: of an agent, as its
        delegations say.
    :raises CapabilityMissing: if one of them is not held any more.
    """
    if principal.kind is PrincipalKind.SYSTEM:
        return
    chain = delegations.chain_of(principal) if principal.kind is PrincipalKind.AGENT else None
    if chain is not None and (ended := chain.why_ended(timezone.now())):
        raise ended
    holder = _holder_behind(principal)
    if holder is None or holder.user is None or not holder.user.is_active:
        raise HolderGone(principal)
    for capability_id in capability_ids:
        if chain is not None and not chain.covers(capability_id):
            raise OutOfReach(capability_id, "anything")
        if not holder.holds_somewhere(capability_id):
            raise CapabilityMissing(capability_id)


def holds_currently(principal: Principal, capability_id: str) -> bool:
    """Return whether an absent principal still holds a capability, on at least one object.

    For work that was left behind in their name. Whether an agent's delegations reach that far
    is checked where its actions are recorded.
    """
    holder = _holder_behind(principal)
    return holder is not None and holder.holds_somewhere(capability_id)


def _holder_behind(principal: Principal) -> Holder | None:
    if principal.kind is PrincipalKind.API_KEY:
        key = ApiKey.objects.live().select_related("owner").filter(prefix=principal.id).first()
        return Holder(key.owner, key=key) if key else None
    human = human_of(principal)
    if human is None:
        return None
    user = User.objects.filter(pk=human, is_active=True).first()
    return Holder(user) if user else None
