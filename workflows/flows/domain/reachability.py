"""Which steps are still needed, and which can still complete."""

from collections.abc import Iterable, Set

from workflows.flows.domain.flow import Flow, StepStatus, Value
from workflows.flows.domain.gates import ScriptFailed, StepGate
from workflows.flows.domain.inputs import candidates, gate_or_unknown, supply_of
from workflows.flows.domain.step import Attribute, Collect, Step
from workflows.flows.domain.world import Languages


def is_needed(flow: Flow, step_id: str, languages: Languages) -> bool:
    """Return whether a step is a goal or some pending step still waits for its output."""
    if step_id in flow.plan.goals:
        return True
    return any(
        _is_awaited(flow, consumer, name, languages)
        for name, _ in flow.step(step_id).outputs()
        for consumer in flow.plan.consumers(name)
    )


def perhaps_unneeded(flow: Flow, moved: Iterable[str]) -> list[str]:
    """Return the pending steps of which `is_needed` may say otherwise than before.

    They give something to a step that has `moved`: begun, ended, got or lost an input.
    """
    executions, feeding = flow.executions, flow.plan.feeding
    found = {
        provider
        for step_id in moved
        for provider in feeding[step_id]
        if executions[provider].status is StepStatus.PENDING
    }
    return [step_id for step_id in executions if step_id in found] if found else []


def _is_awaited(flow: Flow, consumer: str, name: str, languages: Languages) -> bool:
    if flow.executions[consumer].status != StepStatus.PENDING:
        return False
    step = flow.step(consumer)
    if gate_or_unknown(flow, step, languages) == StepGate.CLOSED:
        return False
    spec = step.attributes[name]
    assert spec is not None
    if spec.collect_mode == Collect.FIRST:
        return not _accepted(flow, name, spec, languages)
    return not (spec.collect_mode == Collect.ALL and _has_lost_a_provider(flow, name))


def unreachable(flow: Flow, languages: Languages) -> list[str]:
    """Return the pending steps that cannot complete any more, in the order of the plan.

    All are able at first; whoever loses an input is lost, and those are asked again that it
    would have given something. So steps that only need each other stay able.

    Goes beyond Argyll where it would wait for ever: a provider that
    completed without the value cannot give it any more, and `all` and `none` inputs can
    be lost although a value is there.
    """
    lost: set[str] = set()
    pending = asked = set(flow.pending_steps())
    while asked:
        found = {one for one in asked if not _can_complete(flow, one, lost, languages)}
        lost |= found
        asked = {taker for one in found for taker in flow.plan.fed_by[one]} & (pending - lost)
    return [step_id for step_id in flow.pending_steps() if step_id in lost]


def lost_inputs(flow: Flow, step_id: str, languages: Languages) -> list[str]:
    """Return the required inputs of a step that nobody can give any more, by outer name."""
    step = flow.step(step_id)
    return [
        name
        for name, spec in step.required()
        if not _can_be_fulfilled(flow, step, name, spec, frozenset(), languages)
    ]


def nothing_is_lost(flow: Flow, step_ids: Iterable[str]) -> bool:
    """Return whether no pending step can have become unable to complete because of these steps.

    None has in a plain plan, as long as every step that has ended gave all that it can give.
    """
    fed = flow.plan.only_from_init
    if fed is None or not all(flow.attributes.get(name) for name in fed):
        return False
    steps, executions = flow.plan.steps, flow.executions
    for step_id in step_ids:
        execution = executions[step_id]
        if not execution.status.is_terminal:
            continue
        gave = execution.outputs
        if execution.status is not StepStatus.COMPLETED or gave is None:
            return False
        for name, _ in steps[step_id].outputs():
            if name not in gave:
                return False
    return True


def _can_complete(flow: Flow, step_id: str, lost: Set[str], languages: Languages) -> bool:
    """Return whether a pending step can complete, as far as it is known which are `lost`."""
    step = flow.step(step_id)
    if gate_or_unknown(flow, step, languages) in {StepGate.CLOSED, StepGate.UNKNOWN}:
        return True
    return all(
        _can_be_fulfilled(flow, step, name, spec, lost, languages) for name, spec in step.required()
    )


def _can_be_fulfilled(
    flow: Flow, step: Step, name: str, spec: Attribute, lost: Set[str], languages: Languages
) -> bool:
    accepted = _accepted(flow, name, spec, languages)
    providers = [one for one in flow.providers(name) if one != step.id]
    match spec.collect_mode:
        case Collect.NONE:
            return not accepted
        case Collect.ALL:
            able = all(_can_supply(flow, one, name, lost) for one in providers)
            return able and bool(accepted or providers)
        case _:
            return bool(accepted) or any(_can_supply(flow, one, name, lost) for one in providers)


def _can_supply(flow: Flow, provider: str, name: str, lost: Set[str]) -> bool:
    if flow.executions[provider].status.is_terminal:
        return any(value.step == provider for value in flow.values(name))
    return provider not in lost


def _accepted(flow: Flow, name: str, spec: Attribute, languages: Languages) -> tuple[Value, ...]:
    try:
        return candidates(flow, name, spec, languages)
    except ScriptFailed:
        return ()


def _has_lost_a_provider(flow: Flow, name: str) -> bool:
    supply = supply_of(flow, name)
    if supply.is_terminal:
        return not supply.all_succeeded
    return any(
        flow.executions[provider].status.is_terminal
        and not any(value.step == provider for value in flow.values(name))
        for provider in flow.providers(name)
    )
