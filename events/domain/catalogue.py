"""What a declared event type is, and what it asks of a name and of data."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jsonschema

from events.domain.envelope import Category
from events.domain.errors import Rejected
from events.domain.schema import NotCompilable, compiled, faults

NAME_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_-]*)+$|^[a-z][a-z0-9]*(_[a-z0-9]+)+$"
"""`invoice.settled`, `catalog.booking-session.created`; and `flow_started` for a journal."""
NAME_CHARS_MAX = 120

_NAME = re.compile(NAME_PATTERN)


class EventNameMalformed(Rejected):
    code = "event_name_malformed"
    hint = "Use resource.past_tense in lower case: invoice.settled."

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is no event name.", name=name)


class EventNotDeclared(Rejected):
    code = "event_not_declared"
    hint = "Declare it in the catalogue.py of the app that emits it."

    def __init__(self, name: str, near: Sequence[str] = ()) -> None:
        says = f"No event called {name} is declared"
        super().__init__(
            f"{says}; did you mean {' or '.join(near)}?" if near else f"{says}.", name=name
        )


class EventDataInvalid(Rejected):
    code = "event_data_invalid"
    hint = "docs/events.md shows the schema of every event."

    def __init__(self, name: str, pointer: str, why: str) -> None:
        super().__init__(f"{name}{pointer}: {why}", pointer=pointer, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One line of the catalogue.

    `external`: may be sent out by webhook, projected to the schema's properties
    without those `redacted`. `stream`: the kind of stream in which it is recorded.
    """

    name: str
    version: int = 1
    category: Category
    meaning: str
    schema: dict[str, Any]
    stream: str | None = None
    external: bool = False
    redacted: tuple[str, ...] = ()
    is_valid: Callable[[Any], bool] = field(compare=False, repr=False)

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamKind:
    """A family of streams: the first element of the path, and the capability to read it.

    `object_resolver` turns a stream into the object on which a permission may be held.
    """

    kind: str
    meaning: str
    read: str
    object_resolver: Callable[[tuple[str, ...]], Any] | None = None


def event_type(**facts: Any) -> EventType:
    """Make an event type, its schema checked and compiled.

    :raises EventNameMalformed: if the name is no event name.
    :raises jsonschema.SchemaError: if the schema is not JSON Schema 2020-12.
    """
    if not is_name(facts["name"]):
        raise EventNameMalformed(facts["name"])
    return EventType(**facts, is_valid=_compiled(facts["schema"]))


def is_name(text: str) -> bool:
    """Whether `text` has the form of an event name."""
    return len(text) <= NAME_CHARS_MAX and _NAME.match(text) is not None and text[-1] != "\n"


def is_journal_name(name: str) -> bool:
    """Whether `name` is of a journal (`flow_started`), which only its own aggregate reads."""
    return "." not in name


def first_error(type_: EventType, data: Any) -> EventDataInvalid | None:
    """Return what is wrong with `data`, None when it satisfies the schema."""
    if type_.is_valid(data):
        return None
    pointer, fault = faults(type_.schema, data)[0]
    return EventDataInvalid(type_.name, pointer, fault)


def _compiled(schema: dict[str, Any]) -> Callable[[Any], bool]:
    try:
        return compiled(schema)
    except NotCompilable:
        jsonschema.Draft202012Validator.check_schema(schema)
        is_valid: Callable[[Any], bool] = jsonschema.Draft202012Validator(schema).is_valid
        return is_valid
