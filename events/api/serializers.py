"""What may be asked of the log over HTTP, and how it answers."""

from typing import Any
from urllib.parse import unquote

from rest_framework import serializers

from events import catalogue
from events.domain.catalogue import EventNotDeclared
from events.domain.envelope import Category, Source, Stream
from events.domain.errors import DomainError
from events.domain.patterns import checked
from events.domain.principal import PrincipalKind
from events.domain.streams import key_of
from events.domain.subscription import FILTER_ENTRIES_MAX, POSITION_MAX
from events.selectors import FEED_EVENTS_MAX
from ledger.bodies import QueryIn, WholeNumber

PAGE_EVENTS = 100


class StreamPrefix(serializers.CharField):
    """`invoice`, `invoice/123`: an id path, its elements percent-encoded."""

    def to_internal_value(self, data: Any) -> Stream:  # type: ignore[override]
        written = super().to_internal_value(data).strip("/")
        stream = tuple(unquote(element) for element in written.split("/"))
        try:
            key_of(stream)
        except DomainError as error:
            raise serializers.ValidationError(f"{error} {error.hint}", code=error.code) from error
        return stream


class EventName(serializers.CharField):
    """A declared name, a pattern (`invoice.*`) or `*`."""

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        try:
            if not checked(name).endswith("*"):
                catalogue.get(name)
        except DomainError as error:
            hint = "GET /api/v1/event-types." if isinstance(error, EventNotDeclared) else error.hint
            raise serializers.ValidationError(f"{error} {hint}", code=error.code) from error
        return name


class PageIn(QueryIn):
    after = WholeNumber(
        default=0, max_value=POSITION_MAX, help_text="What came up to here is not wanted again."
    )
    limit = WholeNumber(default=PAGE_EVENTS, min_value=1, max_value=FEED_EVENTS_MAX)


class FeedIn(PageIn):
    stream = serializers.ListField(
        child=StreamPrefix(),
        default=list,
        max_length=FILTER_ENTRIES_MAX,
        help_text="A stream or a prefix of streams: invoice, invoice/123. May be repeated.",
    )
    type = serializers.ListField(
        child=EventName(),
        default=list,
        max_length=FILTER_ENTRIES_MAX,
        help_text="An event name or a pattern: invoice.settled, invoice.*. May be repeated.",
    )


class PrincipalOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=[kind.value for kind in PrincipalKind])
    id = serializers.CharField()
    delegationId = serializers.CharField(  # noqa: N815
        required=False, help_text="Of an agent: the delegation under which it acted."
    )


class MetadataOut(serializers.Serializer[Any]):
    """The keys are the envelope's own, hence camelCase."""

    category = serializers.ChoiceField(choices=[one.value for one in Category])
    source = serializers.ChoiceField(choices=[one.value for one in Source])  # type: ignore[assignment]
    eventId = serializers.CharField()  # noqa: N815
    version = serializers.IntegerField()
    correlationId = serializers.CharField()  # noqa: N815
    causationId = serializers.CharField(required=False)  # noqa: N815
    principal = PrincipalOut()
    stream = serializers.ListField(child=serializers.CharField())
    sequence = serializers.IntegerField()
    position = serializers.IntegerField(required=False)


class EnvelopeOut(serializers.Serializer[Any]):
    """For the schema: an envelope knows its own JSON."""

    name = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]
    metadata = MetadataOut()
    emittedAt = serializers.DateTimeField()  # noqa: N815


class FeedOut(serializers.Serializer[Any]):
    results = EnvelopeOut(many=True)
    next_after = serializers.IntegerField(help_text="Ask on from here.")
    head = serializers.IntegerField(help_text="The end of the log: you are there at next_after.")


class EventTypeOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.IntegerField()
    category = serializers.CharField()
    meaning = serializers.CharField()
    stream = serializers.CharField(allow_null=True)
    external = serializers.BooleanField(help_text="May be sent out by webhook.")
    redacted = serializers.ListField(
        child=serializers.CharField(), help_text="What then is left out of its data."
    )
    schema = serializers.DictField(help_text="JSON Schema (2020-12) of its data.")


class EventTypesOut(serializers.Serializer[Any]):
    results = EventTypeOut(many=True)


class SocketTicketOut(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="For /ws/events?ticket=…, once.")
    expires_at = serializers.DateTimeField()
