"""The capabilities of flows."""

from ledger import capabilities

for _id, _meaning, _risk in (
    ("step.read", "See the registered steps and their health.", "low"),
    ("step.manage", "Register, change and remove steps.", "high"),
    ("flow.read", "See flows, their plans and their events.", "low"),
    ("flow.start", "Start flows.", "low"),
    ("flow.pause", "Pause and resume a flow.", "medium"),
    ("flow.cancel", "Cancel a flow, with or without compensation.", "high"),
    ("flow.intervene", "Skip, force or retry a step of a flow, or deliver its result.", "high"),
    ("flow.fork", "Start a copy of a flow from one of its steps.", "medium"),
    ("flow_start.manage", "Declare triggers that start flows in one's own name.", "high"),
):
    capabilities.declare(
        _id,
        meaning=_meaning,
        resource=_id.split(".")[0],
        action=_id.split(".")[1],
        risk=_risk,
    )
