"""Promotion: a durable subscriber gets one row of work per event.

The row is inserted in the transaction that emits the event, so it exists if and only if the
event does. From then on it is work like any other: at least once, with retries and dead letters
that affect no other subscriber. The key (subscriber, event id) is unique, so no event is
enqueued twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from events import bus, context
from events.domain.envelope import Category, Envelope, Source
from events.domain.principal import Principal
from workflows.work import queue, registry
from workflows.work.domain.claim import Claim
from workflows.work.queue import SUBJECT_CHARS_MAX, Item
from workflows.work.registry import JSON, WorkKind

Subscriber = Callable[[Envelope, Claim], JSON]

PREFIX = "subscriber."


def durable_subscriber(
    pattern: str, *, name: str, **options: Any
) -> Callable[[Subscriber], Subscriber]:
    """Call the decorated `handler(envelope, claim)` at least once for each event.

    `pattern` is an event name or a prefix (`invoice.*`), `name` is permanent: rows refer to
    it. Options are those of WorkKind: retry, timeout_s, permanent, light, queue.
    """

    def decorate(handler: Subscriber) -> Subscriber:
        kind = WorkKind(name=PREFIX + name, handler=_Delivery(handler), **options)
        registry.register(kind)
        bus.before_commit(pattern, _Intake(kind.name))
        return handler

    return decorate


@dataclass(frozen=True, slots=True)
class _Delivery:
    handler: Subscriber

    def __call__(self, claim: Claim) -> JSON:
        return self.handler(envelope_of(claim.input), claim)


@dataclass(frozen=True, slots=True)
class _Intake:
    """Runs inside the emitting transaction. Equal for equal kinds, so it is hooked in once."""

    kind: str

    def __call__(self, envelope: Envelope) -> None:
        item = Item(
            input=envelope.as_json(),
            subject="/".join(envelope.stream or (envelope.name,))[:SUBJECT_CHARS_MAX],
            idempotency_key=envelope.event_id,
        )
        with context.caused_by(envelope.event_id):
            queue.insert(registry.get(self.kind), [item])


def envelope_of(document: JSON) -> Envelope:
    """Read what `Envelope.as_json` wrote."""
    metadata = document["metadata"]
    stream = metadata.get("stream")
    return Envelope(
        name=document["name"],
        data=document["data"],
        category=Category(metadata["category"]),
        source=Source(metadata["source"]),
        event_id=metadata["eventId"],
        principal=Principal.from_json(metadata["principal"]),
        correlation_id=metadata["correlationId"],
        causation_id=metadata.get("causationId"),
        emitted_at=datetime.fromisoformat(document["emittedAt"]),
        version=metadata["version"],
        stream=tuple(stream) if stream else None,
        sequence=metadata.get("sequence"),
        position=metadata.get("position"),
    )
