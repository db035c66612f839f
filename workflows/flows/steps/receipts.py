"""Callbacks of asynchronous steps: the first wins, equal ones are accepted, all are recorded.

A token is good for one item of one step of one flow, and for one result. It is no secret: who may
call back is checked at the edge (`callback_address`).
"""

import hashlib
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from events import store
from events.domain.errors import Rejected
from ledger import recording
from ledger.privacy import subjects
from workflows.flows import actions
from workflows.flows.domain import commands as asked
from workflows.flows.domain.flow import Flow, WorkItem, WorkStatus
from workflows.flows.domain.step import HTTP_TYPES, Step
from workflows.flows.execution import engine, memoization
from workflows.flows.execution.aggregates import stream_of
from workflows.flows.models import AwaitedCallback, Receipt
from workflows.work import queue
from workflows.work.domain.claim import Claim

Verdict = Receipt.Verdict

_OPEN = frozenset({WorkStatus.PENDING, WorkStatus.ACTIVE, WorkStatus.NOT_COMPLETED})


class CallbackUnknown(Rejected):
    """Nobody waits for this: the message says which part is unknown, as the original does."""

    code = "callback_unknown"
    hint = "Use the webhook URL that came with the call, unchanged."


def begin(*, claim: Claim, flow: Flow, step: Step, item: WorkItem) -> None:
    """Leave an item whose step was called active for its callback, and complete the row.

    With a timeout, note when to stop waiting.
    """
    assert step.http is not None, "only HTTP steps call back"
    with transaction.atomic(durable=True):
        # Held until commit: it may have called back, or been given up, before it answered.
        store.lock([stream_of(flow.id)])
        now = engine.flow(flow.id)
        assert now is not None, "a flow is never forgotten"
        if now.executions[step.id].items[item.token].status == WorkStatus.ACTIVE:
            if step.http.callback_timeout_ms:
                queue.enqueue(
                    "flow.callback_timeout",
                    subject=claim.subject,
                    input=claim.input,
                    due_at=timezone.now() + timedelta(milliseconds=step.http.callback_timeout_ms),
                    idempotency_key=f"{claim.id}:{item.retry_count}",
                )
            AwaitedCallback.objects.update_or_create(
                token=item.token,
                defaults={"flow_id": flow.id, "step_id": step.id, "since": timezone.now()},
            )
        queue.complete(claim)


def receive(
    *,
    flow_id: str,
    step_id: str,
    token: str,
    outcome: asked.SucceedWork | asked.FailWork,
    raw: bytes,
) -> Receipt.Verdict:
    """Record a callback and, if it is the first one in time, its result.

    :raises CallbackUnknown: if the flow, step or token is not one that can be called back for:
        the step is not called over HTTP, for example.
    """
    with transaction.atomic(durable=True):
        return _received(flow_id, step_id, token, outcome, raw)


def deliver(
    *,
    flow_id: str,
    step_id: str,
    token: str,
    outcome: asked.SucceedWork | asked.FailWork,
    raw: bytes,
) -> Receipt.Verdict:
    """Record what an operator delivers in the place of the peer, as `receive` does.

    :raises CallbackUnknown: as `receive` does.
    """
    match outcome:
        case asked.SucceedWork(outputs=outputs):
            gave: Any = outputs
            says = f"Gave {', '.join(sorted(outputs or {})) or 'nothing'}."
        case asked.FailWork(error=gave):
            says = "Said that it failed."
    given = {"callback": subjects.fingerprint_of([token, gave], of=f"flow/{flow_id}/{step_id}")}
    action = actions.on_flow("deliver_callback", flow_id, step_id=step_id, asked=given)
    with recording.recorded(action) as proof:
        verdict = _received(flow_id, step_id, token, outcome, raw)
        if verdict != Verdict.FIRST:
            proof.changes_nothing()
        proof.says(says)
    return verdict


def _received(
    flow_id: str,
    step_id: str,
    token: str,
    outcome: asked.SucceedWork | asked.FailWork,
    raw: bytes,
) -> Receipt.Verdict:
    _waiting(flow_id, step_id, token)
    # Held until commit: of two callbacks at once, the second finds the receipt of the first.
    store.lock([stream_of(flow_id)])
    flow = _waiting(flow_id, step_id, token)
    receipt = _receipt(flow, step_id, token, raw)
    if receipt.verdict == Verdict.FIRST:
        after = engine.handle_in_transaction(flow_id, outcome).state
        if (step := flow.step(step_id)).memoizable:
            memoization.keep_outputs(after, step, token)
    receipt.save(force_insert=True)
    return Verdict(receipt.verdict)


def _waiting(flow_id: str, step_id: str, token: str) -> Flow:
    flow = engine.flow(flow_id)
    if flow is None:
        raise CallbackUnknown("Flow not found", flow_id=flow_id)
    execution = flow.executions.get(step_id)
    if execution is None:
        raise CallbackUnknown("Step execution not found", flow_id=flow_id, step_id=step_id)
    # Only a peer that was called calls back. Nobody decides an approval so, nor ends a wait, nor
    # stands in for a child flow: at an open engine not even who reads the token in the flow.
    if token not in execution.items or flow.step(step_id).type not in HTTP_TYPES:
        raise CallbackUnknown("Work item not found for token", flow_id=flow_id, step_id=step_id)
    return flow


def _receipt(flow: Flow, step_id: str, token: str, raw: bytes) -> Receipt:
    token_hash = hashlib.sha256(token.encode()).hexdigest()
    body_hash = hashlib.sha256(raw).hexdigest()
    first = Receipt.objects.filter(token_hash=token_hash, verdict=Verdict.FIRST).first()
    is_open = flow.executions[step_id].items[token].status in _OPEN and not flow.is_over
    if first is not None:
        verdict = Verdict.DUPLICATE if first.body_hash == body_hash else Verdict.CONFLICT
    else:
        verdict = Verdict.FIRST if is_open else Verdict.LATE
    return Receipt(
        flow_id=flow.id,
        step_id=step_id,
        token_hash=token_hash,
        verdict=verdict,
        body_hash=body_hash,
        received_at=timezone.now(),
    )
