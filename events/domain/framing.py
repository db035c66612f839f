"""The wire format of live clients: one JSON object per text frame.

`Framing` is the port, `DaybookFraming` our own protocol. Another protocol on the same feed
needs another `Framing` and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson

from events.domain import subscription
from events.domain.envelope import Envelope, Stream
from events.domain.subscription import BadMessage, Message

FrameParts = tuple[str, str]
"""The text of an event frame before and after the quoted `sub_id`."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateItem:
    """The state of an aggregate when the subscription began, with all events before `sequence`."""

    stream: Stream
    data: Any
    sequence: int


class Framing(Protocol):
    """A protocol on the feed. `None` means that nothing is sent."""

    def parse(self, raw: str) -> Message | None:
        """Read a client message.

        :raises BadMessage: if it is invalid and the client should be told.
        """

    def event(self, envelope: Envelope) -> FrameParts | None:
        """Write an event, all but the name of the subscription; called once per event."""

    def subscribed(
        self, *, sub_id: str, items: Sequence[StateItem] | None, position: int
    ) -> str | None: ...

    def unsubscribed(self, *, sub_id: str) -> str | None: ...

    def error(self, error: BadMessage) -> str | None: ...

    def heartbeat(self, *, position: int, after: int) -> str | None: ...

    def lagging(self, *, after: int) -> str | None: ...


class DaybookFraming:
    """The protocol of `/ws/events`."""

    def parse(self, raw: str) -> Message:
        return subscription.parse(raw)

    def event(self, envelope: Envelope) -> FrameParts:
        public = envelope.as_json()
        head = {"type": envelope.name}
        tail = {
            "id": envelope.stream,
            "data": envelope.data,
            "timestamp": (envelope.emitted_at - _EPOCH) // _MILLISECOND,
            "sequence": envelope.sequence,
            "position": envelope.position,
            "metadata": public["metadata"],
        }
        return f'{text(head)[:-1]},"sub_id":', f",{text(tail)[1:]}"

    def subscribed(self, *, sub_id: str, items: Sequence[StateItem] | None, position: int) -> str:
        return text(
            {
                "type": "subscribed",
                "sub_id": sub_id,
                "position": position,
                "items": None if items is None else [item_json(item) for item in items],
            }
        )

    def unsubscribed(self, *, sub_id: str) -> str:
        return text({"type": "unsubscribed", "sub_id": sub_id})

    def error(self, error: BadMessage) -> str:
        about = {} if error.sub_id is None else {"sub_id": error.sub_id}
        message = {"code": error.code, "detail": str(error), "hint": error.hint}
        return text({"type": "error", **message, **about})

    def heartbeat(self, *, position: int, after: int) -> str:
        return text({"type": "heartbeat", "position": position, "after": after})

    def lagging(self, *, after: int) -> str:
        return text({"type": "lagging", "after": after})


def item_json(item: StateItem) -> dict[str, Any]:
    """Return the public shape of a state item."""
    return {"id": item.stream, "data": item.data, "sequence": item.sequence}


def text(value: Any) -> str:
    """Write `value` as compact JSON."""
    return orjson.dumps(value).decode()
