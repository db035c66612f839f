"""A flow with a step that somebody approves, and who does."""

from typing import Any

from django.contrib.auth.models import User

from events import context
from events import selectors as log
from events.domain.envelope import Envelope
from ledger.access.authority import Caller
from ledger.models import Approval
from ledger.services import approvals
from tests.integration.workflows.flows.conftest import flow, work_off
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json

GIVES = {
    "amount": {"role": "required"},
    "approved": {"role": "output"},
    "decided_by": {"role": "output"},
}


def register(
    id_: str = "sign", *, named: str = "Sign", attributes: Any = GIVES, **asks: Any
) -> None:
    definition = {
        "id": id_,
        "name": named,
        "type": "approval",
        "approval": asks,
        "attributes": attributes,
    }
    services.register_step(step=step_from_json(definition))


def register_around(inner: str) -> None:
    """Register the step `sign`, which is a flow to the goal `inner`."""
    outer = {
        "id": "sign",
        "name": "Outer",
        "type": "flow",
        "flow": {"goals": [inner]},
        "attributes": {"amount": {"role": "required"}},
    }
    services.register_step(step=step_from_json(outer))


def asked(**options: Any) -> Approval:
    """Start a flow whose step asks, and return what it asks for."""
    start(**options)
    return Approval.objects.get()


def start(*, goal: str = "sign", **options: Any) -> None:
    services.start_flow(
        flow_id="trip", goals=[goal], init={"amount": [900]}, options=options or None
    )


def stream() -> list[Envelope]:
    return log.stream_events(("flow", "trip"))


def say(approval: Approval, who: User, decision: str) -> None:
    caller = Caller(User.objects.get(pk=who.pk))
    with context.acting(caller.principal):
        approvals.decide_approval(
            approval_id=approval.pk, decision=decision, decider=caller, is_fresh=True
        )
    work_off()


def status() -> str:
    return flow("trip").executions["sign"].status.value
