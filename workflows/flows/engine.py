"""One door for every change of a flow: decide, record, list and put to work, in one commit.

What follows from a decision becomes rows of the to-do list in the same transaction, so a
crash anywhere loses nothing: whoever waits has a row that wakes it.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from events import executor, states
from events.domain.aggregate import Outcome
from workflows.flows import conf, memory
from workflows.flows.aggregates import (
    CATALOG,
    CATALOG_STREAM,
    CLUSTER,
    CLUSTER_STREAM,
    FLOWS,
    Request,
    Stored,
    stream_of,
)
from workflows.flows.domain.catalog import Catalog
from workflows.flows.domain.cluster import Cluster, HealthStatus
from workflows.flows.domain.commands import FlowCommand
from workflows.flows.domain.effects import Effect, EffectKind, effects_of
from workflows.flows.domain.flow import Flow
from workflows.flows.domain.step import Step
from workflows.flows.domain.world import World
from workflows.flows.languages import LANGUAGES
from workflows.work import queue

WORK_KINDS: dict[EffectKind, str] = {
    EffectKind.INVOKE: "flow.invoke",
    EffectKind.COMPENSATE: "flow.compensate",
    EffectKind.LOOK: "flow.look",
    EffectKind.TIME_OUT: "flow.time_out",
    EffectKind.TELL_PARENT: "flow.tell_parent",
}


def catalog() -> Catalog:
    """Return the registered steps."""
    return states.fresh(CATALOG, CATALOG_STREAM).state


def cluster() -> Cluster:
    """Return the last known health of the steps."""
    return states.fresh(CLUSTER, CLUSTER_STREAM).state


def flow(flow_id: str) -> Flow | None:
    """Return the flow as it is now, None if it was never started."""
    found: Flow = states.fresh(FLOWS, stream_of(flow_id)).state
    return found if found.created_at is not None else None


def world(at: datetime | None = None) -> World:
    """Return the answers that a decision made now may ask for."""
    settings = conf.current()
    known: list[Cluster] = []

    def is_healthy(step: Step) -> bool:
        # Asked only when something could start, and then once per decision.
        if not known:
            known.append(cluster())
        return known[0].on(settings.node, step.id).status != HealthStatus.UNHEALTHY

    return World(
        at=at or timezone.now(),
        secret=secrets.token_bytes(32),
        languages=LANGUAGES,
        defaults=settings.retry,
        is_healthy=is_healthy,
        remembered=memory.recall,
    )


def handle_in_transaction(
    flow_id: str, command: FlowCommand, *, but_not: str = ""
) -> Outcome[Flow]:
    """Carry out `command` in the caller's transaction, with all that follows from it.

    The item whose token is `but_not` gets no row: the caller holds one for it.

    :raises DomainError: whatever the decision refuses with.
    """
    asked = Request(command=command, world=world())
    outcome = executor.execute_in_transaction(FLOWS, stream_of(flow_id), asked, at=asked.world.at)
    decided = [
        stored.event
        for envelope in outcome.envelopes
        if (stored := _read(envelope.name, envelope.data, asked.world.at)).event is not None
    ]
    effects = effects_of(outcome.state, [event for event in decided if event], asked.world)
    wanted = [effect for effect in effects if not but_not or effect.token != but_not]
    put_to_work(flow_id, wanted, caused_by=outcome.sequence)
    return outcome


def _read(name: str, data: dict[str, object], at: datetime) -> Stored:
    return FLOWS.read(name, 1, data, at)


def put_to_work(flow_id: str, effects: Sequence[Effect], *, caused_by: int) -> None:
    """Put what must be done on the to-do list, in the caller's transaction.

    The key keeps a look at the same time from being listed twice.
    """
    for effect in effects:
        queue.enqueue(
            WORK_KINDS[effect.kind],
            subject=f"flow/{flow_id}"[: queue.SUBJECT_CHARS_MAX],
            input=_input_of(flow_id, effect),
            due_at=effect.due_at,
            idempotency_key=_key_of(flow_id, effect, caused_by),
        )


def _input_of(flow_id: str, effect: Effect) -> dict[str, str]:
    members = {"flow_id": flow_id, "step_id": effect.step_id, "token": effect.token}
    return {name: value for name, value in members.items() if value}


def _key_of(flow_id: str, effect: Effect, caused_by: int) -> str:
    if effect.kind == EffectKind.LOOK:
        return f"{effect.due_at.timestamp()}:{flow_id}"[: queue.KEY_CHARS_MAX]
    return f"{caused_by}:{effect.token}:{flow_id}"[: queue.KEY_CHARS_MAX]
