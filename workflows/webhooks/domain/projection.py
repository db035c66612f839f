"""Projects an event to what may be sent out: the properties of its schema, nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

from events.domain.canonical import canonical
from events.domain.catalogue import EventType
from events.domain.envelope import Envelope
from events.domain.errors import Rejected

REDACTED = "[REDACTED]"


class NotForExport(Rejected):
    code = "webhook_event_not_external"
    hint = "Events are named whole: GET /api/v1/webhooks/subscriptions/events lists them."

    def __init__(self, name: str, *, near: Sequence[str] = (), pointer: str | None = None) -> None:
        says = f"No event called {name} is sent out"
        meant = f"; did you mean {' or '.join(near)}?" if near else "."
        super().__init__(f"{says}{meant}", pointer=pointer, name=name)


def is_external(event: EventType) -> bool:
    """Return whether `event` may be sent out. Without explicit properties it may not."""
    return event.external and bool(event.schema.get("properties"))


def message(envelope: Envelope, event: EventType) -> bytes:
    """Return the body of the message about `envelope`, under the contract of `event`.

    Equal envelopes have equal bytes, so a retry repeats the first message exactly.

    :raises NotForExport: if `event` is not external, or its schema names no properties.
    """
    if not is_external(event):
        raise NotForExport(event.name)
    public = envelope.as_json()
    metadata = {
        "eventId": envelope.event_id,
        "version": envelope.version,
        "correlationId": envelope.correlation_id,
        "causationId": envelope.causation_id,
    }
    return canonical(
        {
            "name": envelope.name,
            "data": _object(envelope.data, event.schema, frozenset(event.redacted), ""),
            "metadata": {key: value for key, value in metadata.items() if value is not None},
            "emittedAt": public["emittedAt"],
        }
    )


def _object(
    data: Mapping[str, Any], schema: Mapping[str, Any], redacted: frozenset[str], path: str
) -> dict[str, Any]:
    properties = schema.get("properties", {})
    kept = {}
    for name in properties.keys() & data.keys():
        here = f"{path}.{name}" if path else name
        if here in redacted or properties[name].get("writeOnly"):
            kept[name] = REDACTED
        elif _is_described(data[name], properties[name]):
            kept[name] = _value(data[name], properties[name], redacted, here)
    return kept


def _value(value: Any, schema: Mapping[str, Any], redacted: frozenset[str], path: str) -> Any:
    if isinstance(value, dict):
        return _object(value, schema, redacted, path)
    if isinstance(value, list):
        items = schema["items"]
        return [_value(item, items, redacted, path) for item in value if _is_described(item, items)]
    return value


def _is_described(value: Any, schema: Mapping[str, Any]) -> bool:
    # An object or a list without a description of what is in it could hold anything.
    if isinstance(value, dict):
        return isinstance(schema.get("properties"), dict)
    if isinstance(value, list):
        return isinstance(schema.get("items"), dict)
    return True
