"""The events of flows: those of Argyll, with its names and payloads, and our own."""

from typing import Any

from events import catalogue
from events.domain.envelope import Category

_TEXT = {"type": "string"}
_OBJECT = {"type": "object"}
_MAYBE_OBJECT = {"type": ["object", "null"]}
_ANY: dict[str, Any] = {}
_FLOW = {"flow_id": _TEXT}
_STEP = {**_FLOW, "step_id": _TEXT}
_WORK = {**_STEP, "token": _TEXT}
_RETRY = {**_WORK, "next_retry_at": _TEXT, "error": _TEXT, "retry_count": {"type": "integer"}}
_WHY = {"inputs": _MAYBE_OBJECT, "unsatisfied": {"type": "array", "items": _TEXT}}

# The words of an operator can be taken away, and an event cannot: they are at the entry.
_ENTRY = {"entry_id": _TEXT}


def _declare(
    name: str,
    meaning: str,
    required: dict[str, Any],
    optional: dict[str, Any] | None = None,
    *,
    stream: str = "flow",
    category: Category = Category.INTERNAL,
) -> None:
    catalogue.declare(
        name,
        category=category,
        meaning=meaning,
        stream=stream,
        schema={
            "type": "object",
            "properties": {**required, **(optional or {})},
            "required": sorted(required),
        },
    )


catalogue.declare_stream("flow", meaning="One flow, from its plan to its end.", read="flow.read")
catalogue.declare_stream("catalog", meaning="The registered steps.", read="step.read")
catalogue.declare_stream("cluster", meaning="The health of steps.", read="step.read")

catalogue.declare_stream("flow_start", meaning="Starts: triggers of flows.", read="flow.read")

_declare("step_registered", "A step joined the catalog.", {"step": _OBJECT}, stream="catalog")
_declare("step_updated", "A step has a new definition.", {"step": _OBJECT}, stream="catalog")
_declare("step_unregistered", "A step left the catalog.", {"step_id": _TEXT}, stream="catalog")
_declare(
    "step_health_changed",
    "A step became (un)healthy on a node.",
    {"node_id": _TEXT, "step_id": _TEXT, "status": _TEXT},
    {"error": _TEXT},
    stream="cluster",
)
_declare(
    "flow_started",
    "A flow began, with its whole plan.",
    {**_FLOW, "plan": _OBJECT, "init": _OBJECT},
    {"metadata": _OBJECT, "labels": _OBJECT, "options": _OBJECT},
    category=Category.DOMAIN,
)
_declare(
    "flow_completed",
    "Every goal is settled.",
    {**_FLOW, "result": _OBJECT},
    category=Category.DOMAIN,
)
_declare(
    "flow_failed",
    "A goal cannot be reached any more.",
    {**_FLOW, "error": _TEXT},
    category=Category.DOMAIN,
)
_declare("flow_deactivated", "Nothing of the flow can act any more.", {**_FLOW, "status": _TEXT})
_declare("flow_paused", "Nothing new starts.", {**_FLOW, "reason": _TEXT}, _ENTRY)
_declare("flow_resumed", "The flow was resumed.", _FLOW, _ENTRY)
_declare(
    "flow_cancelled",
    "The flow was cancelled, by an operator or its timeout.",
    {**_FLOW, "reason": _TEXT, "compensates": {"type": "boolean"}},
    _ENTRY,
)
_declare("step_forced", "Somebody says that a step is done.", {**_STEP, "reason": _TEXT}, _ENTRY)
_declare(
    "work_retry_requested",
    "An operator retried an item without waiting for its next attempt.",
    {**_WORK, "reason": _TEXT},
    _ENTRY,
)
_declare("flow_released", "The parent of a completed flow will not undo it.", _FLOW)
_declare("flow_compensation_started", "The parent of a completed flow has it undone.", _FLOW)
_declare("child_released", "The child flow of an item will not be undone, so it may end.", _WORK)
_declare("child_deactivated", "A child flow that was released has ended.", _WORK)
_declare(
    "step_started",
    "A step has all its inputs.",
    {**_STEP, "inputs": _OBJECT, "work_items": _OBJECT},
)
_declare(
    "step_completed",
    "A step is done.",
    {**_STEP, "outputs": _OBJECT},
    {"duration": {"type": "integer"}},
)
_declare("step_failed", "A step failed for good.", {**_STEP, "error": _TEXT}, _WHY)
_declare("step_skipped", "A step will not run.", {**_STEP, "reason": _TEXT}, {**_WHY, **_ENTRY})
_declare("attribute_set", "An attribute got a value.", {**_STEP, "key": _TEXT, "value": _ANY})
_declare("work_started", "One item is being worked on.", {**_WORK, "inputs": _OBJECT})
_declare("work_succeeded", "One item is done.", {**_WORK, "outputs": _MAYBE_OBJECT})
_declare("work_failed", "One item failed for good.", {**_WORK, "error": _TEXT})
_declare("work_not_completed", "One item did not work out this time.", {**_WORK, "error": _TEXT})
_declare("work_retry_scheduled", "One item is tried again later.", _RETRY)
_declare("dispatch_deferred", "No healthy worker for a step; later again.", _STEP)
_declare("comp_started", "One item is being undone.", _WORK)
_declare("comp_succeeded", "One item is undone.", _WORK)
_declare("comp_failed", "One item could not be undone.", {**_WORK, "error": _TEXT})
_declare("comp_retry_scheduled", "Undoing one item is tried again later.", _RETRY)

_START = {"name": _TEXT}
_declare(
    "flow_start.declared",
    "A start was declared.",
    {**_START, "goals": {"type": "array", "items": _TEXT}, "enabled": {"type": "boolean"}},
    {"cron": _TEXT, "tz": _TEXT, "event": _TEXT, "entry_id": _TEXT},
    stream="flow_start",
    category=Category.DOMAIN,
)
_declare(
    "flow_start.removed",
    "The start was removed.",
    _START,
    {"entry_id": _TEXT},
    stream="flow_start",
    category=Category.DOMAIN,
)
_declare(
    "flow_start.fired",
    "A start fired. The occasion is the id of an event, or a slot.",
    {**_START, "flow_id": _TEXT, "occasion": _TEXT, "entry_id": _TEXT},
    stream="flow_start",
    category=Category.DOMAIN,
)
_declare(
    "flow_start.paused",
    "The start is paused: its declarer lacks the permission, until an authorised user enables it.",
    {**_START, "reason": _TEXT, "declared_by": _TEXT},
    {"occasion": _TEXT, "entry_id": _TEXT},
    stream="flow_start",
    category=Category.DOMAIN,
)
_declare(
    "flow_start.refused",
    "A start could not start a flow.",
    {**_START, "flow_id": _TEXT, "reason": _TEXT},
    {"occasion": _TEXT, "code": _TEXT, "entry_id": _TEXT},
    stream="flow_start",
    category=Category.DOMAIN,
)
