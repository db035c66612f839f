"""The services of steps and flows. One transaction each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils import timezone

from events import catalogue
from events.domain.catalogue import EventNotDeclared
from events.sourcing import executor
from ledger import recording
from ledger.domain.action import Action, Kind, Proof
from ledger.preconditions import Expected, check_version
from ledger.privacy import subjects
from workflows.flows import actions, beginning, conf
from workflows.flows.beginning import Wanted
from workflows.flows.domain import commands as asked
from workflows.flows.domain import limits, own_types
from workflows.flows.domain import start as starting
from workflows.flows.domain.catalog import (
    RegisterStep,
    UnregisterStep,
    UpdateStep,
    check_fits,
)
from workflows.flows.domain.cluster import Health, HealthStatus, ReportHealth
from workflows.flows.domain.errors import StepInvalid
from workflows.flows.domain.flow import FORKED_AT, Flow
from workflows.flows.domain.fork import fork_of
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.planner import make_plan
from workflows.flows.domain.step import Step, StepType, WorkConfig
from workflows.flows.domain.validation import validate
from workflows.flows.execution import engine
from workflows.flows.execution.aggregates import CATALOG, CATALOG_STREAM, CLUSTER, CLUSTER_STREAM
from workflows.flows.languages import compile_script
from workflows.flows.languages.in_place import InPlace
from workflows.work import liveness, runner
from workflows.work.handover import TakenWork

BY_OPERATOR = "by an operator"
"""All that events say of why; the words stand at the entry that they name."""


def register_step(*, step: Step) -> Step:
    """Add a step to the catalog and return it as stored; an equal one changes nothing.

    :raises StepInvalid: if the definition breaks a rule, alone or beside the other steps.
    :raises StepExists: if another definition has that id.
    """
    stored = _checked(step)
    command = RegisterStep(step=stored, at=timezone.now())
    action = actions.on_step("register", step.id, Kind.CREATE, definition=stored)
    with recording.recorded(action) as proof:
        _change_catalog(command, proof)
    return stored


def update_step(*, step: Step, expected_version: Expected | None = None) -> Step:
    """Replace a step in the catalog. What is under way keeps the definition it has.

    :raises StepInvalid: as above.
    :raises StepUnknown: if there is no such step.
    :raises VersionMoved: if its definition is not of the revision that is expected.
    """
    stored = _checked(step)
    command = UpdateStep(step=stored, at=timezone.now())
    action = actions.on_step("update", step.id, Kind.UPDATE, definition=stored)
    with recording.recorded(action) as proof:
        _change_catalog(command, proof, expected_version)
    return stored


def update_step_in_part(*, step: Step, keeping: Collection[str]) -> Step:
    """Replace a step as `update_step` does, except for these fields of its `Http`.

    A client that cannot express what an operator set must not take it away by its silence.

    :raises VersionMoved: if it was changed since what is to be kept was read.
    """
    catalog = engine.catalog()
    known = catalog.steps.get(step.id)
    if known is None:
        return update_step(step=step)
    return update_step(
        step=step.keeping(keeping, of=known), expected_version=catalog.revisions[step.id]
    )


def check_step(*, step: Step) -> Step:
    """Return a step as it would be stored, if it may be. Changes nothing.

    :raises StepInvalid: if the definition breaks a rule, alone or beside the other steps.
    """
    stored = _checked(step)
    check_fits(engine.catalog(), stored)
    return stored


def unregister_step(
    *, step_id: str, reason: str = "", expected_version: Expected | None = None
) -> None:
    """Take a step out of the catalog. Raises as `update_step` does."""
    command = UnregisterStep(step_id=step_id, at=timezone.now())
    with recording.recorded(actions.on_step("unregister", step_id, Kind.DELETE, reason=reason)):
        left = executor.execute_in_transaction(CATALOG, CATALOG_STREAM, command, at=command.at)
        check_version(expected_version, left.state.revisions[step_id])


def report_health(*, step_id: str, health: Health) -> None:
    """Record the health of a step on this node. Only a change is recorded."""
    command = ReportHealth(
        node_id=conf.current().node, step_id=step_id, health=health, at=timezone.now()
    )
    executor.execute(CLUSTER, CLUSTER_STREAM, command, at=command.at)


def preview_plan(*, goals: Sequence[str], init: Mapping[str, Sequence[Any]]) -> Plan:
    """Show what a flow with these goals would do, and what it lacks. Changes nothing.

    :raises FlowInvalid: if there is no goal.
    :raises GoalsUnknown: if a goal is not registered.
    """
    return make_plan(engine.catalog(), goals, init, matches=InPlace().matches, is_preview=True)


def start_flow(
    *,
    flow_id: str,
    goals: Sequence[str],
    init: Mapping[str, list[Any]],
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    steps: Sequence[Step] = (),
) -> Flow:
    """Start a flow; the same id with the same goals and init is the same flow.

    With `steps` it brings its own, which the catalog need not have: a flow that the code of
    an app defines. `options`: `timeout_ms`, `compensate` (undo completed steps if the flow
    fails) and `concurrency_key` (one active flow per key).

    :raises FlowInvalid: if the request breaks a limit or a required input is missing.
    :raises GoalsUnknown: if a goal is not registered.
    :raises FlowExists: if the id is taken by a flow with other goals or another init.
    :raises FlowBusy: if another flow holds the concurrency key.
    :raises DelegationEnded, OutOfReach, BudgetExceeded: of an agent, as `recording` says.
    """
    wanted = Wanted(
        flow_id=flow_id, goals=goals, init=init, labels=labels or {}, options=options or {}
    )
    if steps:
        return beginning.start_with(wanted, [_checked(step) for step in steps])
    return beginning.start(wanted)


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
    continue from the last commit. Not within a transaction.
    """
    taken = TakenWork(worker=liveness.name("inline"))
    wanted = Wanted(
        flow_id=flow_id, goals=goals, init=init, labels=labels or {}, options=options or {}
    )
    started = beginning.start(wanted, taken=taken)
    if taken.claim is None:
        return started
    runner.run([taken.claim], to_the_end=True)
    return engine.flow_last_seen(flow_id) or started


def start_child(
    *, flow_id: str, plan: Plan, init: Mapping[str, Any], parent: Flow, **ids_: str
) -> None:
    """Start the flow of one work item of a flow step, in the caller's transaction.

    Starting it again changes nothing. It is compensated as its parent is.

    :raises FlowInvalid: if the child's required inputs are not there.
    """
    metadata = {**parent.metadata, "parent_flow_id": parent.id, **ids_}
    command = asked.StartFlow(
        plan=plan,
        init={name: [value] for name, value in init.items()},
        metadata=metadata,
        options={"compensate": True} if parent.asks_for_compensation else {},
    )
    if engine.flow(flow_id) is None:
        engine.handle_in_transaction(flow_id, command)


def pause_flow(*, flow_id: str, reason: str, expected_version: Expected | None = None) -> Flow:
    """Pause a flow: none of its steps starts any more, and results are still recorded. Its child
    flows go on: each is paused by itself.

    :raises FlowUnknown: if there is no such flow.
    :raises FlowSettled: if its outcome is known.
    :raises VersionMoved: if it is not at the sequence that is expected.
    """
    action = actions.on_flow("pause", flow_id, capability="flow.pause", reason=reason)
    return _commanded(action, flow_id, asked.PauseFlow(reason=BY_OPERATOR), expected_version)


def resume_flow(
    *, flow_id: str, reason: str = "", expected_version: Expected | None = None
) -> Flow:
    """Resume a paused flow. Raises as `pause_flow` does."""
    action = actions.on_flow("resume", flow_id, capability="flow.pause", reason=reason)
    return _commanded(action, flow_id, asked.ResumeFlow(), expected_version)


def cancel_flow(
    *,
    flow_id: str,
    reason: str,
    compensates: bool | None = None,
    expected_version: Expected | None = None,
) -> Flow:
    """End a flow; with `compensates` undo what its steps did, the last first.

    If `compensates` is None, the option that the flow was started with decides.
    Raises as `pause_flow` does.
    """
    if compensates is None:
        compensates = beginning.found(flow_id).asks_for_compensation
    action = actions.on_flow(
        "cancel",
        flow_id,
        capability="flow.cancel",
        reason=reason,
        asked={"compensates": compensates},
    )
    command = asked.CancelFlow(reason=BY_OPERATOR, compensates=compensates)
    how = "Undoing what it did." if compensates else "Leaving what it did."
    return _commanded(action, flow_id, command, expected_version, says=how)


def skip_step(
    *, flow_id: str, step_id: str, reason: str, expected_version: Expected | None = None
) -> Flow:
    """Skip a step that is pending or active.

    Of a flow whose outcome is known, do not wait any more for the callbacks of a step.

    :raises StepSettled: if it is neither.
    """
    action = actions.on_flow("skip_step", flow_id, step_id=step_id, reason=reason)
    command = asked.SkipStep(step_id=step_id, reason=BY_OPERATOR)
    return _commanded(action, flow_id, command, expected_version)


def force_step(
    *,
    flow_id: str,
    step_id: str,
    outputs: Mapping[str, Any],
    reason: str = "",
    expected_version: Expected | None = None,
) -> Flow:
    """Complete a pending or active step by hand, with the given outputs. Raises as `skip_step`.

    :raises OutputsInvalid: if the step does not declare so.
    """
    given = subjects.fingerprint_of(outputs, of=f"flow/{flow_id}/{step_id}")
    asked_with = {"names": sorted(outputs), "outputs": given}
    action = actions.on_flow(
        "force_step", flow_id, step_id=step_id, reason=reason, asked=asked_with
    )
    command = asked.ForceStep(step_id=step_id, outputs=outputs, reason=BY_OPERATOR)
    gave = f"Gave {', '.join(sorted(outputs)) or 'nothing'}."
    return _commanded(action, flow_id, command, expected_version, says=gave)


def retry_now(
    *,
    flow_id: str,
    step_id: str,
    token: str,
    reason: str = "",
    expected_version: Expected | None = None,
) -> Flow:
    """Retry one work item, or its compensation, now instead of later; also of a paused flow.

    :raises NothingToRetry: if it waits for no retry.
    """
    item = {"item": subjects.fingerprint_of(token, of=f"flow/{flow_id}/{step_id}")}
    action = actions.on_flow("retry_work", flow_id, step_id=step_id, reason=reason, asked=item)
    command = asked.RetryNow(step_id=step_id, token=token, reason=BY_OPERATOR)
    return _commanded(action, flow_id, command, expected_version)


def fork_flow(
    *,
    flow_id: str,
    new_flow_id: str,
    from_step: str,
    init: Mapping[str, list[Any]] | None = None,
    reason: str = "",
) -> Flow:
    """Start a flow anew from `from_step`, with the plan and the earlier results of `flow_id`.

    `init` replaces values: see `fork_of` for what is kept and what runs again. The original
    is not changed. The same fork again is the same flow.

    :raises FlowUnknown: if there is no such flow.
    :raises FlowInvalid: if the new id, the step or an edited name cannot be.
    :raises FlowExists: if the new id is taken by another flow.
    """
    original = beginning.found(flow_id)
    fork = fork_of(original, from_step, init or {})
    limits.check_start(new_flow_id, original.plan.goals, fork.init, original.labels)
    options = {**original.options, "forked_from": original.id, FORKED_AT: from_step}
    command = asked.StartFlow(
        plan=original.plan,
        init=fork.init,
        labels=original.labels,
        options=options,
        inherited=fork.inherited,
        left_out=fork.left_out,
        metadata={name: kept for name, kept in original.metadata.items() if name == starting.CHAIN},
    )
    action = actions.forking(
        flow_id, from_step, new_flow_id=new_flow_id, command=command, reason=reason
    )
    edited = f", with {', '.join(sorted(init))} edited" if init else ""
    says = f"Forked from {flow_id} at {from_step}{edited}."
    return beginning.begin(new_flow_id, command, action, says=says)


def _checked(step: Step) -> Step:
    # Argyll fills in the work defaults first, so its rules see them too.
    merged = (step.work_config or WorkConfig()).merged(conf.current().retry)
    stored = replace(step, work_config=merged)
    validate(stored, compile_script=compile_script)
    if event := own_types.event_of(stored):
        # Nothing would ever provide it, and the flow would wait forever.
        try:
            catalogue.get(event)
        except EventNotDeclared as unknown:
            raise StepInvalid(str(unknown), pointer="/wait/event") from unknown
    return stored


def _change_catalog(
    command: RegisterStep | UpdateStep, proof: Proof, expected_version: Expected | None = None
) -> None:
    """Record a definition; its health starts anew if it is a new one."""
    step = command.step
    changed = executor.execute_in_transaction(CATALOG, CATALOG_STREAM, command, at=command.at)
    check_version(expected_version, changed.state.revisions[step.id] - changed.count)
    if not changed.count:
        proof.changes_nothing()
        return
    status = HealthStatus.HEALTHY if step.type == StepType.SCRIPT else HealthStatus.UNKNOWN
    health = ReportHealth(
        node_id=conf.current().node, step_id=step.id, health=Health(status=status), at=command.at
    )
    executor.execute_in_transaction(CLUSTER, CLUSTER_STREAM, health, at=command.at)


def _commanded(
    action: Action,
    flow_id: str,
    command: asked.OperatorCommand,
    expected_version: Expected | None,
    *,
    says: str = "",
) -> Flow:
    with recording.recorded(action) as proof:
        beginning.found(flow_id)
        command = replace(command, entry_id=str(proof.entry_id))
        outcome = engine.handle_in_transaction(flow_id, command)
        # Compared under the stream's lock; a refusal takes everything back.
        check_version(expected_version, outcome.sequence - outcome.count)
        if not outcome.count:
            proof.changes_nothing()
        proof.says(says)
    return outcome.state
