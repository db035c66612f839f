"""What can be done with steps and flows. One transaction each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from events import executor
from events.domain.errors import Conflict
from events.store import StreamMoved
from ledger import idempotency
from ledger.preconditions import check_version
from workflows.flows import conf, engine
from workflows.flows.aggregates import CATALOG, CATALOG_STREAM, CLUSTER, CLUSTER_STREAM
from workflows.flows.domain import commands as asked
from workflows.flows.domain import ids
from workflows.flows.domain.catalog import RegisterStep, UnregisterStep, UpdateStep
from workflows.flows.domain.cluster import Health, HealthStatus, ReportHealth
from workflows.flows.domain.errors import FlowExists, FlowInvalid, FlowUnknown
from workflows.flows.domain.flow import Flow, StepStatus
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.planner import make_plan
from workflows.flows.domain.step import Step, StepType, WorkConfig
from workflows.flows.domain.validation import validate
from workflows.flows.languages import LANGUAGES, compile_script
from workflows.work import liveness, runner
from workflows.work.handover import Taken

GOALS_MAX = 64
INIT_KEYS_MAX = 128
LABELS_MAX = 32


class FlowBusy(Conflict):
    code = "flow_busy"
    hint = "Wait for the other flow of this concurrency key, or cancel it."

    def __init__(self, key: str) -> None:
        super().__init__(f"A flow with the concurrency key {key} is active.", key=key)


def register_step(*, step: Step) -> Step:
    """Add a step to the catalog and return it as stored; an equal one changes nothing.

    :raises StepInvalid: if the definition breaks a rule, alone or beside the other steps.
    :raises StepExists: if another definition has that id.
    """
    stored = _checked(step)
    _change_catalog(RegisterStep(step=stored, at=timezone.now()), stored)
    return stored


def update_step(*, step: Step) -> Step:
    """Replace a step in the catalog. What is under way keeps the definition it has.

    :raises StepInvalid: as above.
    :raises StepUnknown: if there is no such step.
    """
    stored = _checked(step)
    _change_catalog(UpdateStep(step=stored, at=timezone.now()), stored)
    return stored


def unregister_step(*, step_id: str) -> None:
    """Take a step out of the catalog.

    :raises StepUnknown: if there is no such step.
    """
    command = UnregisterStep(step_id=step_id, at=timezone.now())
    with idempotency.transaction() as unit:
        unit.refer(step_id)
        executor.execute_in_transaction(CATALOG, CATALOG_STREAM, command, at=command.at)


def report_health(*, step_id: str, health: Health, node_id: str | None = None) -> None:
    """Take note of the health of a step on a node. Only a change is recorded."""
    command = ReportHealth(
        node_id=node_id or conf.current().node, step_id=step_id, health=health, at=timezone.now()
    )
    executor.execute(CLUSTER, CLUSTER_STREAM, command, at=command.at)


def preview_plan(*, goals: Sequence[str], init: Mapping[str, Sequence[Any]]) -> Plan:
    """Show what a flow with these goals would do, and what it lacks. Changes nothing.

    :raises FlowInvalid: if there is no goal.
    :raises GoalsUnknown: if a goal is not registered.
    """
    return make_plan(engine.catalog(), goals, init, matches=LANGUAGES.matches, is_preview=True)


def start_flow(
    *,
    flow_id: str,
    goals: Sequence[str],
    init: Mapping[str, list[Any]],
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Flow:
    """Start a flow; the same id with the same goals and init is the same flow.

    `options`: `timeout_ms`, `compensate` (undo completed steps if the flow fails) and
    `concurrency_key` (one active flow per key).

    :raises FlowInvalid: if the request breaks a limit or a required input is missing.
    :raises GoalsUnknown: if a goal is not registered.
    :raises FlowExists: if the id is taken by a flow with other goals or another init.
    :raises FlowBusy: if another flow holds the concurrency key.
    """
    return _begun(_start_command(flow_id, goals, init, labels, options), flow_id)


def run_flow(
    *,
    flow_id: str,
    goals: Sequence[str],
    init: Mapping[str, list[Any]],
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Flow:
    """Start a flow as `start_flow` does, and do its steps here, as a worker would.

    Return it when it is over, or when somebody else's turn has come: a callback, a timer,
    a retry, or a worker that was rung for a step beside. If this process dies the workers
    go on from the last commit. Not within a transaction.
    """
    taken = Taken(worker=liveness.name("inline"))
    started = _begun(_start_command(flow_id, goals, init, labels, options), flow_id, taken)
    if taken.claim is None:
        return started
    runner.run([taken.claim])
    return engine.flow_last_seen(flow_id) or started


def start_child(
    *, flow_id: str, plan: Plan, init: Mapping[str, Any], parent: Flow, **ids_: str
) -> None:
    """Start the flow of one work item of a flow step, in the caller's transaction.

    Starting it again changes nothing.

    :raises FlowInvalid: if the child's required inputs are not there.
    """
    metadata = {**parent.metadata, "parent_flow_id": parent.id, **ids_}
    command = asked.StartFlow(
        plan=plan, init={name: [value] for name, value in init.items()}, metadata=metadata
    )
    if engine.flow(flow_id) is None:
        engine.handle_in_transaction(flow_id, command)


def pause_flow(*, flow_id: str, reason: str, expected_version: int | None = None) -> Flow:
    """Let nothing new of a flow start; what is under way is still recorded.

    :raises FlowUnknown: if there is no such flow.
    :raises FlowSettled: if its outcome is known.
    :raises VersionMoved: if it is not at the sequence that is expected.
    """
    return _commanded(flow_id, asked.PauseFlow(reason=reason), expected_version)


def resume_flow(*, flow_id: str, expected_version: int | None = None) -> Flow:
    """Let a paused flow go on. Raises as `pause_flow` does."""
    return _commanded(flow_id, asked.ResumeFlow(), expected_version)


def cancel_flow(
    *, flow_id: str, reason: str, compensates: bool, expected_version: int | None = None
) -> Flow:
    """End a flow; with `compensates` undo what its completed steps did, the last first.

    Raises as `pause_flow` does.
    """
    return _commanded(
        flow_id, asked.CancelFlow(reason=reason, compensates=compensates), expected_version
    )


def skip_step(
    *, flow_id: str, step_id: str, reason: str, expected_version: int | None = None
) -> Flow:
    """Do without a step that is pending or active.

    :raises StepSettled: if it is neither.
    """
    return _commanded(flow_id, asked.SkipStep(step_id=step_id, reason=reason), expected_version)


def force_step(
    *,
    flow_id: str,
    step_id: str,
    outputs: Mapping[str, Any],
    expected_version: int | None = None,
) -> Flow:
    """Say that a pending or active step is done, and what it gave. Raises as `skip_step`."""
    return _commanded(flow_id, asked.ForceStep(step_id=step_id, outputs=outputs), expected_version)


def retry_now(
    *, flow_id: str, step_id: str, token: str, expected_version: int | None = None
) -> Flow:
    """Try one item again now instead of later.

    :raises NothingToRetry: if it waits for no retry.
    """
    return _commanded(flow_id, asked.RetryNow(step_id=step_id, token=token), expected_version)


def fork_flow(
    *, flow_id: str, new_flow_id: str, from_step: str, init: Mapping[str, list[Any]] | None = None
) -> Flow:
    """Start a flow anew from `from_step`, with the plan and the earlier results of `flow_id`.

    Steps that completed before and do not depend on `from_step` keep their outputs;
    `init` replaces values of the original's. The original is not changed.

    :raises FlowUnknown: if there is no such flow.
    :raises FlowInvalid: if `from_step` is not one of its steps.
    """
    original = _found(flow_id)
    if from_step not in original.plan.steps:
        raise FlowInvalid(f"step {from_step} is not in the plan", pointer="/from_step")
    anew = _downstream(original.plan, from_step)
    inherited = {
        step_id: dict(original.executions[step_id].outputs or {})
        for step_id in original.completed_steps
        if step_id not in anew and original.executions[step_id].status == StepStatus.COMPLETED
    }
    command = asked.StartFlow(
        plan=original.plan,
        init={**original.init, **(init or {})},
        labels=original.labels,
        options={**original.options, "forked_from": original.id},
        inherited=inherited,
    )
    return _begun(command, new_flow_id)


def _checked(step: Step) -> Step:
    # Argyll fills in the work defaults first, so its rules see them too (spec §1.3).
    merged = (step.work_config or WorkConfig()).merged(conf.current().retry)
    stored = _with_work(step, merged)
    validate(stored, compile_script=compile_script)
    return stored


def _with_work(step: Step, work: WorkConfig) -> Step:
    return replace(step, work_config=work)


def _change_catalog(command: RegisterStep | UpdateStep, step: Step) -> None:
    """Record a definition; its health starts anew if it is a new one (spec §7.4)."""
    status = HealthStatus.HEALTHY if step.type == StepType.SCRIPT else HealthStatus.UNKNOWN
    health = ReportHealth(
        node_id=conf.current().node, step_id=step.id, health=Health(status=status), at=command.at
    )
    with idempotency.transaction() as unit:
        unit.refer(step.id)
        changed = executor.execute_in_transaction(CATALOG, CATALOG_STREAM, command, at=command.at)
        if changed.envelopes:
            executor.execute_in_transaction(CLUSTER, CLUSTER_STREAM, health, at=command.at)


def _check_limits(
    flow_id: str,
    goals: Sequence[str],
    init: Mapping[str, Sequence[Any]],
    labels: Mapping[str, str],
) -> None:
    """Refuse in the order and words of the original (spec §2.7)."""
    broken = (
        (not flow_id, "flow ID empty", "/id"),
        (not ids.is_clean(flow_id), "flow ID contains invalid characters", "/id"),
        (
            len(flow_id.encode()) > ids.FLOW_ID_BYTES_MAX,
            f"flow ID too long: maximum is {ids.FLOW_ID_BYTES_MAX}",
            "/id",
        ),
        (not goals, "at least one goal step is required", "/goals"),
        (len(goals) > GOALS_MAX, f"too many goals: maximum is {GOALS_MAX}", "/goals"),
        (len(init) > INIT_KEYS_MAX, f"too many init keys: maximum is {INIT_KEYS_MAX}", "/init"),
        (len(labels) > LABELS_MAX, f"too many labels: maximum is {LABELS_MAX}", "/labels"),
    )
    for is_broken, message, pointer in broken:
        if is_broken:
            raise FlowInvalid(message, pointer=pointer)


def _start_command(
    flow_id: str,
    goals: Sequence[str],
    init: Mapping[str, list[Any]],
    labels: Mapping[str, str] | None,
    options: Mapping[str, Any] | None,
) -> asked.StartFlow:
    _check_limits(flow_id, goals, init, labels or {})
    plan = make_plan(engine.catalog(), goals, init, matches=LANGUAGES.matches)
    engine.health_of_late()
    return asked.StartFlow(plan=plan, init=init, labels=labels or {}, options=options or {})


def _begun(command: asked.StartFlow, flow_id: str, taken: Taken | None = None) -> Flow:
    """Start a flow that is thought to be new; if it is not, it must be the same."""
    try:
        with idempotency.transaction() as unit:
            unit.refer(flow_id)
            return engine.handle_in_transaction(flow_id, command, is_new=True, taken=taken).state
    except IntegrityError as error:
        if "flows_one_active_flow_per_concurrency_key" not in str(error):
            raise
        raise FlowBusy(command.options.get("concurrency_key", "")) from error
    except StreamMoved:
        with idempotency.transaction() as unit:
            unit.refer(flow_id)
            return _same(command, flow_id)


def _same(command: asked.StartFlow, flow_id: str) -> Flow:
    known = _found(flow_id)
    same_init = {name: list(values) for name, values in command.init.items() if values}
    if known.plan.goals != command.plan.goals or dict(known.init) != same_init:
        raise FlowExists(flow_id)
    return known


def _commanded(
    flow_id: str, command: asked.FlowCommand, expected_version: int | None = None
) -> Flow:
    with idempotency.transaction() as unit:
        _found(flow_id)
        unit.refer(flow_id)
        outcome = engine.handle_in_transaction(flow_id, command)
        # Compared under the stream's lock; a refusal takes everything back.
        check_version(expected_version, outcome.sequence - len(outcome.envelopes))
    return outcome.state


def _found(flow_id: str) -> Flow:
    found = engine.flow(flow_id)
    if found is None:
        raise FlowUnknown(flow_id)
    return found


def _downstream(plan: Plan, step_id: str) -> set[str]:
    """Return a step and all steps of the plan that need something it leads to."""
    reached, pending = set(), [step_id]
    while pending:
        current = pending.pop()
        if current in reached:
            continue
        reached.add(current)
        for name, _ in plan.steps[current].outputs():
            edges = plan.attributes.get(name)
            pending.extend(edges.consumers if edges else ())
    return reached
