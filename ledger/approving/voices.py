"""Votes on an approval: by whom, for whom, and who may not vote any more."""

from django.contrib.auth.models import User

from ledger import principals
from ledger.approving import steps
from ledger.authority import Holder
from ledger.domain.approval import Decider, Decision
from ledger.models import Approval


def decider_of(holder: Holder, *, is_fresh: bool = False) -> Decider:
    """Return who wants to decide, as the rules see them."""
    principal = holder.principal
    groups = holder.user.groups.values_list("name", flat=True) if holder.user else ()
    return Decider(
        principal=str(principal),
        kind=principal.kind.value,
        human=principals.human_of(principal),
        groups=frozenset(groups),
        # A key is shown with every request; a session may have been left open.
        is_fresh=is_fresh or holder.key is not None,
    )


def lapsed(row: Approval) -> frozenset[str]:
    """Return the people who said yes, and could not say it now: gone, or without the right.

    Or not in the group that it is for, unless it was handed on: whoever got it needs no group.
    """
    said = row.votes.filter(decision=Decision.APPROVE.value).values_list("human", flat=True)
    users = {str(user.pk): user for user in User.objects.filter(pk__in=list(said))}
    return frozenset(human for human in said if not _may_decide(users.get(human), row))


def _may_decide(user: User | None, row: Approval) -> bool:
    if user is None or not user.is_active or not Holder(user).holds(steps.DECIDE):
        return False
    if row.assigned_group is None or row.delegated_from:
        return True
    return user.groups.filter(pk=row.assigned_group.pk).exists()
