"""Explains flows: the state at an earlier time, what it waits for, the causes of a step's state."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from statistics import fmean
from typing import Any

from django.utils import timezone

from events import explore, states, store
from events import selectors as log
from events.domain.envelope import Envelope
from events.explore import Window
from ledger.domain.approval import ApprovalStatus
from workflows.flows import approval_requests, callables, engine, selectors, services
from workflows.flows.aggregates import FLOWS, stream_of
from workflows.flows.domain import causes, ids, limits
from workflows.flows.domain.cluster import HealthStatus
from workflows.flows.domain.errors import FlowUnknown, SequenceNotReached, StepNotInFlow
from workflows.flows.domain.flow import (
    PARENT,
    Execution,
    Flow,
    StepStatus,
    WorkItem,
    WorkStatus,
)
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.step import Step, StepType
from workflows.flows.models import AwaitedApproval, AwaitedCallback, AwaitedEvent
from workflows.flows.selectors import Requested
from workflows.work import selectors as work
from workflows.work.domain.life import OPEN, State
from workflows.work.queue import SUBJECT_CHARS_MAX

HISTORY_POSITIONS = 50_000
"""How far back, in events of the whole log, durations are looked for."""
HISTORY_STEPS_MAX = 500
CHILDREN_ASKED_MAX = 20
"""How many child flows of a step are asked what they wait for."""
PENDING = ApprovalStatus.PENDING.value
_AT_ITS_CHILD = frozenset({WorkStatus.ACTIVE, WorkStatus.COMPENSATING})
_ON_THE_LIST = OPEN - {State.LEASED}
_HELD_BY_A_PAUSE = ("flow.invoke", "flow.look")
"""The rows that begin something: a retry, a step whose deadline passes. Timers go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAt:
    """A flow, and the sequence of the event after which it was so."""

    flow: Flow
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a flow waits for, in a sentence; `next_at` is when something of it is due."""

    sentence: str
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """How a step stands, what decided it, and the events that were the reason."""

    status: str
    decided_by: Envelope | None
    causes: list[Envelope]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPreview:
    """What a flow would do. `missing`: what init must have; `unhealthy`: what no worker may run.

    `approvals` are steps that somebody must decide, those of child flows as `outer/inner`;
    `unaskable` those of them that would fail now, and why; `unregistered` what Python functions a
    step, named so too, calls that nobody here has registered: a flow waits at it until somebody
    has. `estimated_ms` is None without a history.
    """

    plan: Plan
    missing: list[str]
    unhealthy: list[str]
    approvals: list[str]
    unaskable: dict[str, str]
    unregistered: dict[str, list[str]]
    estimated_ms: int | None


def preview(goals: Sequence[str], init: Mapping[str, Sequence[Any]]) -> PlanPreview:
    """Plan without starting: what will run, what is missing, and how long it may take.

    :raises FlowInvalid: if there is no goal, or child flows nest too deep.
    :raises GoalsUnknown: if a goal is not registered.
    """
    plan = services.preview_plan(goals=goals, init=init)
    # Whatever its id will be.
    limits.check_children("", plan)
    steps = dict(_named(plan))
    approvals = {name: step for name, step in steps.items() if step.type == StepType.APPROVAL}
    reasons = {name: approval_requests.why_not_ask(step) for name, step in approvals.items()}
    return PlanPreview(
        plan=plan,
        missing=[name for name in plan.required if not init.get(name)],
        unhealthy=[
            step_id
            for step_id, health in selectors.health_of_all(plan.steps).items()
            if health.status == HealthStatus.UNHEALTHY
        ],
        approvals=list(approvals),
        unaskable={name: reason for name, reason in reasons.items() if reason},
        unregistered={
            name: unknown for name, step in steps.items() if (unknown := callables.unknown_of(step))
        },
        estimated_ms=estimated_ms(plan, durations()),
    )


def reached(flow_id: str, *, at: int | None = None) -> StateAt:
    """Return a flow as it is now, or as it was after its event number `at` (from 1).

    :raises FlowUnknown: if it was never started.
    :raises SequenceNotReached: if it has fewer events.
    """
    stream = stream_of(flow_id)
    if at is None:
        found = states.fresh(FLOWS, stream)
    else:
        found = states.replayed(FLOWS, store.history(stream, limit=at), stream)
    if found.state.created_at is None:
        raise FlowUnknown(flow_id)
    if at is not None and found.sequence < at:
        raise SequenceNotReached(flow_id, at=at, head=found.sequence)
    return StateAt(flow=found.state, sequence=found.sequence)


def waiting(flow: Flow) -> Waiting | None:
    """Say why a flow does not go on at this moment; None if it is over.

    `next_at` is when something of it or of its child flows is due, or an approval expires.
    Work that somebody is at is not: it ends when it ends. Nor is what a pause holds.
    """
    if flow.is_over:
        return None
    subject = f"flow/{flow.id}"[:SUBJECT_CHARS_MAX]
    rows = work.jobs().filter(subject=subject, status__in=_ON_THE_LIST)
    if flow.is_paused and not flow.is_terminal:
        rows = rows.exclude(kind__in=_HELD_BY_A_PAUSE)
    due = rows.order_by("due_at").values_list("due_at", flat=True).first()
    asked = (one.expires_at for one in selectors.requests_of(flow) if one.status == PENDING)
    children = (waits.next_at for child in _children_waited_for(flow) if (waits := waiting(child)))
    times = [at for at in (due, *asked, *children) if at is not None]
    return Waiting(sentence=_sentence(flow), next_at=min(times, default=None))


def why(flow_id: str, step_id: str, *, after: int = 0, limit: int | None = None) -> Reason:
    """Return why a step of a flow stands as it does now, as `why_in` tells it.

    :raises FlowUnknown: if there is no such flow.
    :raises StepNotInFlow: if it is not in its plan.
    """
    return why_in(reached(flow_id).flow, step_id, after=after, limit=limit)


def why_in(
    flow: Flow, step_id: str, *, at: int | None = None, after: int = 0, limit: int | None = None
) -> Reason:
    """Return why a step started, was skipped, failed or completed; the last of these counts.

    `at` is the number of the event after which the flow is as it is given, None for now. Of
    the reasons those after sequence `after`, in order and at most `limit`.

    :raises StepNotInFlow: if it is not in its plan.
    """
    if step_id not in flow.plan.steps:
        raise StepNotInFlow(flow.id, step_id)
    status, stream = flow.executions[step_id].status.value, stream_of(flow.id)
    before = None if at is None else at + 1
    last = explore.picked(
        stream, [causes.decisions(step_id)], before=before, limit=1, latest_first=True
    )
    if not last:
        return Reason(status=status, decided_by=None, causes=[])
    [decided] = last
    for sought in causes.sought(flow, step_id, decided):
        found = explore.picked(stream, sought, after=after, before=decided.sequence, limit=limit)
        # After the last reason nothing of another kind comes, so a page may ask for all kinds.
        if found:
            return Reason(status=status, decided_by=decided, causes=found)
    return Reason(status=status, decided_by=decided, causes=[])


def requests_of(flow_id: str, step_id: str) -> list[Requested]:
    """Return the approvals that a step of a flow has asked for.

    :raises FlowUnknown: if there is no such flow.
    """
    return selectors.requests_of(reached(flow_id).flow, step_id)


def step_of(flow_id: str, step_id: str) -> Execution:
    """Return how a step of a flow stands.

    :raises FlowUnknown, StepNotInFlow: if there is no such flow, or step in it.
    """
    executions = reached(flow_id).flow.executions
    if step_id not in executions:
        raise StepNotInFlow(flow_id, step_id)
    return executions[step_id]


def _named(plan: Plan, within: str = "") -> Iterator[tuple[str, Step]]:
    for step_id, step in plan.steps.items():
        yield f"{within}{step_id}", step
    for step_id, child in plan.children.items():
        yield from _named(child, f"{within}{step_id}/")


def durations() -> dict[str, float]:
    """Return how many milliseconds each step took on average lately."""
    lately = Window(
        streams=[("flow",)],
        names=["step_completed"],
        after=max(0, log.head_position() - HISTORY_POSITIONS),
    )
    found: dict[str, list[float]] = {}
    for event in explore.latest(lately, limit=HISTORY_STEPS_MAX):
        found.setdefault(event.data["step_id"], []).append(event.data.get("duration") or 0)
    return {step_id: fmean(taken) for step_id, taken in found.items()}


def estimated_ms(plan: Plan, taken: Mapping[str, float]) -> int | None:
    """Return how long a plan may take: the slowest way through it. None without a history.

    A child flow that has never run takes as long as its own plan.
    """
    children = {step_id: estimated_ms(child, taken) for step_id, child in plan.children.items()}
    taken = {**{one: float(ms) for one, ms in children.items() if ms is not None}, **taken}
    if not any(step_id in taken for step_id in plan.steps):
        return None
    known: dict[str, float] = {}
    return round(max((_until(plan, one, taken, known) for one in plan.steps), default=0))


def _until(plan: Plan, step_id: str, taken: Mapping[str, float], known: dict[str, float]) -> float:
    if step_id not in known:
        known[step_id] = 0.0  # A step that needs itself does not wait for itself.
        before = (_until(plan, one, taken, known) for one in _needed(plan, step_id))
        known[step_id] = max(before, default=0.0) + taken.get(step_id, 0.0)
    return known[step_id]


def _needed(plan: Plan, step_id: str) -> Iterator[str]:
    for name, _ in plan.steps[step_id].inputs():
        if name in plan.attributes:
            yield from plan.attributes[name].providers


def _sentence(flow: Flow) -> str:
    if flow.is_paused and not flow.is_terminal:
        return "It is paused; somebody has to resume it."
    active = [
        sentence
        for step_id, execution in flow.executions.items()
        if (sentence := _of_step(flow, step_id, execution))
    ]
    if active:
        more = f" (and {len(active) - 1} more)" if len(active) > 1 else ""
        return f"{active[0]}{more}."
    if flow.is_held:
        return f"It has completed; it ends once {flow.metadata[PARENT]} cannot have it undone."
    if flow.open_children:
        return f"It has {flow.status.value}; its child flows end before it."
    if flow.is_terminal:
        return f"It has {flow.status.value}; what it leaves behind is being put away."
    pending = [_lacks(flow, step_id) for step_id in flow.pending_steps()]
    return next(iter(pending), "It is about to go on.")


def _of_step(flow: Flow, step_id: str, execution: Execution) -> str:
    """Return what the first item of a step waits for; empty if none does."""
    sentence = next(_of_items(flow, step_id, execution), "")
    total = len(execution.order)
    if not sentence or total == 1:
        return sentence
    done = total - execution.count(WorkStatus.ACTIVE, WorkStatus.PENDING)
    return f"{sentence}; {done} of {total} items are done"


def _of_items(flow: Flow, step_id: str, execution: Execution) -> Iterator[str]:
    for item in execution.in_order():
        match item.status:
            case WorkStatus.ACTIVE:
                yield _of_active(flow, step_id, item)
            case WorkStatus.PENDING if item.next_retry_at and not flow.is_terminal:
                if item.next_retry_at <= timezone.now() and not engine.is_healthy(step_id):
                    yield f"Step {step_id} waits for a healthy worker to be tried again"
                    continue
                at, error = f"{item.next_retry_at:%Y-%m-%d %H:%M:%S} UTC", in_one_line(item.error)
                yield f"Step {step_id} is tried again at {at}, retry {item.retry_count}: {error}"
            case WorkStatus.PENDING if execution.status == StepStatus.ACTIVE and item.is_fresh:
                if not execution.count(WorkStatus.ACTIVE):
                    yield f"Step {step_id} waits for a healthy worker"
            case WorkStatus.COMPENSATING:
                yield _of_compensating(flow, step_id, item)


def _of_active(flow: Flow, step_id: str, item: WorkItem) -> str:
    awaited = AwaitedEvent.objects.filter(token=item.token).first()
    if awaited is not None:
        return f"Step {step_id} waits for the event {awaited.event_name}"
    if AwaitedApproval.objects.filter(token=item.token).exists():
        return f"Step {step_id} waits for somebody to approve"
    if AwaitedCallback.objects.filter(token=item.token).exists():
        return f"Step {step_id} was called and will call back"
    step = flow.step(step_id)
    if step.flow_goals is not None:
        return f"Step {step_id} waits for its child flow{_of_child(_child_of(flow, step_id, item))}"
    if step.type == StepType.PYTHON and (name := callables.name_of(step)) not in callables.names():
        return f"Step {step_id} waits for a worker that has the function {name}; here is none"
    what = "waits for its time" if step.type == StepType.WAIT else "is being worked on"
    return f"Step {step_id} {what}"


def _of_compensating(flow: Flow, step_id: str, item: WorkItem) -> str:
    sentence = f"What step {step_id} did is being undone"
    if flow.step(step_id).flow_goals is not None:
        return f"{sentence}{_of_child(_child_of(flow, step_id, item))}"
    if item.next_retry_at is None:
        return sentence
    if item.next_retry_at <= timezone.now() and not engine.is_healthy(step_id):
        return f"{sentence}, again once a worker is healthy"
    at, error = f"{item.next_retry_at:%Y-%m-%d %H:%M:%S} UTC", in_one_line(item.error)
    return f"{sentence}, again at {at}, retry {item.retry_count}: {error}"


def _of_child(child: Flow | None) -> str:
    if child is None or child.is_over:
        return ""
    why = _sentence(child).rstrip(".")
    return f": {why[:1].lower()}{why[1:]}"


def _children_waited_for(flow: Flow) -> Iterator[Flow]:
    for step_id, execution in flow.executions.items():
        if flow.step(step_id).flow_goals is None:
            continue
        active = (one for one in execution.in_order() if one.status in _AT_ITS_CHILD)
        for item in islice(active, CHILDREN_ASKED_MAX):
            child = _child_of(flow, step_id, item)
            if child is not None:
                yield child


def _child_of(flow: Flow, step_id: str, item: WorkItem) -> Flow | None:
    return engine.flow(ids.child_flow_id(parent=flow.id, step=step_id, token=item.token))


def in_one_line(error: str) -> str:
    """Write an error of several lines in one, without the full stop that a sentence gives it."""
    return ": ".join(line.rstrip(".") for line in error.split("\n") if line)


def _lacks(flow: Flow, step_id: str) -> str:
    names = [name for name, _ in flow.step(step_id).inputs() if not flow.values(name)]
    if not names:
        return f"Step {step_id} is about to start."
    return f"Step {step_id} waits for {', '.join(names)}."
