"""The causes of a step's state: the events that made it start, complete, fail or be skipped."""

from collections.abc import Iterator

from events.domain.envelope import Envelope
from events.domain.event_filter import EventFilter
from workflows.flows.domain.decision import NOT_NEEDED
from workflows.flows.domain.flow import NO_LONGER_AWAITED, Flow, StepStatus
from workflows.flows.domain.step_decisions import GATED_OUT, NOT_TRUE

_ENDINGS_OF_FLOWS = ("flow_cancelled", "flow_completed", "flow_failed")
_DECISIONS = ("step_started", "step_completed", "step_failed", "step_skipped")
_WORK = {"step_failed": "work_failed", "step_completed": "work_succeeded"}
_SKIPPED_BY_ITSELF = (GATED_OUT, NOT_TRUE)
_STARTED = EventFilter(("flow_started",))


def decisions(step_id: str) -> EventFilter:
    """Return the events that decide the state of a step; the last of them counts."""
    return _of_step(_DECISIONS, step_id)


def filters_of_causes(flow: Flow, step_id: str, decided: Envelope) -> list[list[EventFilter]]:
    """Return what events before a decision about a step were its reason.

    Of the first list that finds any. None where somebody skipped the step: the decision
    itself says who, and why. What nothing else led to came with the start of the flow: a step
    whose inputs were never there, or that a fork took over.
    """
    if decided.data.get("error") == NO_LONGER_AWAITED:
        # It only waited, and went with its flow.
        return [[EventFilter(_ENDINGS_OF_FLOWS)]]
    forced = [_of_step(("step_forced",), step_id)]
    if decided.name == "step_skipped":
        return [forced, *_of_skipping(flow, step_id, str(decided.data["reason"]))]
    work = [_of_step((name,), step_id) for name in [_WORK.get(decided.name)] if name]
    return [forced, work, list(_bearing_on(flow, step_id)), [_STARTED]]


def _of_skipping(flow: Flow, step_id: str, reason: str) -> list[list[EventFilter]]:
    if reason == NOT_NEEDED:
        return [list(_sparing(flow, step_id)), [_STARTED]]
    if reason in _SKIPPED_BY_ITSELF:
        return [list(_bearing_on(flow, step_id)), [_STARTED]]
    return []


def _sparing(flow: Flow, step_id: str) -> Iterator[EventFilter]:
    """Yield what gave what a step would have given, or settled who would have taken it."""
    gives = {name for name, _ in flow.step(step_id).outputs()}
    if gives & flow.init.keys():
        yield _STARTED
    yield EventFilter(("attribute_set",), "key", gives)
    takers = [
        one.id for one in flow.plan.steps.values() if gives & {name for name, _ in one.inputs()}
    ]
    yield _of_step(_DECISIONS, *takers)


def _bearing_on(flow: Flow, step_id: str) -> Iterator[EventFilter]:
    """Yield what gave a step an input, or took the hope of one."""
    names = {name for name, _ in flow.step(step_id).inputs()}
    if not names or names & flow.init.keys():
        yield _STARTED
    yield EventFilter(("attribute_set",), "key", names)
    providers = {(one, name) for name in names for one in flow.providers(name)}
    yield _of_step(("step_failed", "step_skipped"), *{one for one, _ in providers})
    yield _of_step(("step_completed",), *{one for one, name in providers if _kept(flow, one, name)})


def _kept(flow: Flow, step_id: str, name: str) -> bool:
    """Return whether a step has completed without giving what it declares."""
    has_completed = flow.executions[step_id].status is StepStatus.COMPLETED
    return has_completed and all(value.step != step_id for value in flow.values(name))


def _of_step(names: tuple[str, ...], *step_ids: str) -> EventFilter:
    return EventFilter(names, "step_id", step_ids)
