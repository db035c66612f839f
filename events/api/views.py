"""The log over HTTP. Any credential may read it; events it may not see are left out."""

from collections.abc import Iterable
from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events import catalogue, explore, selectors
from events.api.serializers import (
    EnvelopeOut,
    EventTypesOut,
    FeedIn,
    FeedOut,
    PageIn,
    SocketTicketOut,
    StreamPrefix,
)
from events.domain.envelope import Envelope
from ledger.access import authority, tickets
from ledger.access.authority import AUTHENTICATED
from ledger.bodies import QueryIn, valid


class Events(APIView):
    """The feed."""

    capabilities = {"get": AUTHENTICATED}
    noted_as = {"get": "event.read"}

    @extend_schema(operation_id="events_list", parameters=[FeedIn], responses=FeedOut)
    def get(self, request: Request) -> Response:
        """Read the log by position, oldest first. Nothing is missed while others write.

        A page leaves out what the caller may not see, and ends after 500,000 positions, so it may
        be short, or empty: ask on from `next_after` until it equals `head`.
        """
        asked = valid(FeedIn, request.query_params)
        head = selectors.head_position()
        if asked["after"] > head:
            raise _beyond_the_end(head)
        events, reached = selectors.page(
            after=asked["after"],
            head=head,
            limit=asked["limit"],
            streams=list(asked["stream"]) or None,
            names=list(asked["type"]) or None,
        )
        return _page(request, events, next_after=reached, head=max(reached, head))


class StreamEvents(APIView):
    """One stream."""

    capabilities = {"get": AUTHENTICATED}
    noted_as = {"get": "event.read"}

    @extend_schema(
        parameters=[PageIn, OpenApiParameter("stream", str, OpenApiParameter.PATH)],
        responses=FeedOut,
    )
    def get(self, request: Request, stream: str) -> Response:
        """Read one stream by sequence, oldest first: `after`, `next_after` and `head` are
        sequences here."""
        asked = valid(PageIn, request.query_params)
        try:
            wanted: Any = StreamPrefix().run_validation(stream)
        except serializers.ValidationError as error:
            raise Http404 from error
        if not authority.may_read_stream(request, wanted):
            raise Http404
        head = explore.head_sequence(wanted)
        if not head:
            raise Http404
        after = asked["after"]
        if after > head:
            raise _beyond_the_end(head)
        page = selectors.stream_events(wanted, after=after, limit=asked["limit"])
        reached = page[-1].sequence if page else after
        assert reached is not None
        return _page(request, page, next_after=reached, head=max(reached, head))


class Event(APIView):
    """One event."""

    capabilities = {"get": AUTHENTICATED}
    noted_as = {"get": "event.read"}

    @extend_schema(responses=EnvelopeOut)
    def get(self, request: Request, event_id: str) -> Response:
        """Read one event."""
        valid(QueryIn, request.query_params)
        found = explore.one(event_id) if "\0" not in event_id else None
        if found is None or not _visible(request, [found]):
            raise Http404
        return _answer(found.as_json())


class EventTypes(APIView):
    """The catalogue."""

    capabilities = {"get": AUTHENTICATED}
    noted_as = {"get": "event.read"}

    @extend_schema(responses=EventTypesOut)
    def get(self, request: Request) -> Response:
        """List every kind of event there is: what it means, and the schema of its data."""
        valid(QueryIn, request.query_params)
        return _answer({"results": [_described(one) for one in catalogue.all_types()]})


class SocketTickets(APIView):
    """Tickets for WebSockets."""

    capabilities = {"post": AUTHENTICATED}
    without_body = ("post",)
    # A stored response would keep the ticket for a day.
    idempotency_secret = ("post",)

    @extend_schema(request=None, responses={201: SocketTicketOut})
    def post(self, request: Request) -> Response:
        """Make a ticket that opens one WebSocket within a minute, under this credential.

        For browsers, which cannot send an API key with a WebSocket handshake.
        """
        ticket, expires_at = tickets.issue_ticket(caller=authority.caller_of(request))
        body = SocketTicketOut({"ticket": ticket, "expires_at": expires_at}).data
        return _answer(body, status_code=status.HTTP_201_CREATED)


def _beyond_the_end(head: int) -> serializers.ValidationError:
    return serializers.ValidationError(
        {"after": [f"It ends at {head}. Is this from another installation?"]},
        code="after_in_future",
    )


def _visible(request: Request, page: Iterable[Envelope]) -> list[Envelope]:
    # Recorded events have a stream; those without are never in the log.
    return [one for one in page if authority.may_read_stream(request, one.stream or ("",))]


def _page(request: Request, page: Iterable[Envelope], *, next_after: int, head: int) -> Response:
    results = [one.as_json() for one in _visible(request, page)]
    return _answer({"results": results, "next_after": next_after, "head": head})


def _answer(body: Any, *, status_code: int = status.HTTP_200_OK) -> Response:
    return Response(body, status=status_code, headers={"Cache-Control": "no-store"})


def _described(type_: Any) -> dict[str, Any]:
    return {
        "name": type_.name,
        "version": type_.version,
        "category": type_.category.value,
        "meaning": type_.meaning,
        "stream": type_.stream,
        "external": type_.external,
        "redacted": list(type_.redacted),
        "schema": type_.schema,
    }
