"""Which steps are still needed, and which can still complete."""

from collections.abc import Iterable, Iterator

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


def unreachable(flow: Flow, languages: Languages) -> Iterator[str]:
    """Yield the pending steps that cannot complete any more.

    Goes beyond Argyll where it would wait for ever: a provider that
    completed without the value cannot give it any more, and `all` and `none` inputs can
    be lost although a value is there.
    """
    reachability = _Reachability(flow, languages)
    for step_id in flow.pending_steps():
        if not reachability.can_complete(step_id, frozenset()):
            yield step_id


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


class _Reachability:
    """One look at all steps of a flow. `asking` are the steps whose question is still open.

    A step that asks for itself is taken to be able, so what was answered with the help of
    such an assumption is not remembered. What is able without one stays so whoever asks.
    """

    def __init__(self, flow: Flow, languages: Languages) -> None:
        self._flow = flow
        self._languages = languages
        self._able: set[str] = set()
        self._assumptions = 0

    def can_complete(self, step_id: str, asking: frozenset[str]) -> bool:
        if step_id in self._able:
            return True
        before = self._assumptions
        is_able = self._find_out(step_id, asking)
        if is_able and self._assumptions == before:
            self._able.add(step_id)
        return is_able

    def _find_out(self, step_id: str, asking: frozenset[str]) -> bool:
        flow = self._flow
        status = flow.executions[step_id].status
        if status.is_terminal:
            return status == StepStatus.COMPLETED
        if status == StepStatus.ACTIVE:
            return True
        if step_id in asking:
            self._assumptions += 1
            return True
        step = flow.step(step_id)
        gate = gate_or_unknown(flow, step, self._languages)
        if gate in {StepGate.CLOSED, StepGate.UNKNOWN}:
            return True
        return all(
            self._can_be_fulfilled(step, name, spec, asking | {step_id})
            for name, spec in step.required()
        )

    def _can_be_fulfilled(
        self, step: Step, name: str, spec: Attribute, asking: frozenset[str]
    ) -> bool:
        accepted = _accepted(self._flow, name, spec, self._languages)
        providers = [one for one in self._flow.providers(name) if one != step.id]
        match spec.collect_mode:
            case Collect.NONE:
                return not accepted
            case Collect.ALL:
                able = all(self._can_supply(one, name, asking) for one in providers)
                return able and bool(accepted or providers)
            case _:
                return bool(accepted) or any(
                    self._can_supply(one, name, asking) for one in providers
                )

    def _can_supply(self, provider: str, name: str, asking: frozenset[str]) -> bool:
        if self._flow.executions[provider].status.is_terminal:
            return any(value.step == provider for value in self._flow.values(name))
        return self.can_complete(provider, asking)


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
