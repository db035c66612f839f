"""Why a step started, completed, failed or was skipped: the events of its flow that made it so."""

from collections.abc import Sequence

from events.domain.envelope import Envelope
from workflows.flows.domain.decision import NOT_NEEDED
from workflows.flows.domain.flow import NO_LONGER_AWAITED, Flow
from workflows.flows.domain.step_decisions import GATED_OUT, NOT_TRUE

_ENDINGS_OF_FLOWS = ("flow_cancelled", "flow_completed", "flow_failed")
_DECISIONS = ("step_started", "step_completed", "step_failed", "step_skipped")
_WORK = {"step_failed": "work_failed", "step_completed": "work_succeeded"}
_SKIPPED_BY_ITSELF = (GATED_OUT, NOT_TRUE)


def last_decision(step_id: str, events: Sequence[Envelope]) -> Envelope | None:
    """Return the last event that says how a step stands; None if it has not begun."""
    decisions = (
        one
        for one in reversed(events)
        if one.name in _DECISIONS and one.data.get("step_id") == step_id
    )
    return next(decisions, None)


def of(flow: Flow, step_id: str, decided: Envelope, before: Sequence[Envelope]) -> list[Envelope]:
    """Return the events `before` a decision about a step that were its reason.

    None where somebody skipped the step: the decision itself says who, and why.
    """
    if decided.data.get("error") == NO_LONGER_AWAITED:
        # It only waited, and went with its flow.
        return [one for one in before if one.name in _ENDINGS_OF_FLOWS]
    own = [one for one in before if one.data.get("step_id") == step_id]
    if forced := [one for one in own if one.name == "step_forced"]:
        return forced
    if decided.name == "step_skipped":
        return _of_skipping(flow, step_id, str(decided.data["reason"]), before)
    of_its_work = [one for one in own if one.name == _WORK.get(decided.name)]
    return of_its_work or [one for one in before if _bears_on(flow, step_id, one)]


def _of_skipping(
    flow: Flow, step_id: str, reason: str, before: Sequence[Envelope]
) -> list[Envelope]:
    if reason == NOT_NEEDED:
        return [one for one in before if _spares(flow, step_id, one)]
    if reason in _SKIPPED_BY_ITSELF:
        return [one for one in before if _bears_on(flow, step_id, one)]
    return []


def _spares(flow: Flow, step_id: str, event: Envelope) -> bool:
    """Tell whether an event gave what a step would have given, or settled who would take it."""
    gives = {name for name, _ in flow.step(step_id).outputs()}
    match event.name:
        case "flow_started":
            return bool(gives & flow.init.keys())
        case "attribute_set":
            return event.data["key"] in gives
        case name if name in _DECISIONS:
            takes = {name for name, _ in flow.step(event.data["step_id"]).inputs()}
            return bool(gives & takes)
    return False


def _bears_on(flow: Flow, step_id: str, event: Envelope) -> bool:
    """Tell whether an event gave a step an input, or took the hope of one."""
    names = {name for name, _ in flow.step(step_id).inputs()}
    match event.name:
        case "flow_started":
            return not names or bool(names & flow.init.keys())
        case "attribute_set":
            return event.data["key"] in names
        case "step_failed" | "step_skipped":
            return any(event.data["step_id"] in flow.providers(name) for name in names)
    return False
