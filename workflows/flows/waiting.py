"""Wait steps: until a time, or until an event of a name happens that the filter accepts.

The event is caught inside the transaction that emits it, so none is missed; what the step
gives is the event's data.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from events import bus
from events.domain.catalogue import is_journal_name
from events.domain.envelope import Envelope
from workflows.flows.domain.flow import Flow, WorkItem
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Script, Step
from workflows.flows.languages import LANGUAGES
from workflows.flows.models import AwaitedEvent
from workflows.work import queue
from workflows.work.domain.claim import Claim


def begin(*, claim: Claim, flow: Flow, step: Step, item: WorkItem) -> None:
    """Note what a wait step waits for, and complete the row that started it."""
    wait: dict[str, Any] = dict(step.settings or {})
    with transaction.atomic(durable=True):
        if wait.get("event"):
            _await_event(flow, step, item, wait)
        if wait.get("for_ms"):
            queue.enqueue(
                "flow.waited",
                subject=claim.subject,
                input=claim.input,
                due_at=timezone.now() + timedelta(milliseconds=int(wait["for_ms"])),
                idempotency_key=f"{claim.id}:time",
            )
        queue.complete(claim)


def forget(*, token: str) -> None:
    """Stop listening for an item."""
    AwaitedEvent.objects.filter(token=token).delete()


def _await_event(flow: Flow, step: Step, item: WorkItem, wait: dict[str, Any]) -> None:
    condition = wait.get("filter") or {}
    AwaitedEvent.objects.update_or_create(
        token=item.token,
        defaults={
            "flow_id": flow.id,
            "step_id": step.id,
            "event_name": wait["event"],
            "language": condition.get("language", ""),
            "filter": condition.get("script", ""),
        },
    )


def catch(envelope: Envelope) -> None:
    """Put the steps that waited for this event on the to-do list. Runs in its transaction."""
    for awaited in AwaitedEvent.objects.filter(event_name=envelope.name):
        if not _accepts(awaited, envelope):
            continue
        queue.enqueue(
            "flow.waited",
            subject=f"flow/{awaited.flow_id}"[: queue.SUBJECT_CHARS_MAX],
            input={
                "flow_id": awaited.flow_id,
                "step_id": awaited.step_id,
                "token": str(awaited.token),
                "outputs": envelope.data,
            },
            idempotency_key=f"{awaited.token}:{envelope.event_id}",
        )


def _accepts(awaited: AwaitedEvent, envelope: Envelope) -> bool:
    if not awaited.filter:
        return True
    script = Script(language=awaited.language, text=awaited.filter)
    try:
        return LANGUAGES.matches(script, envelope.data)
    except ScriptFailed:
        return False


def may_be_awaited(name: str) -> bool:
    """Whether a step may wait for events called `name`: flows do not ask at each own step."""
    return not is_journal_name(name)


bus.before_commit("*", catch, only=may_be_awaited)
