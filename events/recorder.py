"""Emit events: recorded in the transaction of the change, published after its commit."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from events import bus, catalogue, context, doorbell, store, wire
from events.domain import payload
from events.domain.draft import Draft, Provenance, sealed
from events.domain.envelope import Category, Envelope, Source, Stream
from events.domain.errors import Conflict, Rejected
from events.ids import new_event_ids


class NoTransaction(AssertionError):
    """`emit` was called outside a transaction: a bug of the caller."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"emit({name!r}) belongs into the transaction of the change it reports. "
            "For a fact without a transaction there is emit_now."
        )


class DomainEventWithoutStream(Rejected):
    code = "domain_event_without_stream"
    hint = "A domain event is recorded: name the stream of its subject."

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is a domain event and names no stream.", name=name)


class EventIdTaken(Conflict):
    code = "event_id_taken"
    hint = "A deterministic event id names one fact of one stream."

    def __init__(self, event_id: str, recorded: Envelope) -> None:
        super().__init__(
            f"{event_id} is the id of another event, {recorded.name}.",
            event_id=event_id,
            name=recorded.name,
        )


def emit(
    name: str,
    data: dict[str, Any],
    *,
    stream: Stream | None = None,
    source: Source = Source.SERVICE,
    event_id: str | None = None,
    at: datetime | None = None,
    first: Sequence[wire.Statement] = (),
) -> Envelope:
    """Record an event in the surrounding transaction, and publish it on the bus after commit.

    An `event_id` of the caller's own makes this idempotent: if the log has it already,
    nothing is recorded or published, and the recorded envelope is returned. `first` are the
    statements of the change that the event reports (`rows.insertion`): they run before the append,
    in the same round trip.

    :raises NoTransaction: if there is no transaction.
    :raises DomainEventWithoutStream: if it is a domain event and `stream` is missing.
    :raises EventIdTaken: if `event_id` belongs to a fact of another name or stream.
    :raises EventNotDeclared, EventDataInvalid: as the catalogue says.
    :raises EventDataNotJson, EventDataTooLarge: if no log could hold the data.
    """
    if not wire.in_transaction():
        raise NoTransaction(name)
    default = Category.DOMAIN if stream else Category.INTERNAL
    drafted = draft(name, data, event_id=event_id, default=default)
    provenance = provenance_now(source, at)
    if stream is None:
        assert not first, "without a stream there is no round trip to share"
        return _announced(_unrecorded(drafted, provenance))
    head, rows = store.append_unsealed(
        stream,
        [drafted],
        provenance,
        once=event_id is not None,
        first=[*first, *bus.questions_of(name)],
    )
    if head is None:
        return _recorded_before(drafted, stream)
    doorbell.ring()
    envelope = sealed(drafted, provenance, stream=stream, sequence=head)
    bus.publish(envelope, rows[len(first) :])
    return envelope


def emit_many(
    facts: Sequence[tuple[str, dict[str, Any]]],
    *,
    stream: Stream,
    source: Source = Source.SERVICE,
    at: datetime | None = None,
) -> list[Envelope]:
    """Record several events of one stream, name and data each, in order and in one statement.

    All or none; each is published after the commit. Raises as `emit` does.
    """
    if not facts:
        return []
    if not wire.in_transaction():
        raise NoTransaction(facts[0][0])
    drafted = drafts(facts, default=Category.DOMAIN)
    recorded = store.append(stream, drafted, provenance_now(source, at))
    doorbell.ring()
    return [_announced(envelope) for envelope in recorded]


def emit_now(
    name: str, data: dict[str, Any], *, source: Source = Source.SERVICE, at: datetime | None = None
) -> Envelope:
    """Publish an internal event on the bus at once, outside any transaction; record nothing.

    :raises DomainEventWithoutStream: if it is a domain event, which must be recorded.
    :raises EventNotDeclared, EventDataInvalid, EventDataNotJson: as for `emit`.
    """
    drafted = draft(name, data, default=Category.INTERNAL)
    envelope = _unrecorded(drafted, provenance_now(source, at))
    bus.deliver(envelope)
    return envelope


def draft(
    name: str, data: dict[str, Any], *, default: Category, event_id: str | None = None
) -> Draft:
    """Check an event against the catalogue and the limits.

    :raises EventNotDeclared, EventDataInvalid: as the catalogue says.
    :raises EventDataNotJson, EventDataTooLarge: if no log could hold the data.
    """
    [drafted] = drafts([(name, data)], default=default, ids=[event_id])
    return drafted


def drafts(
    facts: Sequence[tuple[str, dict[str, Any]]],
    *,
    default: Category,
    ids: Sequence[str | None] | None = None,
    looks: bool = True,
) -> list[Draft]:
    """Return a draft for each pair of name and data. Raises as `draft` does.

    Without `looks` the data are not validated (`catalogue.looks_at`).
    """
    plain = payload.all_plain(facts)
    read = [(name, data) for (name, _), (data, _) in zip(facts, plain, strict=True)]
    types = catalogue.all_checked(read, default=default, looks=looks)
    new = new_event_ids(len(facts))
    own = new if ids is None else [given or fresh for given, fresh in zip(ids, new, strict=True)]
    return [
        Draft(id_, type_.name, type_.version, type_.category, data, is_large)
        for id_, type_, (data, is_large) in zip(own, types, plain, strict=True)
    ]


def provenance_now(source: Source, at: datetime | None = None) -> Provenance:
    """Return the principal, the correlation and the time of an event that is emitted now.

    :raises ValueError: if `source` is unknown.
    """
    assert at is None or at.tzinfo, "a time needs a zone"
    return Provenance(
        context=context.current(), source=Source(source), emitted_at=at or datetime.now(UTC)
    )


def _announced(envelope: Envelope) -> Envelope:
    bus.publish(envelope)
    return envelope


def _unrecorded(drafted: Draft, provenance: Provenance) -> Envelope:
    if drafted.category is Category.DOMAIN:
        raise DomainEventWithoutStream(drafted.name)
    return sealed(drafted, provenance)


def _recorded_before(drafted: Draft, stream: Stream) -> Envelope:
    recorded = store.find(drafted.event_id)
    assert recorded is not None, "events_append saw it in this very transaction"
    if (recorded.stream, recorded.name) != (stream, drafted.name):
        raise EventIdTaken(drafted.event_id, recorded)
    return recorded
