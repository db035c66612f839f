"""What operators do to steps and flows, as the ledger names it."""

from events.domain.principal import Principal
from ledger.domain.action import Action, Kind, Target
from workflows.flows.domain import ids


def on_step(verb: str, step_id: str, kind: Kind, *, reason: str = "") -> Action:
    """Return the action on a registered step."""
    return Action(
        name=f"step.{verb}",
        kind=kind,
        target=Target(type="step", id=ids.recorded_as(step_id)),
        capability="step.manage",
        reason=reason,
    )


def starting(flow_id: str, *, delegated_by: Principal | None = None) -> Action:
    """Return the action that starts a flow; `delegated_by` let it start in their absence."""
    return Action(
        name="flow.start",
        kind=Kind.CREATE,
        target=Target(type="flow", id=ids.recorded_as(flow_id)),
        capability="flow.start",
        delegated_by=delegated_by,
        workflow_run_id=ids.recorded_as(flow_id),
    )


def on_flow(
    verb: str,
    flow_id: str,
    *,
    capability: str = "flow.intervene",
    step_id: str = "",
    reason: str = "",
) -> Action:
    """Return the action on a flow, or on one of its steps."""
    return Action(
        name=f"flow.{verb}",
        kind=Kind.EXECUTE,
        target=Target(type="flow", id=ids.recorded_as(flow_id)),
        capability=capability,
        reason=reason,
        workflow_run_id=ids.recorded_as(flow_id),
        workflow_step_id=ids.recorded_as(step_id),
    )


def forking(flow_id: str, from_step: str, *, new_flow_id: str, reason: str) -> Action:
    """Return the action that makes a flow of another; its run and step are the other's."""
    return Action(
        name="flow.fork",
        kind=Kind.DUPLICATE,
        target=Target(type="flow", id=ids.recorded_as(new_flow_id)),
        capability="flow.fork",
        reason=reason,
        workflow_run_id=ids.recorded_as(flow_id),
        workflow_step_id=ids.recorded_as(from_step),
    )


def on_start(verb: str, name: str, *, reason: str = "") -> Action:
    """Return the action on the definition of when flows start."""
    return Action(
        name=f"flow_start.{verb}",
        kind=Kind.DELETE if verb == "remove" else Kind.UPDATE,
        target=Target(type="flow_start", id=name),
        capability="flow_start.manage",
        reason=reason,
    )


def pausing_start(name: str, *, declared_by: Principal, reason: str) -> Action:
    """Return the action by which a start ends that its declarer may not have any more."""
    return Action(
        name="flow_start.pause",
        kind=Kind.UPDATE,
        target=Target(type="flow_start", id=name),
        capability="flow.start",
        reason=reason,
        delegated_by=declared_by,
    )
