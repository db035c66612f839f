"""Drift checks of flows: which changes of starts need a ledger entry."""

from ledger.drift import DriftCheck, Mark, declare_check
from workflows.flows.models import FlowStart

declare_check(
    DriftCheck(
        name="flow_start_declared",
        rows=FlowStart.objects.all,
        mark=Mark(actions=("flow_start.declare",), target_type="flow_start"),
    )
)
declare_check(
    DriftCheck(
        name="flow_start_disabled",
        rows=lambda: FlowStart.objects.filter(enabled=False),
        mark=Mark(
            actions=("flow_start.disable", "flow_start.declare", "flow_start.pause"),
            target_type="flow_start",
        ),
    )
)
declare_check(
    DriftCheck(
        name="flow_start_paused",
        rows=lambda: FlowStart.objects.exclude(paused_because=""),
        mark=Mark(actions=("flow_start.pause",), target_type="flow_start"),
    )
)
