"""The ledger actions of operators on steps and flows."""

from collections.abc import Mapping
from typing import Any

from events.domain.principal import Principal
from ledger.domain.action import Action, Kind, Target
from ledger.privacy import subjects
from workflows.flows.domain import ids
from workflows.flows.domain.commands import StartFlow
from workflows.flows.domain.step import Step


def on_step(
    verb: str, step_id: str, kind: Kind, *, reason: str = "", definition: Step | None = None
) -> Action:
    """Return the action on a registered step; `definition` is what it is to be."""
    return Action(
        name=f"step.{verb}",
        kind=kind,
        target=Target(type="step", id=ids.recorded_as(step_id)),
        capability="step.manage",
        reason=reason,
        input=_terms_of_step(definition) if definition else {},
    )


def starting(
    flow_id: str, command: StartFlow | None = None, *, delegated_by: Principal | None = None
) -> Action:
    """Return the action that starts a flow; `delegated_by` let it start in their absence.

    Without the `command` there is nothing to do: then no approval is requested.
    """
    return Action(
        name="flow.start",
        kind=Kind.CREATE,
        target=Target(type="flow", id=ids.recorded_as(flow_id)),
        capability="flow.start",
        input={"id": flow_id, **(_asked_by(command, of=flow_id) if command else {})},
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
    asked: Mapping[str, Any] | None = None,
) -> Action:
    """Return the action on a flow, or on one of its steps."""
    return Action(
        name=f"flow.{verb}",
        kind=Kind.EXECUTE,
        target=Target(type="flow", id=ids.recorded_as(flow_id)),
        capability=capability,
        reason=reason,
        input={**({"step_id": step_id} if step_id else {}), **(asked or {})},
        workflow_run_id=ids.recorded_as(flow_id),
        workflow_step_id=ids.recorded_as(step_id),
    )


def forking(
    flow_id: str, from_step: str, *, new_flow_id: str, command: StartFlow, reason: str
) -> Action:
    """Return the action that makes a flow of another; its run and step are the other's."""
    return Action(
        name="flow.fork",
        kind=Kind.DUPLICATE,
        target=Target(type="flow", id=ids.recorded_as(new_flow_id)),
        capability="flow.fork",
        reason=reason,
        input={
            "flow_id": flow_id,
            "from_step": from_step,
            "id": new_flow_id,
            **_asked_by(command, of=new_flow_id),
        },
        workflow_run_id=ids.recorded_as(flow_id),
        workflow_step_id=ids.recorded_as(from_step),
    )


def on_start(
    verb: str, name: str, *, reason: str = "", asked: Mapping[str, Any] | None = None
) -> Action:
    """Return the action on the definition of when flows start."""
    return Action(
        name=f"flow_start.{verb}",
        kind=Kind.DELETE if verb == "remove" else Kind.UPDATE,
        target=Target(type="flow_start", id=name),
        capability="flow_start.manage",
        reason=reason,
        input=asked or {},
    )


def pausing_start(name: str, *, declared_by: Principal, reason: str) -> Action:
    """Return the action that pauses a start because its declarer may not start flows any more."""
    return Action(
        name="flow_start.pause",
        kind=Kind.UPDATE,
        target=Target(type="flow_start", id=name),
        capability="flow.start",
        reason=reason,
        delegated_by=declared_by,
    )


def _terms_of_step(step: Step) -> dict[str, Any]:
    """Return what an approval says of a definition, and is bound to: all of it, but its
    addresses, defaults and constants may hold secrets."""
    return {
        "id": step.id,
        "name": step.name,
        "type": step.type,
        "attributes": {name: spec and spec.role for name, spec in step.attributes.items()},
        "script": step.script and step.script.text,
        "definition": subjects.fingerprint_of(step.as_json(), of=f"step/{step.id}"),
    }


def _asked_by(command: StartFlow, *, of: str) -> dict[str, Any]:
    """Return what an approval says of a flow, and is bound to: its values may be personal.

    With the plan it is bound to the steps as they are then.
    """
    whole = [command.init, command.inherited, command.plan.stored, *command.left_out]
    return {
        "goals": command.plan.goals,
        "names": sorted(command.init),
        "labels": command.labels,
        "options": command.options,
        "values": subjects.fingerprint_of(whole, of=f"flow/{of}"),
    }
