"""Votes on an approval: by whom, for whom, and who may not vote any more."""

from typing import Final
from uuid import UUID

from django.db import IntegrityError

from events import context, wire
from events.domain import canonical
from events.domain.errors import Conflict, Forbidden
from events.domain.principal import Principal, PrincipalKind
from ledger import recording
from ledger.access import principals
from ledger.access.authority import Caller
from ledger.approving import steps
from ledger.domain.action import Action, Idempotency, Kind, Status, Target
from ledger.domain.approval import ApprovalStatus, Decider, Decision, NotTheRequester
from ledger.models import Approval

RETURN: Final = Principal(kind=PrincipalKind.SYSTEM, id="approval-return")
"""Acts when an approval whose delegate can no longer decide is returned to all deciders."""


class VotesMoved(Conflict):
    code = "approval_voices_moved"
    hint = "Decide again: the votes are counted again."

    def __init__(self, approval_id: UUID) -> None:
        super().__init__(
            "An earlier approver has just lost the permission to decide.",
            approval_id=str(approval_id),
        )


def decider_of(caller: Caller, *, is_fresh: bool = False) -> Decider:
    """Return the facts about a decider that the rules need."""
    principal = caller.principal
    groups = caller.user.groups.values_list("name", flat=True) if caller.user else ()
    return Decider(
        principal=str(principal),
        kind=principal.kind.value,
        human=principals.human_of(principal),
        groups=frozenset(groups),
        # A key is shown with every request; a session may have been left open.
        is_fresh=is_fresh or caller.key is not None,
    )


def lapsed(row: Approval) -> frozenset[str]:
    """Return the people who approved and may no longer decide: deactivated, or without permission.

    Or not in the group that it is for, unless they voted as its delegate.
    """
    return frozenset(human for (human,) in wire.run(_LAPSED, [row.pk]).fetchall())


def give_back_if_lost(row: Approval) -> None:
    """Return a locked approval to all who may decide it if its delegate no longer may.

    That is recorded.
    """
    lost = row.assigned_to_id
    if lost is None or row.status != ApprovalStatus.PENDING or _may_decide(lost):
        return
    with context.acting(RETURN, correlation_id=row.correlation_id):
        steps.hand_back(row)
        summary = "Given back to all who may: who was to decide instead cannot any more."
        steps.note(row, kind=Kind.UPDATE, status=Status.REQUESTED, summary=summary)
        steps.emit_event("returned", row, returnedFrom=str(lost))


_KINDS: Final = {Decision.APPROVE.value: Kind.APPROVE, Decision.DENY.value: Kind.REJECT}


def note_refused(approval_id: UUID, what: str, why: Forbidden) -> None:
    """Record that a decision, or another act on an approval, was refused."""
    kind = _KINDS.get(what, Kind.UPDATE)
    target = Target(type="approval", id=str(approval_id))
    action = Action(name=steps.DECIDE, kind=kind, target=target, capability=steps.DECIDE)
    once = None
    if isinstance(why, NotTheRequester):
        # A stranger who tries again and again says nothing new.
        refusal = {"principal": str(context.current().principal), "act": what, "code": why.code}
        once = Idempotency(scope=f"{approval_id}:refusal", key=canonical.fingerprint(refusal))
    # It was found, so it is there.
    recording.record_refusal(action, why, approval_id=approval_id, once=once)


def moved(approval_id: UUID, error: IntegrityError) -> Exception:
    """Return VotesMoved for the error of the trigger that counts fewer votes than were read;
    any other error as it is.
    """
    constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
    return VotesMoved(approval_id) if constraint == "ledger_approval_keeps_its_word" else error


def _may_decide(user_id: int) -> bool:
    found = wire.run("SELECT ledger_may_decide(%s::text, NULL)", [user_id]).fetchone()
    return bool(found and found[0])


# By `ledger_may_decide`, as ledger_approval_keeps_its_word counts them.
_LAPSED = """
SELECT v.human FROM ledger_approvalvote v JOIN ledger_approval a ON a.id = v.approval_id
 WHERE v.approval_id = %s AND v.decision = 'approve'
   AND NOT ledger_may_decide(
     v.human, CASE WHEN NOT v.as_delegate THEN a.assigned_group_id END)
"""
