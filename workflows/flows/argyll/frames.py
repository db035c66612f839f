"""The WebSocket protocol of Argyll's live clients on our feed.

Its sequences begin at 0, its times are milliseconds, and it silently ignores messages that it
does not understand.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from events.domain import streams
from events.domain.catalogue import is_name
from events.domain.envelope import Envelope, Stream
from events.domain.framing import FrameParts, StateItem, text
from events.domain.streams import StreamMalformed, StreamTooLong
from events.domain.subscription import (
    FILTER_ENTRIES_MAX,
    SUB_ID_CHARS_MAX,
    BadMessage,
    Message,
    Subscribe,
    Unsubscribe,
    minimal,
)
from workflows.flows.domain import decoder, shapes
from workflows.flows.domain.digits import has_exponents, in_digits

KINDS = ("catalog", "cluster", "flow")
"""The kinds of streams that its clients know, and the only ones they receive."""

STREAMS_MAX = 1_000
"""In one subscription, as many flows as one query lists; fewer if their states are wanted."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MEMBERS = ("sub_id", "aggregate_ids", "event_types", "include_state")
_MESSAGE = shapes.Struct(
    "Message",
    {
        "type": shapes.TEXT,
        "data": shapes.Struct("Data", dict.fromkeys(_MEMBERS, shapes.ANYTHING)),
    },
)
"""For the names of members alone: what has another type is passed over, not refused."""


class ArgyllFraming:
    """The protocol of `/engine/ws`."""

    def parse(self, raw: str) -> Message | None:
        """Read a client message; None for one that Argyll would pass over."""
        try:
            message = decoder.only_value(raw.encode(errors="replace"))
        except decoder.Undecodable:
            return None
        message = shapes.in_their_case(message, _MESSAGE)
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
        return f'{text({"type": envelope.name})[:-1]},"sub_id":', f",{_text_of(tail)[1:]}\n"

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
    sub_id, with_state = fields.get("sub_id"), fields.get("include_state")
    paths, names = (
        [] if filters is None else filters
        for filters in (fields.get("aggregate_ids"), fields.get("event_types"))
    )
    is_named = isinstance(sub_id, str) and 0 < len(sub_id) <= SUB_ID_CHARS_MAX
    most = FILTER_ENTRIES_MAX if with_state else STREAMS_MAX
    if not (is_named and isinstance(with_state, bool | None) and _texts(names)):
        return None
    if not _paths(paths, most):
        return None
    aggregates = tuple(tuple(path) for path in paths if _is_possible(path))
    wanted = tuple(name for name in names if is_name(name))
    return Subscribe(
        sub_id=str(sub_id),
        aggregates=aggregates,
        # A filter of which nothing is left would let everything pass.
        prefixes=(_NO_STREAM,) if paths and not aggregates else minimal(_own(aggregates)),
        patterns=(_NO_EVENT,) if names and not wanted else wanted,
        include_state=bool(with_state),
    )


_NO_STREAM, _NO_EVENT = ("nothing",), "nothing.ever"


def _texts(value: Any) -> bool:
    is_list = isinstance(value, list) and len(value) <= FILTER_ENTRIES_MAX
    return is_list and all(isinstance(item, str) for item in value)


def _paths(value: Any, most: int) -> bool:
    is_list = isinstance(value, list) and len(value) <= most
    return is_list and all(isinstance(path, list) and _texts(path) for path in value)


def _is_possible(path: Sequence[str]) -> bool:
    try:
        return not path or bool(streams.key_of(tuple(path)))
    except (StreamMalformed, StreamTooLong):
        return False


def _own(paths: tuple[Stream, ...]) -> list[Stream]:
    """Return the paths; all streams are all that Argyll has, and ours has more."""
    if paths and () not in paths:
        return [*paths]
    return [*filter(None, paths), *((kind,) for kind in KINDS)]


def _item(item: StateItem) -> dict[str, Any]:
    return {"id": list(item.stream), "data": item.data, "sequence": max(item.sequence - 1, 0)}


def _line(value: Any) -> str:
    return _text_of(value) + "\n"


def _text_of(value: Any) -> str:
    written = text(value)
    return text(in_digits(value)) if has_exponents(written) else written
