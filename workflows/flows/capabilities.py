"""The capabilities of flows."""

from ledger import capabilities

for _id, _meaning, _risk in (
    ("step.read", "See the registered steps and their health.", "low"),
    ("step.manage", "Register, change and remove steps.", "high"),
    ("flow.read", "See flows, their plans and their events.", "low"),
    ("flow.start", "Start flows.", "low"),
    ("flow.pause", "Hold a flow and let it go on.", "medium"),
    ("flow.cancel", "End a flow before its time, with or without undoing.", "high"),
    ("flow.intervene", "Skip, force or retry a step of a flow.", "high"),
    ("flow.fork", "Start a flow anew from one of its steps.", "medium"),
    ("flow_start.manage", "Say when flows start by themselves, in one's own name.", "high"),
):
    capabilities.declare(
        _id,
        meaning=_meaning,
        resource=_id.split(".")[0],
        action=_id.split(".")[1],
        risk=_risk,
    )
