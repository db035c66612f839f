"""The messages of a live client, and which events match its subscriptions.

Permissions, and where the events come from, are decided elsewhere.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from events.domain import patterns, streams, strict_json
from events.domain.envelope import Stream
from events.domain.errors import Rejected
from events.domain.patterns import PatternMalformed
from events.domain.streams import StreamMalformed, StreamTooLong
from events.domain.strict_json import JsonMalformed, JsonTooLarge

MESSAGE_BYTES_MAX = 64 * 1024
SUB_ID_CHARS_MAX = 200
FILTER_ENTRIES_MAX = 200
POSITION_MAX = 2**53 - 1

_SUBSCRIBE_FIELDS = frozenset({"sub_id", "aggregate_ids", "event_types", "include_state", "after"})
_UNSUBSCRIBE_FIELDS = frozenset({"sub_id"})


class BadMessage(Rejected):
    """The client sent an invalid message. The socket and its subscriptions stay open."""

    def __init__(self, message: str, *, sub_id: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.sub_id = sub_id


class MessageTooLarge(BadMessage):
    code = "message_too_large"
    hint: ClassVar[str] = "Split the filters over several subscriptions."

    def __init__(self) -> None:
        super().__init__(f"The message has more than {MESSAGE_BYTES_MAX} bytes.")


class MessageNotText(BadMessage):
    code = "message_not_text"
    hint: ClassVar[str] = "Send one JSON object per text frame."

    def __init__(self) -> None:
        super().__init__("The message is a binary frame.")


class MessageNotJson(BadMessage):
    code = "message_not_json"
    hint: ClassVar[str] = "Send one JSON object per text frame."

    def __init__(self, why: str) -> None:
        super().__init__(why)


class MessageTypeUnknown(BadMessage):
    code = "message_type_unknown"
    hint: ClassVar[str] = 'Send "subscribe" or "unsubscribe" as `type`.'

    def __init__(self, sub_id: str | None) -> None:
        super().__init__("The type of the message is unknown.", sub_id=sub_id)


class FieldUnknown(BadMessage):
    code = "field_unknown"
    hint = "docs/websocket.md lists the fields of each message."

    def __init__(self, sub_id: str | None, names: Iterable[str]) -> None:
        listed = ", ".join(sorted(names)[:5])
        super().__init__(f"The message has unknown fields: {listed}.", sub_id=sub_id)


class FieldsSplit(BadMessage):
    code = "fields_split"
    hint = "Put them all beside `type`, or all inside `data`."

    def __init__(self, sub_id: str | None, names: Iterable[str]) -> None:
        listed = ", ".join(sorted(names)[:5])
        super().__init__(f"The message has fields beside its `data`: {listed}.", sub_id=sub_id)


class SubIdInvalid(BadMessage):
    code = "sub_id_invalid"
    hint: ClassVar[str] = "Name every subscription; the name comes back in each of its frames."

    def __init__(self) -> None:
        super().__init__(f"`sub_id` must be a text of 1 to {SUB_ID_CHARS_MAX} characters.")


class FilterInvalid(BadMessage):
    code = "filter_invalid"
    hint = "docs/websocket.md describes filters."

    def __init__(self, sub_id: str, why: str) -> None:
        super().__init__(why, sub_id=sub_id)


class AfterInvalid(BadMessage):
    code = "after_invalid"
    hint: ClassVar[str] = "Send the last `position` that you have processed, or 0 for everything."

    def __init__(self, sub_id: str) -> None:
        super().__init__(f"`after` must be a whole number from 0 to {POSITION_MAX}.", sub_id=sub_id)


class AfterInFuture(BadMessage):
    code = "after_in_future"
    hint: ClassVar[str] = "Is this position from another installation? Start again from 0."

    def __init__(self, sub_id: str, *, after: int, head: int) -> None:
        super().__init__(
            f"`after` is {after}, but the log ends at {head}.",
            sub_id=sub_id,
            after=after,
            head=head,
        )


class TooManySubscriptions(BadMessage):
    code = "too_many_subscriptions"
    hint: ClassVar[str] = "Unsubscribe some, put several prefixes in one, or open another socket."

    def __init__(self, sub_id: str, *, limit: int) -> None:
        super().__init__(f"This socket has its {limit} subscriptions.", sub_id=sub_id, limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """A subscription to events. `prefixes` is minimal: no prefix covers another.

    `aggregates` are the id paths as they were sent, for the state that goes with them.
    Without prefixes every stream matches, without names every event. A name may be a
    pattern: `invoice.*`.
    """

    sub_id: str
    aggregates: tuple[Stream, ...] = ()
    prefixes: tuple[Stream, ...] = ()
    patterns: tuple[str, ...] = ()
    include_state: bool = False
    after: int | None = None

    def matches(self, stream: Stream, name: str) -> bool:
        """Return whether an event `name` of `stream` was asked for."""
        return self.wants_name(name) and self.wants_stream(stream)

    def wants_stream(self, stream: Stream) -> bool:
        """Return whether `stream` lies under one of the prefixes."""
        return not self.prefixes or any(covers(prefix, stream) for prefix in self.prefixes)

    def wants_name(self, name: str) -> bool:
        """Return whether `name` is among the patterns."""
        return not self.patterns or any(
            patterns.matches(pattern, name) for pattern in self.patterns
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    sub_id: str


Message = Subscribe | Unsubscribe


def parse(raw: str) -> Message:
    """Read one client message. The fields stand beside `type`, or together inside `data`.

    :raises BadMessage: if it makes no sense.
    """
    message = _object(raw)
    kind = message.get("type")
    fields = _fields_of(message)
    if kind == "subscribe":
        return subscribe_from(_only(fields, _SUBSCRIBE_FIELDS))
    if kind == "unsubscribe":
        return Unsubscribe(sub_id=_sub_id(_only(fields, _UNSUBSCRIBE_FIELDS)))
    raise MessageTypeUnknown(_named(fields))


def subscribe_from(fields: Mapping[str, Any]) -> Subscribe:
    """Check the fields of a subscription.

    :raises BadMessage: if one of them is not what it should be.
    """
    sub_id = _sub_id(fields)
    aggregates = _paths(sub_id, fields.get("aggregate_ids"))
    return Subscribe(
        sub_id=sub_id,
        aggregates=aggregates,
        prefixes=minimal(aggregates),
        patterns=_patterns(sub_id, fields.get("event_types")),
        include_state=_flag(sub_id, fields.get("include_state")),
        after=_after(sub_id, fields.get("after")),
    )


def covers(prefix: Stream, stream: Stream) -> bool:
    """Return whether `stream` lies at or under `prefix`."""
    return stream[: len(prefix)] == prefix


def minimal(prefixes: Iterable[Stream]) -> tuple[Stream, ...]:
    """Drop every prefix that another one covers. The empty path covers all: nothing is left."""
    kept: list[Stream] = []
    for prefix in sorted(set(prefixes)):
        # Sorted, a path comes right after those that can cover it.
        if not (kept and covers(kept[-1], prefix)):
            kept.append(prefix)
    return () if kept[:1] == [()] else tuple(kept)


def _object(raw: str) -> dict[str, Any]:
    try:
        message = strict_json.loads(raw, bytes_max=MESSAGE_BYTES_MAX)
    except JsonTooLarge as error:
        raise MessageTooLarge from error
    except JsonMalformed as error:
        raise MessageNotJson(str(error)) from error
    if not isinstance(message, dict):
        raise MessageNotJson("The message must be an object.")
    return message


def _fields_of(message: dict[str, Any]) -> dict[str, Any]:
    fields = message.get("data")
    if not isinstance(fields, dict):
        return message
    # An `after` that is ignored would lose events.
    if beside := message.keys() - {"type", "data"}:
        raise FieldsSplit(_named(fields), beside)
    return fields


def _only(fields: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    # A misspelt filter would otherwise quietly mean "everything".
    unknown = fields.keys() - known - {"type"}
    if unknown:
        raise FieldUnknown(_named(fields), unknown)
    return fields


def _named(fields: Mapping[str, Any]) -> str | None:
    sub_id = fields.get("sub_id")
    return sub_id if isinstance(sub_id, str) and len(sub_id) <= SUB_ID_CHARS_MAX else None


def _sub_id(fields: Mapping[str, Any]) -> str:
    sub_id = _named(fields)
    if not sub_id:
        raise SubIdInvalid
    return sub_id


def _paths(sub_id: str, value: Any) -> tuple[Stream, ...]:
    paths = _entries(sub_id, "aggregate_ids", value)
    return tuple(_path(sub_id, path) for path in paths)


def _path(sub_id: str, value: Any) -> Stream:
    if not isinstance(value, list) or not all(isinstance(element, str) for element in value):
        raise FilterInvalid(sub_id, "Each of `aggregate_ids` must be a list of texts.")
    path = tuple(value)
    try:
        if path:
            streams.key_of(path)
    except (StreamMalformed, StreamTooLong) as error:
        raise FilterInvalid(sub_id, f"`aggregate_ids`: {error}") from error
    return path


def _patterns(sub_id: str, value: Any) -> tuple[str, ...]:
    return tuple(_pattern(sub_id, name) for name in _entries(sub_id, "event_types", value))


def _pattern(sub_id: str, value: Any) -> str:
    if not isinstance(value, str):
        raise FilterInvalid(sub_id, "`event_types` must hold texts only.")
    try:
        return patterns.checked(value)
    except PatternMalformed as error:
        raise FilterInvalid(sub_id, f"`event_types`: {error}") from error


def _entries(sub_id: str, field: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > FILTER_ENTRIES_MAX:
        raise FilterInvalid(
            sub_id, f"`{field}` must be a list of up to {FILTER_ENTRIES_MAX} entries."
        )
    return value


def _flag(sub_id: str, value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise FilterInvalid(sub_id, "`include_state` must be true or false.")
    return bool(value)


def _after(sub_id: str, value: Any) -> int | None:
    if value is None:
        return None
    # bool is an int to Python, and never a position.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= POSITION_MAX:
        raise AfterInvalid(sub_id)
    return value
