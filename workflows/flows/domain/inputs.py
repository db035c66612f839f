"""Input resolution: when the inputs of a step are settled, and their values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from workflows.flows.domain import decoder
from workflows.flows.domain.flow import Flow, StepStatus, Value
from workflows.flows.domain.gates import Gate, ScriptFailed, StepGate, gate_of, step_gate
from workflows.flows.domain.step import Attribute, Collect, Role, Step
from workflows.flows.domain.world import ABSENT, Absent, Languages


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """The progress of an attribute's providers. Without providers, it is complete."""

    has_providers: bool
    is_terminal: bool
    all_succeeded: bool
    last_ended_at: datetime | None


def supply_of(flow: Flow, name: str) -> Supply:
    """Return the progress of the planned providers of an attribute."""
    providers = flow.providers(name)
    executions = [flow.executions[step_id] for step_id in providers]
    gave = {value.step for value in flow.values(name)}
    ended = [one.completed_at for one in executions if one.completed_at is not None]
    return Supply(
        has_providers=bool(providers),
        is_terminal=all(one.status.is_terminal for one in executions),
        all_succeeded=all(
            one.status == StepStatus.COMPLETED and step_id in gave
            for step_id, one in zip(providers, executions, strict=True)
        ),
        last_ended_at=max(ended, default=None),
    )


def candidates(flow: Flow, name: str, spec: Attribute, languages: Languages) -> tuple[Value, ...]:
    """Return the values of an attribute that this input accepts.

    :raises ScriptFailed: if its match script does not give an answer.
    """
    values = flow.values(name)
    match = spec.match
    if match is None:
        return values
    return tuple(value for value in values if languages.matches(match, value.value))


def gate(flow: Flow, step: Step, languages: Languages) -> tuple[StepGate, dict[str, Gate]]:
    """Judge the gates of a step by the values there are now.

    :raises ScriptFailed: if a match script does not give an answer.
    """
    gates: dict[str, Gate] = {}
    if not step.gates():
        return StepGate.UNGATED, gates
    for name, spec in step.gates():
        assert spec.match is not None, "what has no match is no gate"
        supply = supply_of(flow, name)
        gates[name] = gate_of(
            spec.collect_mode,
            [languages.matches(spec.match, value.value) for value in flow.values(name)],
            is_terminal=supply.is_terminal,
            all_succeeded=supply.all_succeeded,
        )
    return step_gate(gates.values()), gates


def gate_or_unknown(flow: Flow, step: Step, languages: Languages) -> StepGate:
    """Judge the gates; a script that fails leaves the question open."""
    try:
        return gate(flow, step, languages)[0]
    except ScriptFailed:
        return StepGate.UNKNOWN


def is_fulfilled(collect: Collect, values: Sequence[Value], supply: Supply) -> bool:
    """Return whether an input has all that its collect mode waits for."""
    match collect:
        case Collect.FIRST:
            return bool(values)
        case Collect.LAST | Collect.SOME:
            return bool(values) and supply.is_terminal
        case Collect.ALL:
            return bool(values) and supply.is_terminal and supply.all_succeeded
        case Collect.NONE:
            return not values and supply.is_terminal


def fulfilled_at(
    collect: Collect, values: Sequence[Value], supply: Supply, *, since: datetime
) -> datetime:
    """Return when a fulfilled input became so."""
    match collect:
        case Collect.FIRST:
            return values[0].set_at
        case Collect.LAST:
            return values[-1].set_at
        case Collect.ALL | Collect.SOME:
            return max(value.set_at for value in values)
        case Collect.NONE:
            return supply.last_ended_at or since


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether a pending step can be started: now, at a known time, or not for now.

    With `anchor` the optional inputs are settled; `waits` are those that are not, and until when.
    """

    anchor: datetime | None = None
    waits: tuple[tuple[str, datetime], ...] = ()


def may_be_ready(flow: Flow, step: Step) -> bool:
    """Return whether looking at a pending step is worth while: not if it merely lacks a value.

    A gate may close a step that lacks values too.
    """
    if step.gates():
        return True
    attributes = flow.attributes
    for name, spec in step.required():
        if not (attributes.get(name) or spec.collect_mode == Collect.NONE):
            return False
    return True


def readiness(flow: Flow, step: Step, languages: Languages, *, now: datetime) -> Readiness:
    """Return whether the required inputs are there and the optional ones settled.

    :raises ScriptFailed: if a match script does not give an answer.
    """
    assert flow.created_at is not None
    anchor = flow.created_at
    for name, spec in step.required():
        values, collect = candidates(flow, name, spec, languages), spec.collect_mode
        if not values and collect is not Collect.NONE:
            return Readiness()  # Whatever the providers have done: there is nothing yet.
        if collect is Collect.FIRST:
            anchor = max(anchor, values[0].set_at)  # Whatever else they may do.
            continue
        supply = supply_of(flow, name)
        if not is_fulfilled(collect, values, supply):
            return Readiness()
        anchor = max(anchor, fulfilled_at(collect, values, supply, since=flow.created_at))
    waits = tuple(
        (name, until)
        for name, spec in step.inputs()
        if not spec.is_required
        and (until := _undecided_until(flow, name, spec, anchor=anchor, now=now))
    )
    return Readiness(waits=waits) if waits else Readiness(anchor=anchor)


def optional_waits(
    flow: Flow, languages: Languages, *, now: datetime
) -> Iterator[tuple[str, str, datetime]]:
    """Yield each pending step that an optional input alone keeps, the input, and until when."""
    for step_id in flow.pending_steps():
        step = flow.step(step_id)
        if not any(spec.deadline_ms > 0 for _, spec in step.inputs()):
            continue
        try:
            waits = readiness(flow, step, languages, now=now).waits
        except ScriptFailed:
            continue
        yield from ((step_id, name, until) for name, until in waits)


def _undecided_until(
    flow: Flow, name: str, spec: Attribute, *, anchor: datetime, now: datetime
) -> datetime | None:
    """Return until when an optional input may still wait for its value, if it does."""
    supply = supply_of(flow, name)
    cutoff = anchor + timedelta(milliseconds=spec.deadline_ms)
    is_decided = (
        is_fulfilled(spec.collect_mode, flow.values(name), supply)
        or not supply.has_providers
        or supply.is_terminal
        or spec.deadline_ms <= 0
        or now >= cutoff
    )
    return None if is_decided else cutoff


def resolve(flow: Flow, step: Step, languages: Languages, *, anchor: datetime) -> dict[str, Any]:
    """Return the inputs of a step that is ready, under the names the step knows them by.

    :raises ScriptFailed: if a match script does not give an answer.
    """
    inputs: dict[str, Any] = {}
    for name, spec in step.attributes.items():
        if spec is None:
            continue
        if spec.role == Role.CONST:
            inputs[name] = _literal(spec.value)
        elif spec.is_input:
            value = _settled(flow, name, spec, languages, anchor=anchor)
            if not isinstance(value, Absent):
                inputs[spec.inner_name(name)] = _mapped(step, name, spec, value, languages)
    return inputs


def resolve_available(flow: Flow, step: Step, languages: Languages) -> dict[str, Any]:
    """Return the available inputs of a step that will not run, for its record."""
    assert flow.created_at is not None
    inputs: dict[str, Any] = {}
    for name, spec in step.attributes.items():
        if spec is None or not spec.is_input:
            continue
        try:
            values = candidates(flow, name, spec, languages)
        except ScriptFailed:
            continue
        value = _by_mode(spec.collect_mode, values)
        if not isinstance(value, Absent):
            inputs[spec.inner_name(name)] = _mapped(step, name, spec, value, languages)
    return inputs


def _settled(
    flow: Flow, name: str, spec: Attribute, languages: Languages, *, anchor: datetime
) -> Any:
    values = candidates(flow, name, spec, languages)
    if not spec.is_required:
        values = _in_time(flow, name, spec, values, anchor=anchor)
    value = _by_mode(spec.collect_mode, values)
    if isinstance(value, Absent) and spec.default:
        return _literal(spec.default)
    return value


def _in_time(
    flow: Flow, name: str, spec: Attribute, values: tuple[Value, ...], *, anchor: datetime
) -> tuple[Value, ...]:
    """Drop what came after the deadline. First and all count only when whole and in time."""
    cutoff = anchor + timedelta(milliseconds=spec.deadline_ms)
    kept = tuple(value for value in values if value.set_at <= cutoff)
    if spec.collect_mode == Collect.ALL:
        is_whole = is_fulfilled(Collect.ALL, values, supply_of(flow, name))
        return kept if is_whole and len(kept) == len(values) else ()
    return kept


def _by_mode(collect: Collect, values: Sequence[Value]) -> Any:
    if not values or collect == Collect.NONE:
        return ABSENT
    match collect:
        case Collect.FIRST:
            return values[0].value
        case Collect.LAST:
            return values[-1].value
        case _:
            return [value.value for value in values]


def _mapped(step: Step, name: str, spec: Attribute, value: Any, languages: Languages) -> Any:
    if spec.mapping is None or spec.mapping.script is None:
        return value
    # It may name the other inputs, as there, and sees none of them.
    seen = step.seen_by(spec.mapping.script, {spec.inner_name(name): value})
    try:
        return languages.map_input(spec.mapping.script, seen, value)
    except ScriptFailed:
        return value  # As in Argyll: a mapping that finds nothing leaves the value as it is.


def _literal(text: str) -> Any:
    try:
        return decoder.only_value(text.encode(errors="replace"))
    except decoder.Undecodable:
        return None
