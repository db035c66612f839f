"""Entries over HTTP: read, follow, export and amend them. They are never changed."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events.domain.texts import shortened
from ledger import timelines
from ledger.api.filters import EntryFilters
from ledger.api.serializers.entries import (
    EntryDetailOut,
    EntryOut,
    ExportIn,
    TailIn,
    TailOut,
    TimelineIn,
    TimelineOut,
)
from ledger.bodies import ReasonIn, valid
from ledger.disclosure import disclosing
from ledger.disclosure.reasons import access_reason
from ledger.domain.action import TARGET_CHARS_MAX, Read, Target
from ledger.models import Entry
from ledger.sealing import exporting
from ledger.services import amendments

ORDERINGS = {
    "-occurred_at": ("-occurred_at", "-id"),
    "occurred_at": ("occurred_at", "id"),
}


class EntryViewSet(viewsets.ReadOnlyModelViewSet[Entry]):
    """Entries: who did what, to what, why, and by what authority."""

    capabilities = {"list": "ledger.read", "retrieve": "ledger.read", "amend": "ledger.amend"}
    idempotency_required = ("amend",)
    queryset = Entry.objects.none()
    filterset_class = EntryFilters
    query_parameters = ("ordering",)
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Entry]:
        return timelines.entries()

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Entry]]:
        return EntryDetailOut if self.action == "retrieve" else EntryOut

    @property
    def cursor_ordering(self) -> tuple[str, ...]:
        """The order that was asked for; with the id it is total."""
        asked = self.request.query_params.get("ordering", "-occurred_at")
        if asked not in ORDERINGS:
            raise serializers.ValidationError(
                {"ordering": [f"Say one of {', '.join(ORDERINGS)}."]}, code="ordering"
            )
        return ORDERINGS[asked]

    @extend_schema(
        parameters=[OpenApiParameter("ordering", str, enum=list(ORDERINGS), default="-occurred_at")]
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List entries, the newest first. Cursors are exact also where times are equal."""
        return super().list(request, *args, **kwargs)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show one entry with what it refers to, what led to it, and what came of it."""
        return self._shown(pk)

    @extend_schema(request=ReasonIn, responses={201: EntryDetailOut})
    @action(detail=True, methods=["post"], url_path="amendments")
    def amend(self, request: Request, pk: UUID) -> Response:
        """Put on record what an entry says wrongly. It stays as it is, and leads to this one."""
        made = amendments.amend_entry(entry_id=pk, **valid(ReasonIn, request.data))
        return self._made(made)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        return self._made(UUID(reference))

    def _made(self, entry_id: UUID) -> Response:
        response = self._shown(entry_id)
        response.status_code = status.HTTP_201_CREATED
        response["Location"] = f"/api/v1/ledger/entries/{entry_id}"
        return response

    def _shown(self, entry_id: UUID) -> Response:
        rows = self.get_queryset().prefetch_related("payloads__key")
        entry = get_object_or_404(rows, pk=entry_id)
        entry.chain = timelines.chain_of(entry)  # type: ignore[attr-defined]
        return Response(EntryDetailOut(entry, context=self.get_serializer_context()).data)


class Timeline(generics.ListAPIView[Entry]):
    """What happened to some targets."""

    is_complete = True

    capabilities = {"get": "ledger.read"}
    queryset = Entry.objects.none()
    serializer_class = EntryOut
    cursor_ordering = ORDERINGS["-occurred_at"]
    # `TimelineIn` refuses what it does not know, and `target` may be repeated.
    filter_backends = ()

    def get_queryset(self) -> QuerySet[Entry]:
        asked = valid(TimelineIn, self.request.query_params)
        about = timelines.gathered(asked["target"], with_related=asked["related"])
        self.is_complete = about.is_complete
        return timelines.entries_about(about.targets)

    @extend_schema(
        operation_id="ledger_timeline_list", parameters=[TimelineIn], responses=TimelineOut
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List what was done to targets and to what belongs to them, the newest first."""
        page = super().get(request, *args, **kwargs)
        return Response({**page.data, "is_complete": self.is_complete})


class Tail(APIView):
    """Every entry, once, in an order that misses none."""

    capabilities = {"get": "ledger.read"}

    @extend_schema(parameters=[TailIn], responses=TailOut)
    def get(self, request: Request) -> Response:
        """Follow the ledger by position. Keep `next_after` once you have dealt with a page.

        An entry gets its position when it is sealed, within seconds of its commit.
        """
        asked = valid(TailIn, request.query_params)
        # Before the page is read, so that a page never goes beyond what it says.
        head = timelines.head_position()
        if asked["after"] > head:
            raise serializers.ValidationError(
                {"after": [f"It ends at {head}. Is this from another installation?"]},
                code="after_in_future",
            )
        page = timelines.tail(after=asked["after"], limit=asked["limit"])
        reached = asked["after"] + len(page)
        body = TailOut({"results": page, "next_after": reached, "head": max(head, reached)})
        return Response(body.data, headers={"Cache-Control": "no-store"})


class Export(APIView):
    """The ledger as evidence."""

    capabilities = {"get": "ledger.export"}
    discloses = ("get",)

    @extend_schema(
        parameters=[ExportIn],
        responses={
            (200, "application/jsonl"): OpenApiResponse(OpenApiTypes.BINARY),
            (404, "application/problem+json"): OpenApiResponse(
                OpenApiTypes.OBJECT, description="Nothing of it is sealed yet."
            ),
        },
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Download sealed entries with their seals, to be checked with `ledger/verifier.py`.

        All of them, those since a moment, or those about one target or one entry, each with
        an inclusion proof. That it was exported is itself on record first, with the reason
        of the header `Access-Reason`; without it the answer is a 428.
        """
        asked = valid(ExportIn, request.query_params)
        lines = disclosing.disclosed(_export_of(asked, request), lambda: _lines(asked))
        return StreamingHttpResponse(
            lines,
            content_type="application/jsonl",
            headers={
                "Cache-Control": "no-store",
                "Content-Disposition": 'attachment; filename="ledger.jsonl"',
            },
        )


def _export_of(asked: dict[str, Any], request: Request) -> Read:
    name, value = next(iter(asked.items()), ("all", ""))
    about = f"{value.type}:{value.id}" if isinstance(value, Target) else str(value)
    return Read(
        name="ledger.export",
        # A type and an id may be longer together than an id may be.
        target=Target(type="ledger", id=shortened(f"{name} {about}".strip(), TARGET_CHARS_MAX)),
        capability="ledger.export",
        fields=("entries",),
        reason=access_reason(request),
    )


def _lines(asked: dict[str, Any]) -> Any:
    if (entry_id := asked.get("entry")) is not None:
        return exporting.export_selection(Entry.objects.filter(pk=entry_id))
    if (target := asked.get("target")) is not None:
        found = Entry.objects.filter(target_type=target.type, target_id=target.id)
        return exporting.export_selection(found)
    return exporting.export_run(since=asked.get("since"))
