"""Explains flows: what a plan would do, the state at an earlier time, why a step stands so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from events import explore, store
from events import selectors as log
from events.domain.envelope import Envelope
from events.explore import Window
from events.sourcing import past_states, states
from workflows.flows import selectors
from workflows.flows.domain import causes, limits, reachability
from workflows.flows.domain.cluster import HealthStatus
from workflows.flows.domain.decision import UNREACHABLE
from workflows.flows.domain.errors import FlowUnknown, SequenceNotReached, StepNotInFlow
from workflows.flows.domain.flow import Flow
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.step import Step, StepType
from workflows.flows.execution import approval_requests, engine, plans
from workflows.flows.execution.aggregates import FLOWS, stream_of
from workflows.flows.languages.in_place import InPlace
from workflows.flows.selectors import Requested
from workflows.flows.steps import callables

HISTORY_POSITIONS = 50_000
"""How far back, in events of the whole log, durations are looked for."""
HISTORY_STEPS_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAt:
    """A flow, and the sequence of the event after which it was so."""

    flow: Flow
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """How a step stands, what decided it, and the events that were the reason."""

    status: str
    decided_by: Envelope | None
    causes: list[Envelope]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPreview:
    """What a flow would do. `missing`: what init must have; `unhealthy`: what no worker may run.

    `child_lacks` is what the child flow of a step, named as `outer/inner`, requires and the step
    does not give it: the step fails. `approvals` are steps that somebody must decide, named so too;
    `unaskable` those of them that would fail now, and why; `unregistered` what Python functions a
    step, named so too, calls that nobody here has registered: a flow waits at it until somebody
    has. `estimated_ms` is None without a history.
    """

    plan: Plan
    missing: list[str]
    unhealthy: list[str]
    child_lacks: dict[str, list[str]]
    approvals: list[str]
    unaskable: dict[str, str]
    unregistered: dict[str, list[str]]
    estimated_ms: int | None


def preview(goals: Sequence[str], init: Mapping[str, Sequence[Any]]) -> PlanPreview:
    """Plan without starting: what will run, what is missing, and how long it may take.

    :raises FlowInvalid: if there is no goal, or child flows nest too deep.
    :raises GoalsUnknown: if a goal is not registered.
    """
    plan, missing = plans.ahead(engine.catalog(), goals, init)
    # Whatever its id will be.
    limits.check_children("", plan)
    steps = dict(_named(plan))
    approvals = {name: step for name, step in steps.items() if step.type == StepType.APPROVAL}
    reasons = {name: approval_requests.why_not_ask(step) for name, step in approvals.items()}
    return PlanPreview(
        plan=plan,
        missing=missing,
        unhealthy=[
            step_id
            for step_id, health in selectors.health_of_all(plan.steps).items()
            if health.status == HealthStatus.UNHEALTHY
        ],
        child_lacks=dict(_child_lacks(plan)),
        approvals=list(approvals),
        unaskable={name: reason for name, reason in reasons.items() if reason},
        unregistered={
            name: unknown for name, step in steps.items() if (unknown := callables.unknown_of(step))
        },
        estimated_ms=estimated_ms(plan, durations()),
    )


def _child_lacks(plan: Plan, within: str = "") -> Iterator[tuple[str, list[str]]]:
    for step_id, child in plan.children.items():
        inputs = plan.steps[step_id].inputs()
        # An optional input may be there when the child starts.
        given = {spec.inner_name(name) for name, spec in inputs}
        if lacking := [name for name in child.required if name not in given]:
            yield f"{within}{step_id}", lacking
        yield from _child_lacks(child, f"{within}{step_id}/")


def reached(flow_id: str, *, at: int | None = None) -> StateAt:
    """Return a flow as it is now, or as it was after its event number `at` (from 1).

    :raises FlowUnknown: if it was never started.
    :raises SequenceNotReached: if it has fewer events.
    """
    stream = stream_of(flow_id)
    found = states.fresh(FLOWS, stream) if at is None else past_states.reached(FLOWS, stream, at)
    if found.state.created_at is None:
        raise FlowUnknown(flow_id)
    if at is not None and found.sequence < at:
        raise SequenceNotReached(flow_id, at=at, head=found.sequence)
    return StateAt(flow=found.state, sequence=found.sequence)


def replayed(flow_id: str, *, until: int) -> Flow:
    """Return a flow as its first `until` events say, whatever else is kept of it."""
    stream = stream_of(flow_id)
    return states.replayed(FLOWS, store.history(stream, limit=until), stream).state


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
    for filters in causes.filters_of_causes(flow, step_id, decided):
        found = explore.picked(stream, filters, after=after, before=decided.sequence, limit=limit)
        # After the last reason nothing of another kind comes, so a page may ask for all kinds.
        if found:
            return Reason(status=status, decided_by=decided, causes=found)
    return Reason(status=status, decided_by=decided, causes=[])


def unsatisfied(flow: Flow, step_id: str) -> list[str]:
    """Return the inputs for which a step was skipped or failed; empty if it was not for any.

    The event of a step that nobody can supply any more does not name them, as Argyll's does not.
    """
    execution = flow.executions[step_id]
    if execution.error == UNREACHABLE:
        return reachability.lost_inputs(flow, step_id, InPlace())
    return list(execution.unsatisfied)


def requests_of(flow_id: str, step_id: str) -> list[Requested]:
    """Return the approvals that a step of a flow has asked for.

    :raises FlowUnknown: if there is no such flow.
    """
    return selectors.requests_of(reached(flow_id).flow, step_id)


def retrying(flow_id: str, step_id: str) -> list[str]:
    """Return the tokens of the items of a step that wait for their next attempt.

    :raises FlowUnknown, StepNotInFlow: if there is no such flow, or step in it.
    """
    flow = reached(flow_id).flow
    if step_id not in flow.executions:
        raise StepNotInFlow(flow_id, step_id)
    items = flow.executions[step_id].in_order()
    return [item.token for item in items if flow.will_retry(step_id, item)]


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
    for step_id in plan.steps:  # Who gives something comes before who takes it.
        before = (known.get(one, 0.0) for one in _needed(plan, step_id))
        known[step_id] = max(before, default=0.0) + taken.get(step_id, 0.0)
    return round(max(known.values(), default=0.0))


def _needed(plan: Plan, step_id: str) -> Iterator[str]:
    for name, _ in plan.steps[step_id].inputs():
        if name in plan.attributes:
            yield from plan.attributes[name].providers
