"""Decisions on approval steps. The starter of the flow cannot decide.

The approval is requested when the step starts (`approval_requests`). The deciding transaction
enqueues a row of work, which completes or fails the step.
"""

from typing import Final

from django.db import transaction

from events import store
from events.domain.envelope import Envelope
from workflows.flows.domain.effects import Effect, EffectKind
from workflows.flows.domain.flow import Flow, WorkItem, WorkStatus
from workflows.flows.domain.step import Step
from workflows.flows.execution import approval_requests, engine
from workflows.flows.execution.aggregates import stream_of
from workflows.flows.models import AwaitedApproval
from workflows.work import queue
from workflows.work.domain.claim import Claim

DECIDED: Final = "flow.decided"
APPROVED: Final = "approved"

_ENDS: Final = frozenset(
    f"ledger.approval.{how}" for how in ("decided", "expired", "cancelled", "superseded")
)


def begin(*, claim: Claim, flow: Flow, step: Step, item: WorkItem) -> None:
    """Complete the row of an attempt.

    The approval was asked for when the attempt began; what a release before that left on the
    list is asked for now.
    """
    with transaction.atomic(durable=True):
        # Held until commit: the flow cannot be cancelled between this read and the request.
        store.lock([stream_of(flow.id)])
        now = engine.flow(flow.id)
        assert now is not None, "a flow is never forgotten"
        is_active = now.executions[step.id].items[item.token].status == WorkStatus.ACTIVE
        if is_active and not AwaitedApproval.objects.filter(token=item.token).exists():
            asking = Effect(
                kind=EffectKind.ASK, due_at=claim.claimed_at, step_id=step.id, token=item.token
            )
            approval_requests.ask(now, [asking])
        queue.complete(claim)


def withdraw(*, claim: Claim) -> None:
    """Withdraw the request of an item whose flow no longer waits for it.

    Releases before this one left that to a row of work.
    """
    with transaction.atomic(durable=True):
        approval_requests.withdraw(claim.input["token"])
        queue.complete(claim)


def on_approval_ended(envelope: Envelope) -> None:
    """Put the step whose approval has ended on the list. Runs in the deciding transaction."""
    if not envelope.data["reference"].startswith(approval_requests.REFERENCE):
        return
    awaited = AwaitedApproval.objects.filter(approval_id=envelope.data["approvalId"]).first()
    if awaited is None:
        return
    with engine.acting(awaited.flow_id, awaited.step_id):
        queue.enqueue(
            DECIDED,
            subject=f"flow/{awaited.flow_id}"[: queue.SUBJECT_CHARS_MAX],
            input={
                "flow_id": awaited.flow_id,
                "step_id": awaited.step_id,
                "token": str(awaited.token),
                "approval_id": envelope.data["approvalId"],
                "how": _how(envelope),
                "by": str(envelope.principal),
            },
            idempotency_key=f"{awaited.token}:{envelope.event_id}",
        )


def is_end(name: str) -> bool:
    """Return whether an event of this name is the end of an approval."""
    return name in _ENDS


def _how(envelope: Envelope) -> str:
    # One that is denied because it has expired was not decided by a person.
    verb = envelope.name.rpartition(".")[2]
    return str(envelope.data["status"]) if verb == "decided" else verb
