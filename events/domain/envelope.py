"""The one shape of an event, for every consumer.

In JSON: `{name, data, metadata{category, source, eventId, correlationId, causationId,
principal, version, stream, sequence, position}, emittedAt}`. Absent facts are left out.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from events.domain.principal import Principal
from events.domain.times import rfc3339

Stream = tuple[str, ...]
"""The id path of a stream: `("invoice", "<id>")`, `("catalog",)`."""


class Category(StrEnum):
    DOMAIN = "domain"
    INTERNAL = "internal"


class Source(StrEnum):
    WORKFLOW = "workflow"
    SERVICE = "service"
    ROUTE = "route"
    SUBSCRIBER = "subscriber"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One fact. `stream` and `sequence` are there once it is in the log, `position` once
    the sequencer has given it its place among all events."""

    name: str
    data: dict[str, Any]
    category: Category
    source: Source
    event_id: str
    principal: Principal
    correlation_id: str
    causation_id: str | None = None
    emitted_at: datetime
    version: int = 1
    stream: Stream | None = None
    sequence: int | None = None
    position: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the public shape."""
        metadata = {
            "category": self.category.value,
            "source": self.source.value,
            "eventId": self.event_id,
            "version": self.version,
            "correlationId": self.correlation_id,
            "causationId": self.causation_id,
            "principal": self.principal.as_json(),
            "stream": list(self.stream) if self.stream else None,
            "sequence": self.sequence,
            "position": self.position,
        }
        return {
            "name": self.name,
            "data": self.data,
            "metadata": {key: value for key, value in metadata.items() if value is not None},
            "emittedAt": rfc3339(self.emitted_at),
        }
