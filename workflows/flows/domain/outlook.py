"""What can still become of a step: is it needed, and can it complete (spec §6.3, §6.6)."""

from workflows.flows.domain.flow import Flow, StepStatus, Value
from workflows.flows.domain.gates import ScriptFailed, StepGate
from workflows.flows.domain.inputs import candidates, gate_or_unknown, supply_of
from workflows.flows.domain.step import Attribute, Collect, Step
from workflows.flows.domain.world import Languages


def is_needed(flow: Flow, step_id: str, languages: Languages) -> bool:
    """Tell whether a step is a goal or some pending step still waits for its output."""
    if step_id in flow.plan.goals:
        return True
    return any(
        _is_awaited(flow, consumer, name, languages)
        for name, _ in flow.step(step_id).outputs()
        for consumer in _consumers(flow, name)
    )


def _consumers(flow: Flow, name: str) -> tuple[str, ...]:
    edges = flow.plan.attributes.get(name)
    return edges.consumers if edges else ()


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


def can_complete(flow: Flow, step_id: str, languages: Languages) -> bool:
    """Tell whether a step has completed or may yet do so.

    Goes beyond Argyll where it would wait for ever (defects 10 and 11): a provider that
    completed without the value cannot give it any more, and `all` and `none` inputs can
    be lost although a value is there.
    """
    return _can_complete(flow, step_id, languages, frozenset())


def _can_complete(flow: Flow, step_id: str, languages: Languages, asking: frozenset[str]) -> bool:
    status = flow.executions[step_id].status
    if status.is_terminal:
        return status == StepStatus.COMPLETED
    if status == StepStatus.ACTIVE or step_id in asking:
        return True
    step = flow.step(step_id)
    gate = gate_or_unknown(flow, step, languages)
    if gate in {StepGate.CLOSED, StepGate.UNKNOWN}:
        return True
    return all(
        _can_be_fulfilled(flow, step, name, spec, languages, asking | {step_id})
        for name, spec in step.required()
    )


def _can_be_fulfilled(
    flow: Flow,
    step: Step,
    name: str,
    spec: Attribute,
    languages: Languages,
    asking: frozenset[str],
) -> bool:
    accepted = _accepted(flow, name, spec, languages)
    providers = [one for one in flow.providers(name) if one != step.id]
    match spec.collect_mode:
        case Collect.NONE:
            return not accepted
        case Collect.ALL:
            able = all(_can_supply(flow, one, name, languages, asking) for one in providers)
            return able and bool(accepted or providers)
        case _:
            return bool(accepted) or any(
                _can_supply(flow, one, name, languages, asking) for one in providers
            )


def _can_supply(
    flow: Flow, provider: str, name: str, languages: Languages, asking: frozenset[str]
) -> bool:
    if flow.executions[provider].status.is_terminal:
        return any(value.step == provider for value in flow.values(name))
    return _can_complete(flow, provider, languages, asking)


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
