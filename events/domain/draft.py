"""An event on its way into the log: everything but its place in a stream."""

from datetime import datetime
from typing import Any, NamedTuple

from events.domain.context import EventContext
from events.domain.envelope import Category, Envelope, Source, Stream


class Draft(NamedTuple):
    """`data` are as a reader of their text sees them. A text that `is_large` is stored apart.

    A tuple, because there are many.
    """

    event_id: str
    name: str
    version: int
    category: Category
    data: dict[str, Any]
    is_large: bool


class Provenance(NamedTuple):
    """What all events of one append have in common."""

    context: EventContext
    source: Source
    emitted_at: datetime


def sealed(
    draft: Draft,
    provenance: Provenance,
    *,
    stream: Stream | None = None,
    sequence: int | None = None,
) -> Envelope:
    """Return the envelope of `draft`."""
    context = provenance.context
    return Envelope(
        name=draft.name,
        data=draft.data,
        category=draft.category,
        source=provenance.source,
        event_id=draft.event_id,
        principal=context.principal,
        correlation_id=context.correlation_id,
        causation_id=context.causation_id,
        emitted_at=provenance.emitted_at,
        version=draft.version,
        stream=stream,
        sequence=sequence,
    )
