"""A beacon that is turned, and turned back to undo that: grave, so that approval can be needed.

Every turn declares that it can be turned back, also one that turns another back.
"""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from events.domain.errors import Rejected
from ledger import recording
from ledger.access.authority import Caller
from ledger.approving import reference
from ledger.approving.gate import ApprovalRequired
from ledger.domain.action import Action, Kind, Target
from ledger.domain.plans import Effect, EffectKind, OriginalAction, Plan, PolicyFacts
from ledger.domain.reversals import Declaration, ReversalKind
from ledger.models import Approval, ApprovalPolicyVersion, ReversalStanding
from ledger.reversing import previews, reversal_commands
from ledger.reversing.reversal_commands import Found, ReversalCommand
from ledger.services import reversals
from ledger.services.reversals import Reversed
from tests.integration.ledger.approvals import acting, put_into_force

TURN = "beacon.turn"
CAPABILITY = "api_key.revoke"


class BeaconJams(Rejected):
    code = "beacon_jams"

    def __init__(self) -> None:
        super().__init__("The beacon jams.")


class Beacon:
    """How the beacon is. `fails` is what turning it does."""

    revision = 1
    fails: Exception | None = None


def turn(
    *, amount_cents: int | None = None, reason: str = "", id_: str = "b1", **facts: Any
) -> UUID:
    """Turn the beacon, so that it can be turned back."""
    action = Action(
        name=TURN,
        kind=Kind.UPDATE,
        target=Target(type="beacon", id=id_),
        capability=CAPABILITY,
        input={"amount_cents": amount_cents, "reason": reason},
        reason=reason,
        **facts,
    )
    with recording.recorded(action) as proof:
        proof.found({"revision": Beacon.revision})
        if amount_cents is not None:
            proof.weighs(amount_cents=amount_cents)
        if Beacon.fails is not None:
            raise Beacon.fails
        proof.can_be_undone(_declared(amount_cents))
    # Only now: what is taken back has not turned it.
    Beacon.revision += 1
    return proof.entry_id


def ask_first(**terms: Any) -> ApprovalPolicyVersion:
    """Have a policy: whoever turns the beacon asks one other person."""
    terms = {"capabilities": (CAPABILITY,), "condition": "target_type == 'beacon'", **terms}
    return put_into_force(**{"name": "beacon-approval", **terms})


def turn_back(entry_id: UUID, user: User, *, amount_cents: int | None = None) -> Reversed:
    """Look, and do what was seen, as a person who is logged in."""
    with acting(user) as caller:
        return _undo(entry_id, caller, amount_cents)


def asked_to_turn_back(entry_id: UUID, user: User, *, amount_cents: int | None = None) -> Approval:
    """Want to turn it back, and be told to wait."""
    try:
        turn_back(entry_id, user, amount_cents=amount_cents)
    except ApprovalRequired as required:
        return required.approval
    raise AssertionError("it was turned back at once")


def turn_back_under(
    approval: Approval, entry_id: UUID, user: User, *, amount_cents: int | None = None
) -> Reversed:
    """Turn it back under an approval."""
    with acting(user) as caller, reference.presenting(str(approval.pk)):
        return _undo(entry_id, caller, amount_cents)


def standing_of(entry_id: UUID) -> ReversalStanding:
    return ReversalStanding.objects.get(entry=entry_id)


def _undo(entry_id: UUID, caller: Caller, amount_cents: int | None) -> Reversed:
    preview = previews.preview(entry_id, asked_cents=amount_cents)
    if preview.refusal is not None:
        raise preview.refusal
    return reversals.execute_reversal(
        entry_id=entry_id,
        token=preview.token,
        reason="Wrong way round.",
        caller=caller,
        amount_cents=amount_cents,
    )


def _declared(amount_cents: int | None) -> Declaration:
    return Declaration(
        kind=ReversalKind.REVERT,
        command=TURN,
        version=1,
        amount_cents=amount_cents,
        currency="" if amount_cents is None else "EUR",
    )


def _plan(original: OriginalAction, found: Found) -> Plan:
    is_counted = original.standing.amount_cents is not None
    return Plan(
        effects=(Effect(kind=EffectKind.REVERTED, summary="The beacon turns back."),),
        versions={"beacon/b1": found["revision"]},
        amount_cents=original.amount_cents if is_counted else None,
    )


def _policy_facts(found: Found, plan: Plan) -> PolicyFacts:
    facts = {} if plan.amount_cents is None else {"amount_cents": plan.amount_cents}
    return PolicyFacts(
        action=TURN, target_type="beacon", state={"revision": found["revision"]}, facts=facts
    )


def _run(original: OriginalAction, plan: Plan) -> None:
    turn(
        amount_cents=plan.amount_cents,
        reason=original.reason,
        id_=original.target.id,
    )


reversal_commands.register(
    ReversalCommand(
        name=TURN,
        version=1,
        kind=ReversalKind.REVERT,
        capability=CAPABILITY,
        meaning="Turn the beacon back.",
        look=lambda _: {"revision": Beacon.revision},
        plan=_plan,
        policy_facts=_policy_facts,
        run=_run,
    )
)
