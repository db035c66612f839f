"""Ask for the approvals that steps are, in the transaction that starts them; take them back
in the one that ends them.

The flow asks as itself, so the ledger sees its starter behind it. `reference` leads from an
approval to its item; `flows_awaitedapproval` says who still waits. The stream of a flow is
locked before that of an approval, here and everywhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from django.db import transaction

from events import context, failpoints
from events.domain.canonical import canonical
from events.failpoints import failpoint
from ledger import selectors as ledger
from ledger.domain.capability import Risk
from ledger.domain.payload import CONTENT_BYTES_MAX
from ledger.services import approvals
from ledger.services.approvals import Subject
from workflows.flows.domain import ids
from workflows.flows.domain.effects import Effect, EffectKind
from workflows.flows.domain.flow import Flow, WorkItem
from workflows.flows.domain.step import Step
from workflows.flows.domain.work_items import item_inputs
from workflows.flows.models import AwaitedApproval

DEFAULT_POLICY: Final = "subject-approval"
REFERENCE: Final = "flow-step/"
DONE_AT_ONCE: Final = frozenset({EffectKind.ASK, EffectKind.WITHDRAW})
NOT_NEEDED: Final = "The flow needs it no more."

BEFORE_REQUEST = failpoints.declare("approval.before_request")
AFTER_REQUEST = failpoints.declare("approval.after_request")


class TransactionNeeded(Exception):
    """Control flow: what was decided asks for an approval, and one statement cannot do that."""


def reference_of(token: str) -> str:
    """Return by what name an item finds its approval again."""
    return f"{REFERENCE}{token}"


def demand_transaction() -> None:
    """Check that there is a transaction.

    :raises TransactionNeeded: if there is none; nothing was written yet.
    """
    if not transaction.get_connection().in_atomic_block:
        raise TransactionNeeded


def why_not_ask(step: Step, inputs: Mapping[str, Any] | None = None) -> str:
    """Return why approval of a step cannot be requested now; empty if it can.

    Without `inputs`, as far as can be said before they are there.
    """
    policy = _policy_of(step)
    if not ledger.is_policy_in_force(policy):
        return f"no approval policy {policy} is in force"
    if inputs is not None and _is_too_large(_details(step, inputs)):
        return f"no more than {CONTENT_BYTES_MAX} bytes of inputs can be shown to who approves"
    return ""


def _details(step: Step, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"step": step.id, "inputs": dict(inputs)}


def _is_too_large(details: Any) -> bool:
    try:
        return len(canonical(details)) > CONTENT_BYTES_MAX
    except (TypeError, ValueError):
        return False  # No JSON: the events that were to carry it say so.


def act(flow: Flow, effects: Sequence[Effect]) -> None:
    """Ask for approvals and take requests back, as `effects` say, in the caller's transaction.

    :raises PolicyMissing: if a policy was retired since the decision.
    """
    for effect in effects:
        if effect.kind == EffectKind.WITHDRAW:
            withdraw(effect.token)
    ask(flow, [effect for effect in effects if effect.kind == EffectKind.ASK])


def withdraw(token: str) -> None:
    """Withdraw the request of an item whose flow no longer waits for it.

    One that was decided before stays as it was decided.
    """
    awaited = AwaitedApproval.objects.filter(token=token).first()
    if awaited is None:
        return
    # Deleted first: then the end of the approval completes no step.
    AwaitedApproval.objects.filter(token=token).delete()
    with _as_the_flow(awaited.flow_id, awaited.step_id):
        approvals.withdraw_approval(approval_id=awaited.approval_id, reason=NOT_NEEDED)


def ask(flow: Flow, effects: Sequence[Effect]) -> None:
    """Ask for the approval of each of these items, in the caller's transaction.

    :raises PolicyMissing: if the policy was retired since the decision.
    """
    for effect in effects:
        step = flow.step(effect.step_id)
        item = flow.executions[step.id].items[effect.token]
        failpoint(BEFORE_REQUEST)
        with _as_the_flow(flow.id, step.id):
            approval = _requested(flow, step, item)
        awaited = {"approval_id": approval.pk, "flow_id": flow.id, "step_id": step.id}
        AwaitedApproval.objects.update_or_create(token=item.token, defaults=awaited)
        failpoint(AFTER_REQUEST)


@contextmanager
def _as_the_flow(flow_id: str, step_id: str) -> Iterator[None]:
    # Whoever's request or result let the step start did not ask: so nothing of its origin.
    happened = context.current()
    flow = ids.principal_of(flow_id)
    with (
        context.acting(
            flow, correlation_id=happened.correlation_id, causation_id=happened.causation_id
        ),
        context.within_run(flow, run_id=ids.recorded_as(flow_id), step_id=ids.recorded_as(step_id)),
    ):
        yield


def _requested(flow: Flow, step: Step, item: WorkItem) -> Any:
    asks: dict[str, Any] = dict(step.settings or {})
    subject = Subject(
        type="flow",
        id=ids.recorded_as(flow.id),
        title=asks.get("title") or f"{step.name} of flow {flow.id}",
        reference=reference_of(item.token),
        reason=asks.get("reason", ""),
        details=_details(step, item_inputs(flow.executions[step.id], item)),
        risk=Risk(asks.get("risk") or Risk.MEDIUM),
    )
    ttl_ms = asks.get("ttl_ms")
    return approvals.request_approval(
        subject=subject,
        policy=_policy_of(step),
        ttl=timedelta(milliseconds=ttl_ms) if ttl_ms else None,
        quorum=asks.get("quorum"),
    )


def _policy_of(step: Step) -> str:
    return str((step.settings or {}).get("policy") or DEFAULT_POLICY)
