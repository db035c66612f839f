"""The catalogue: every event name, declared once, by the app whose fact it is.

Apps declare in their own `catalogue.py`, imported when the app is ready.
"""

import logging
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from events import conf
from events.domain.catalogue import (
    EventNotDeclared,
    EventType,
    StreamKind,
    event_type,
    first_error,
)
from events.domain.envelope import Category, Stream

logger = logging.getLogger(__name__)

NEAR_MAX = 2
"""How many names are suggested in place of one that is not declared."""

_types: dict[str, EventType] = {}
_streams: dict[str, StreamKind] = {}
_clashes: list[str] = []


def declare(
    name: str,
    *,
    version: int = 1,
    category: Category | str,
    meaning: str,
    schema: dict[str, Any],
    stream: str | None = None,
    external: bool = False,
    redacted: tuple[str, ...] = (),
) -> EventType:
    """Register an event type and return it.

    :raises EventNameMalformed: if the name is no event name.
    :raises jsonschema.SchemaError: if the schema is not JSON Schema 2020-12.
    """
    declared = event_type(
        name=name,
        version=version,
        category=Category(category),
        meaning=meaning,
        schema=schema,
        stream=stream,
        external=external,
        redacted=redacted,
    )
    if _types.setdefault(name, declared) != declared:
        _clashes.append(name)
    return _types[name]


def declare_stream(
    kind: str,
    *,
    meaning: str,
    read: str,
    object_resolver: Callable[[Stream], Any] | None = None,
) -> StreamKind:
    """Register a kind of stream, and the capability `read` that is needed to read it."""
    declared = StreamKind(kind=kind, meaning=meaning, read=read, object_resolver=object_resolver)
    if _streams.setdefault(kind, declared) != declared:
        _clashes.append(f"stream {kind}")
    return _streams[kind]


def get(name: str) -> EventType:
    """Return the event type called `name`.

    :raises EventNotDeclared: if there is none.
    """
    try:
        return _types[name]
    except KeyError:
        raise EventNotDeclared(name, get_close_matches(name, _types, n=NEAR_MAX)) from None


def all_types() -> list[EventType]:
    """Return every event type, by name."""
    return [_types[name] for name in sorted(_types)]


def stream_kind(kind: str) -> StreamKind | None:
    """Return the kind of stream, None if it is not declared: then it cannot be read."""
    return _streams.get(kind)


def all_streams() -> list[StreamKind]:
    """Return every kind of stream, by name."""
    return [_streams[kind] for kind in sorted(_streams)]


def clashes() -> list[str]:
    """Return the names that were declared twice with different definitions."""
    return list(_clashes)


def looks_at(*, is_typed: bool) -> bool:
    """Return whether the data of an event are validated.

    They always are where the setting is strict, as in tests. In production a violation can only be
    logged, so data that typed code has made (`is_typed`) are not validated once more.
    """
    return not is_typed or conf.is_strict()


def checked(name: str, data: Any, *, default: Category, looks: bool = True) -> EventType:
    """Return the type for an event that is about to be emitted.

    Production records what is wrong rather than lose a fact, and logs an error; there an
    undeclared event gets a type of its own, of category `default`. Without `looks` the data
    are taken as they are.

    :raises EventNotDeclared: if there is no such type, and the setting is strict.
    :raises EventDataInvalid: if `data` does not satisfy it, and the setting is strict.
    :raises EventNameMalformed: if the name is no event name.
    """
    type_ = _types.get(name)
    if type_ is None:
        return _undeclared(name, default)
    if looks and not type_.is_valid(data) and (error := first_error(type_, data)):
        if conf.is_strict():
            raise error
        # Without the values, which the error quotes.
        facts = {"event": name, "pointer": error.pointer}
        logger.error("The data of an event is wrong.", extra=facts)
    return type_


def all_checked(
    facts: Sequence[tuple[str, Any]], *, default: Category, looks: bool = True
) -> list[EventType]:
    """Return the types of several events, name and data each. Raises as `checked` does."""
    if not looks:
        try:
            return [_types[name] for name, _ in facts]
        except KeyError:
            pass  # One of them is not declared.
    return [checked(name, data, default=default, looks=looks) for name, data in facts]


def _undeclared(name: str, category: Category) -> EventType:
    if conf.is_strict():
        raise EventNotDeclared(name)
    logger.error("An event is not declared.", extra={"event": name})
    return event_type(name=name, category=category, meaning="Not declared.", schema={})
