"""Approval steps: a ledger approval is the step. Nobody who started the flow can give it.

The flow asks as itself, so the ledger sees its starter behind it. What is decided puts a row
of work on the list in the deciding transaction; the row completes the step, or fails it.
"""

from datetime import timedelta
from typing import Any, Final

from django.db import transaction

from events import store
from events.domain.envelope import Envelope
from ledger.domain.capability import Risk
from ledger.services import approvals
from ledger.services.approvals import Subject
from workflows.flows import engine
from workflows.flows.aggregates import stream_of
from workflows.flows.domain import ids
from workflows.flows.domain.flow import Flow, WorkItem, WorkStatus
from workflows.flows.domain.step import Step
from workflows.flows.domain.work_items import item_inputs
from workflows.flows.models import AwaitedApproval
from workflows.work import queue
from workflows.work.domain.claim import Claim

DEFAULT_POLICY: Final = "subject-approval"
DECIDED: Final = "flow.decided"
APPROVED: Final = "approved"

_PREFIX: Final = "flow-step/"
_ENDS: Final = frozenset(
    f"ledger.approval.{how}" for how in ("decided", "expired", "cancelled", "superseded")
)


def begin(*, claim: Claim, flow: Flow, step: Step, item: WorkItem) -> None:
    """Ask for the approval that is this item, and complete the row that started it.

    :raises PolicyMissing: if no policy of that name is in force: the row tries again.
    """
    with transaction.atomic(durable=True):
        # Held until commit: nobody cancels the flow between this look and the request.
        store.lock([stream_of(flow.id)])
        if _is_still_wanted(flow, step, item):
            with engine.acting(flow.id, step.id):
                approval = _requested(flow, step, item)
            AwaitedApproval.objects.create(
                approval_id=approval.pk, flow_id=flow.id, step_id=step.id, token=item.token
            )
        queue.complete(claim)


def withdraw(*, claim: Claim) -> None:
    """Take back the request of an item that nobody waits for any more."""
    awaited = AwaitedApproval.objects.filter(token=claim.input["token"]).first()
    with transaction.atomic(durable=True):
        if awaited is not None:
            with engine.acting(awaited.flow_id, awaited.step_id):
                approvals.withdraw_approval(
                    approval_id=awaited.approval_id, reason="The flow needs it no more."
                )
            awaited.delete()
        queue.complete(claim)


def hear(envelope: Envelope) -> None:
    """Put the step whose approval has ended on the list. Runs in the deciding transaction."""
    if not envelope.data["reference"].startswith(_PREFIX):
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
    """Tell whether an event of this name is the end of an approval."""
    return name in _ENDS


def forget(*, token: str) -> None:
    """Note that an item does not wait for its approval any more."""
    AwaitedApproval.objects.filter(token=token).delete()


def _how(envelope: Envelope) -> str:
    # One that is denied because its time is over was not refused by anybody.
    told = envelope.name.rpartition(".")[2]
    return str(envelope.data["status"]) if told == "decided" else told


def _is_still_wanted(flow: Flow, step: Step, item: WorkItem) -> bool:
    now = engine.flow(flow.id)
    assert now is not None, "a flow is never forgotten"
    return now.executions[step.id].items[item.token].status == WorkStatus.ACTIVE


def _requested(flow: Flow, step: Step, item: WorkItem) -> Any:
    asks: dict[str, Any] = dict(step.settings or {})
    subject = Subject(
        type="flow",
        id=ids.recorded_as(flow.id),
        title=asks.get("title") or f"{step.name} of flow {flow.id}",
        reference=f"{_PREFIX}{item.token}",
        reason=asks.get("reason", ""),
        details={"step": step.id, "inputs": item_inputs(flow.executions[step.id], item)},
        risk=Risk(asks.get("risk") or Risk.MEDIUM),
    )
    ttl_ms = asks.get("ttl_ms")
    return approvals.request_approval(
        subject=subject,
        policy=asks.get("policy") or DEFAULT_POLICY,
        ttl=timedelta(milliseconds=ttl_ms) if ttl_ms else None,
        quorum=asks.get("quorum"),
    )
