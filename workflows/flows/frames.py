"""The language of Argyll's live clients on our feed (spec §3).

Its sequences begin at 0, its times are milliseconds, and what it does not understand it
passes over in silence.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from events.domain import strict_json, subscription
from events.domain.envelope import Envelope, Stream
from events.domain.errors import DomainError
from events.domain.framing import FrameParts, StateItem, text
from events.domain.subscription import MESSAGE_BYTES_MAX, BadMessage, Message, Unsubscribe

KINDS = ("catalog", "cluster", "flow")
"""The kinds of streams that its clients know. They are told of no others."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FILTERS = ("sub_id", "aggregate_ids", "event_types", "include_state")


class ArgyllFraming:
    """The protocol of `/engine/ws`."""

    def parse(self, raw: str) -> Message | None:
        """Read a client message; None for one that Argyll would pass over."""
        try:
            message = strict_json.loads(raw, bytes_max=MESSAGE_BYTES_MAX)
        except DomainError:
            return None
        if not isinstance(message, dict):
            return None
        fields = message.get("data")
        fields = fields if isinstance(fields, dict) else {}
        match message.get("type"):
            case "subscribe":
                return _subscribe(fields)
            case "unsubscribe":
                sub_id = fields.get("sub_id")
                return Unsubscribe(sub_id=sub_id if isinstance(sub_id, str) else "")
        return None

    def event(self, envelope: Envelope) -> FrameParts | None:
        if envelope.stream is None or envelope.stream[0] not in KINDS:
            return None
        assert envelope.sequence is not None, "the feed holds sequenced events only"
        tail = {
            "data": envelope.data,
            "id": envelope.stream,
            "timestamp": (envelope.emitted_at - _EPOCH) // _MILLISECOND,
            "sequence": envelope.sequence - 1,
        }
        return f'{text({"type": envelope.name})[:-1]},"sub_id":', f",{text(tail)[1:]}\n"

    def subscribed(self, *, sub_id: str, items: Sequence[StateItem] | None, position: int) -> str:
        found = None if items is None else [_item(item) for item in items]
        return _line({"type": "subscribed", "sub_id": sub_id, "items": found})

    def unsubscribed(self, *, sub_id: str) -> str:
        return _line({"type": "unsubscribed", **({"sub_id": sub_id} if sub_id else {})})

    def error(self, error: BadMessage) -> None:
        return None

    def heartbeat(self, *, position: int, after: int) -> None:
        return None

    def lagging(self, *, after: int) -> None:
        return None


def _subscribe(fields: Mapping[str, Any]) -> Message | None:
    known = {name: fields.get(name) for name in _FILTERS}
    # All streams are all that it has: ours has more, which would only be thrown away.
    known["aggregate_ids"] = _own(known["aggregate_ids"] or [[]])
    try:
        return subscription.subscribe_from(known)
    except BadMessage:
        return None


def _own(paths: Any) -> Any:
    if not isinstance(paths, list) or [] not in paths:
        return paths
    return [*(path for path in paths if path), *([kind] for kind in KINDS)]


def _item(item: StateItem) -> dict[str, Any]:
    return {"id": _path(item.stream), "data": item.data, "sequence": max(item.sequence - 1, 0)}


def _path(stream: Stream) -> list[str]:
    return list(stream)


def _line(value: Any) -> str:
    return text(value) + "\n"
