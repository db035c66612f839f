"""The commands of flows: actions that can be executed by name, through the same services."""

from typing import Any

from ledger import commands
from ledger.commands import Command
from workflows.flows import services
from workflows.flows.domain import ids

_TEXT = {"type": "string"}
_ID = {**_TEXT, "minLength": 1, "maxLength": ids.FLOW_ID_BYTES_MAX}


def _start(_target_id: str, asked: dict[str, Any]) -> str:
    return services.start_flow(flow_id=asked.pop("id"), **asked).id


commands.register(
    Command(
        name="flow.start",
        version=1,
        meaning="Start a flow for goals among the registered steps.",
        capability="flow.start",
        target_type="flow",
        input_schema={
            "type": "object",
            "properties": {
                "id": _ID,
                "goals": {"type": "array", "items": _TEXT, "minItems": 1},
                "init": {"type": "object", "additionalProperties": {"type": "array"}},
                "labels": {"type": "object", "additionalProperties": _TEXT},
            },
            "required": ["id", "goals", "init"],
            "additionalProperties": False,
        },
        state_of=lambda _target_id: None,
        run=_start,
        makes=True,
    )
)
