"""Executes approved actions where the policy says so, and sends mails about approvals.

The ledger does not depend on work; here a decision enqueues a row, in the deciding transaction.
The row runs as the requester, with their current permissions. The approval itself is
authoritative; a mail only points to it.
"""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage

from events import bus, context
from events.domain.context import Origin
from events.domain.envelope import Envelope
from events.domain.principal import Principal, PrincipalKind
from ledger import recording, selectors
from ledger.access import current_rights
from ledger.approving.gate import ApprovalRequired, ApprovedActionRepeated
from ledger.domain.action import Action, Kind, Target
from ledger.domain.approval import ApprovalStatus
from ledger.domain.capability import CapabilityMissing
from ledger.domain.policy import Execute
from ledger.domain.validation import NotCovered
from ledger.models import Approval
from ledger.services import approvals
from workflows.work import queue
from workflows.work.domain.claim import Claim
from workflows.work.promotion import durable_subscriber
from workflows.work.registry import job

EXECUTE: Final = "ledger.execute_approved"
RECIPIENTS_MAX: Final = 50

_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {"approvalId": {"type": "string", "format": "uuid"}},
    "required": ["approvalId"],
    "additionalProperties": False,
}


@job(
    EXECUTE,
    capability="approval.decide",
    input_schema=_INPUT,
    permanent=(ApprovalRequired, NotCovered),
)
def execute_approved(claim: Claim) -> dict[str, str]:
    """Execute an approved action as its requester."""
    row = Approval.objects.get(pk=UUID(claim.input["approvalId"]))
    who = Principal.parse(claim.principal)
    # As if they stood there: what an agent does now comes out of its budget now.
    with context.acting(
        who,
        # It goes on with the story of who asked; the decision is a story of its own.
        correlation_id=row.correlation_id,
        causation_id=claim.causation_id,
        origin=Origin(caller_type="approval", route=_route),
    ):
        _demand(row, who)
        try:
            made = approvals.execute_approved(approval_id=row.pk)
        except ApprovedActionRepeated as repeated:
            made = repeated.entry.target_id  # The doorbell rang twice.
    return {"approvalId": str(row.pk), "targetType": row.target_type, "targetId": made}


def _demand(row: Approval, who: Principal) -> None:
    # The system asks for what follows from a report; it has no rights that end.
    if who.kind is PrincipalKind.SYSTEM or current_rights.holds_currently(who, row.capability_id):
        return
    why = CapabilityMissing(row.capability_id)
    target = Target(type=row.target_type, id=row.target_id)
    refused = Action(
        name=row.action_name, kind=Kind.EXECUTE, target=target, capability=row.capability_id
    )
    recording.record_refusal(refused, why)
    raise why


def _route() -> str:
    return EXECUTE


def _enqueue(envelope: Envelope) -> None:
    """Put the execution on the list, in the transaction of the decision."""
    data = envelope.data
    if data["status"] != ApprovalStatus.APPROVED or data["execute"] != Execute.ON_APPROVAL:
        return
    with context.acting(
        Principal.parse(data["requestedBy"]),
        correlation_id=envelope.correlation_id,
        causation_id=envelope.event_id,
    ):
        queue.enqueue(
            EXECUTE,
            subject=f"approval/{data['approvalId']}",
            input={"approvalId": data["approvalId"]},
            idempotency_key=data["approvalId"],
        )


bus.before_commit("ledger.approval.decided", _enqueue)


@durable_subscriber("ledger.approval.requested", name="approval_mail", capability="approval.decide")
def tell_by_mail(envelope: Envelope, claim: Claim) -> dict[str, int]:
    """Mail those who may decide that somebody waits, if mail is set up."""
    return _mail(envelope, claim)


@durable_subscriber(
    "ledger.approval.returned", name="approval_returned_mail", capability="approval.decide"
)
def tell_of_return(envelope: Envelope, claim: Claim) -> dict[str, int]:
    """Mail those who may decide again what one of them was to decide, and cannot any more."""
    return _mail(envelope, claim)


@durable_subscriber(
    "ledger.approval.delegated", name="approval_delegated_mail", capability="approval.decide"
)
def tell_the_delegate(envelope: Envelope, claim: Claim) -> dict[str, int]:
    """Mail whoever is to decide instead."""
    return _mail(envelope, claim)


def _mail(envelope: Envelope, claim: Claim) -> dict[str, int]:
    row = Approval.objects.filter(pk=UUID(envelope.data["approvalId"])).first()
    if not settings.APPROVAL_MAIL_FROM or row is None or row.status != ApprovalStatus.PENDING:
        return {"told": 0}
    to = _addresses(row)
    if to:
        _message(row, to, claim).send()
    return {"told": len(to)}


def _addresses(row: Approval) -> list[str]:
    asked: Iterable[User] = (
        selectors.deciders_of(row.policy) if row.assigned_to is None else [row.assigned_to]
    )
    # Those who have agreed were told, and have nothing left to say.
    voters = set(row.votes.values_list("human", flat=True))
    found = {one.email for one in asked if one.email and str(one.pk) not in voters | {*row.humans}}
    return sorted(found)[:RECIPIENTS_MAX]


def _message(row: Approval, to: list[str], claim: Claim) -> EmailMessage:
    return EmailMessage(
        # A header is one line, and what somebody wrote as a title may be several.
        subject=f"Approval requested: {' '.join(row.title.split())}",
        body=(
            f"{row.title}: {row.target_type} {row.target_id}, {row.risk} risk.\n"
            f"Open until {row.expires_at:%Y-%m-%d %H:%M} UTC.\n\n"
            f"{settings.PUBLIC_URL}/approvals/{row.pk}\n"
        ),
        from_email=settings.APPROVAL_MAIL_FROM,
        bcc=to,
        # The same mail however often it is tried: mail programs show it once.
        headers={"Message-ID": f"<approval-{row.pk}-{claim.token}@daybook>"},
    )
