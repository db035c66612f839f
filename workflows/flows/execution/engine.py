"""The engine: every change of a flow goes through it. Decide, record, project, enqueue: one commit.

The effects of a decision become rows of work in the same transaction, so a crash anywhere
loses nothing: whatever waits has a row that wakes it.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString, TypeAlias

from django.db import transaction

from events import context
from events.companions import Beside, CompanionStatement, Deferred, Premise
from events.domain import payload
from events.domain.aggregate import Outcome
from events.domain.context import EventContext
from events.domain.payload import EventDataNotJson, EventDataTooLarge
from events.domain.streams import StreamMalformed, StreamTooLong
from events.sourcing import executor, states
from events.sourcing.executor import Decided
from events.wire import Row
from ledger.statements import BESIDE, INSERT_TOGETHER
from workflows.flows import conf
from workflows.flows.domain import ids
from workflows.flows.domain.catalog import Catalog
from workflows.flows.domain.cluster import Cluster, HealthStatus
from workflows.flows.domain.commands import FlowCommand
from workflows.flows.domain.effects import Consequences, Effect, EffectKind
from workflows.flows.domain.flow import NO_LONGER_AWAITED, Flow
from workflows.flows.domain.flow_events import (
    FlowEvent,
    WorkFailed,
    WorkNotCompleted,
    WorkSucceeded,
)
from workflows.flows.domain.step import Step, StepType
from workflows.flows.domain.world import World, recordable
from workflows.flows.execution import approval_requests, memoization
from workflows.flows.execution.aggregates import (
    CATALOG,
    CATALOG_STREAM,
    CLUSTER,
    CLUSTER_STREAM,
    FLOWS,
    LIST,
    LIST_MANY,
    Request,
    is_listed_anew,
    list_row,
    listed,
    stream_of,
)
from workflows.flows.languages.in_place import InPlace
from workflows.work import handover, queue
from workflows.work.domain.claim import Claim
from workflows.work.handover import NextWork, TakenWork

WORK_KINDS: dict[EffectKind, str] = {
    EffectKind.INVOKE: "flow.invoke",
    EffectKind.COMPENSATE: "flow.compensate",
    EffectKind.LOOK: "flow.look",
    EffectKind.GO_ON: "flow.look",
    EffectKind.TIME_OUT: "flow.time_out",
    EffectKind.TELL_PARENT: "flow.tell_parent",
    EffectKind.STOP_CHILD: "flow.stop_child",
    EffectKind.RELEASE_CHILD: "flow.release_child",
}

HEALTH_KNOWN_S = 1.0
"""How old what is known of the health of steps may be: health itself is a look now and then."""

_NOT_FOR_EVENTS = (EventDataNotJson, EventDataTooLarge)
_EVENT_BYTES = 8 << 10
"""Room for what an event has beside the values: ids and a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a flow that is new is written.

    `taken` is for who goes on with its first piece of work; what its plan was made of is the
    `premise`. What is left to `deferred` is refused when that is written.
    """

    taken: TakenWork | None = None
    premise: Premise | None = None
    deferred: Deferred | None = None


def catalog() -> Catalog:
    """Return the registered steps."""
    return states.fresh(CATALOG, CATALOG_STREAM).state


def catalog_last_seen() -> tuple[Catalog, Premise] | None:
    """Return the steps as this process last knew them, without a look; None if it does not.

    What follows from them stands on the premise that they are the same still.
    """
    known = states.cached(CATALOG, CATALOG_STREAM)
    if known is None:
        return None
    return known.state, Premise(CATALOG_STREAM, known.sequence, known.event_id)


def cluster() -> Cluster:
    """Return the last known health of the steps."""
    return states.fresh(CLUSTER, CLUSTER_STREAM).state


def health_of_late() -> Cluster:
    """Return the health of the steps as this process last knew it, hardly ever by a look.

    Asked outside a transaction before one is opened, it spares the transaction the look.
    """
    return states.recent(CLUSTER, CLUSTER_STREAM, seconds=HEALTH_KNOWN_S).state


def is_healthy(step_id: str) -> bool:
    """Return whether this process may do work of a step, as far as it knew of late."""
    health = health_of_late().on(conf.current().node, step_id)
    return health.status != HealthStatus.UNHEALTHY


def flow(flow_id: str) -> Flow | None:
    """Return the flow as it is now, None if it was never started."""
    try:
        found: Flow = states.fresh(FLOWS, stream_of(flow_id)).state
    except (StreamMalformed, StreamTooLong):
        return None
    return found if found.created_at is not None else None


def flow_last_seen(flow_id: str) -> Flow | None:
    """Return the flow as this process left it, without a look: a change since is found out
    by the append."""
    known = states.cached(FLOWS, stream_of(flow_id))
    return known.state if known is not None else flow(flow_id)


def world(at: datetime, *, is_careful: bool = False) -> World:
    """Return the answers that a decision made now may ask for.

    One that `is_careful` looks first whether events can carry what came of the steps.
    """
    settings = conf.current()
    known: list[Cluster] = []

    def is_healthy(step: Step) -> bool:
        # Asked only when something could start, and then once per decision.
        if not known:
            known.append(health_of_late())
        return known[0].on(settings.node, step.id).status != HealthStatus.UNHEALTHY

    return World(
        at=at,
        secret=secrets.token_bytes(32),
        languages=InPlace(),
        defaults=settings.retry,
        is_healthy=is_healthy,
        remembered=memoization.find_outputs,
        why_not_ask=approval_requests.why_not_ask,
        why_unrecordable=_why_unrecordable if is_careful else recordable,
    )


def _why_unrecordable(values: Mapping[str, Any]) -> str:
    try:
        text = payload.text_of("values", {"of": values})
    except _NOT_FOR_EVENTS as why:
        return str(why)
    return "too large" if len(text) > payload.BYTES_MAX - _EVENT_BYTES else ""


def handle(
    flow_id: str, command: FlowCommand, *, completes: Claim | None = None, but_not: str = ""
) -> Outcome[Flow]:
    """Execute `command` with all its effects, in one statement and commit.

    `completes` is the piece of work that is done with it; its worker may go on with what
    follows. The item whose token is `but_not` gets no row: the caller holds one for it.

    :raises ClaimLost: if `completes` is no longer the caller's; then nothing is written.
    :raises DomainError: whatever the decision refuses with.
    """

    def attempt(asked: Request) -> _Outcome:
        companion_of = _companion_of(flow_id, asked, completes=completes, but_not=but_not)
        return executor.execute(
            FLOWS, stream_of(flow_id), asked, at=asked.world.at, companion_of=companion_of
        )

    try:
        return _recorded(attempt, command, completes)
    except approval_requests.TransactionNeeded:
        # Only a step that somebody approves is not begun by one statement.
        with transaction.atomic(durable=True):
            return handle_in_transaction(flow_id, command, completes=completes, but_not=but_not)


def handle_in_transaction(
    flow_id: str,
    command: FlowCommand,
    *,
    completes: Claim | None = None,
    but_not: str = "",
    start: Start | None = None,
) -> Outcome[Flow]:
    """Do what `handle` does in the caller's transaction.

    With `start` nobody looks whether the flow was started before.

    :raises StreamMoved: if a flow that should be new is not.
    :raises PremiseMoved: if the premise of a start holds no longer.
    """

    def attempt(asked: Request) -> _Outcome:
        companion_of = _companion_of(
            flow_id, asked, completes=completes, but_not=but_not, start=start or Start()
        )
        return executor.execute_in_transaction(
            FLOWS,
            stream_of(flow_id),
            asked,
            at=asked.world.at,
            companion_of=companion_of,
            is_new=start is not None,
        )

    return _recorded(attempt, command, completes)


def _recorded(
    attempt: Callable[[Request], Outcome[Flow]], command: FlowCommand, completes: Claim | None
) -> Outcome[Flow]:
    """Decide again, with care, if what came of the steps is more than events can carry.

    Nothing has been written then: the events were still being made.
    """
    at = datetime.now(UTC)
    if completes is not None:
        # Rows are due by PostgreSQL's clock. By a clock behind it a deadline would be still to
        # come, and the row that is to look at it is this one.
        at = max(at, completes.claimed_at)
    try:
        return attempt(Request(command=command, world=world(at)))
    except _NOT_FOR_EVENTS:
        return attempt(Request(command=command, world=world(at, is_careful=True)))


def acting(flow_id: str, step_id: str = "") -> AbstractContextManager[EventContext]:
    """Act as the flow, at one of its steps, within the block, with the same correlation."""
    return context.within_run(
        ids.principal_of(flow_id),
        run_id=ids.recorded_as(flow_id),
        step_id=ids.recorded_as(step_id),
    )


_Decision: TypeAlias = Decided[Flow, FlowEvent | None]
_Outcome: TypeAlias = Outcome[Flow]
# By name: the annotations of a function within another are worked out at every call.


def _companion_of(
    flow_id: str,
    asked: Request,
    *,
    completes: Claim | None,
    but_not: str,
    start: Start = Start(),
) -> Callable[[_Decision], CompanionStatement]:
    """Return what writes the list row and the rows of work in the statement of the events."""

    def companion_of(decided: _Decision) -> CompanionStatement:
        flow, consequences = decided.after, decided.events
        assert isinstance(consequences, Consequences), "a flow decides so"
        effects = consequences.effects
        of_approvals = [
            effect for effect in effects if effect.kind in approval_requests.DONE_AT_ONCE
        ]
        if of_approvals:
            approval_requests.demand_transaction()
        following = [
            _next_work(flow_id, effect, asked.world.at)
            for effect in effects
            if effect.kind in WORK_KINDS and (not but_not or effect.token != but_not)
        ]
        # Whoever commanded it, the flow itself does what follows.
        work = handover.statement(
            completes,
            following,
            by=ids.principal_of(flow_id),
            taken=start.taken,
            joint_with=_TOGETHER,
        )
        if of_approvals:
            work = work._replace(on_rows=_then(work.on_rows, flow, of_approvals))
        beside = _beside(decided, consequences)
        if not beside and start.deferred is None:
            return work
        # An approval is requested in the transaction of what asks for it.
        deferred = None if of_approvals else start.deferred
        return work._replace(beside=beside, premise=start.premise, deferred=deferred)

    return companion_of


def _beside(decided: _Decision, events: Sequence[FlowEvent]) -> list[Beside]:
    """Return what is written besides: the row of the list, and the waits that have ended."""
    flow = decided.after
    ended = _waits_ended(flow, events) if flow.plan.has_waits else {}
    beside = [
        Beside(name=f"no_{kind}", sql=_FORGET[kind], params={f"ended_{kind}": tokens})
        for kind, tokens in ended.items()
    ]
    if is_listed_anew(decided.before, flow):
        row = list_row(flow, starter=context.current().principal)
        beside.append(Beside(name="listed", sql=LIST, params=row, part=lambda: listed(row)))
    return beside


_TOGETHER = f"WITH listed AS ({LIST_MANY}), {BESIDE} AS ({INSERT_TOGETHER})"
"""What flows write besides, where several are written together: those that start an entry too."""


def _then(
    on_rows: Callable[[list[Row]], None], flow: Flow, effects: Sequence[Effect]
) -> Callable[[list[Row]], None]:
    """Ask for approvals, and take requests back, as soon as the statement has said why."""

    def then_act(rows: list[Row]) -> None:
        on_rows(rows)
        approval_requests.act(flow, effects)

    return then_act


_FORGET: dict[str, LiteralString] = {
    StepType.WAIT: "DELETE FROM flows_awaitedevent WHERE token = ANY (%(ended_wait)s::uuid[])",
    StepType.APPROVAL: (
        "DELETE FROM flows_awaitedapproval WHERE token = ANY (%(ended_approval)s::uuid[])"
    ),
    StepType.ASYNC: "DELETE FROM flows_awaitedcallback WHERE token = ANY (%(ended_async)s::uuid[])",
}
_ENDS_A_WAIT = (WorkSucceeded, WorkFailed, WorkNotCompleted)


def _waits_ended(flow: Flow, events: Sequence[FlowEvent]) -> dict[str, list[str]]:
    """Return by type of step the tokens of the items that no longer wait.

    Which approval is still to be taken back is read, and forgotten, by `approval_requests`.
    """
    ended: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, _ENDS_A_WAIT):
            kind = flow.step(event.step_id).type
            is_taken_back = kind == StepType.APPROVAL and (
                getattr(event, "error", "") == NO_LONGER_AWAITED
            )
            if kind in _FORGET and not is_taken_back:
                ended.setdefault(kind, []).append(event.token)
    return ended


def _next_work(flow_id: str, effect: Effect, now: datetime) -> NextWork:
    members: dict[str, Any] = {"flow_id": flow_id}
    if effect.step_id:
        members |= {"step_id": effect.step_id, "token": effect.token}
    if effect.retry:
        members["retry"] = effect.retry
    is_later = effect.due_at > now
    return NextWork(
        kind=WORK_KINDS[effect.kind],
        subject=f"flow/{flow_id}"[: queue.SUBJECT_CHARS_MAX],
        input=members,
        due_at=effect.due_at if is_later else None,
        idempotency_key=_key_of_look(flow_id, effect) if is_later else None,
    )


def _key_of_look(flow_id: str, effect: Effect) -> str | None:
    """Return what keeps a look at the same later time from being listed by every decision.

    Everything else follows from an event, or from one decision.
    """
    if effect.kind != EffectKind.LOOK:
        return None
    return f"{effect.due_at.timestamp()}:{ids.recorded_as(flow_id)}"
