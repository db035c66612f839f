"""Starts of flows over HTTP. One call down for each action."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.bodies import OptionalReasonIn, valid
from ledger.preconditions import etag, expected_version
from workflows.flows.api.shapes import (
    OccasionsIn,
    OccasionsOut,
    StartDetailOut,
    StartIn,
    StartOut,
)
from workflows.flows.api.steps import IF_MATCH
from workflows.flows.domain.step import Script
from workflows.flows.models import FlowStart
from workflows.flows.triggers import occasions, starts


class StartFilters(filters.FilterSet):
    enabled = filters.BooleanFilter()
    event = filters.CharFilter()
    paused = filters.BooleanFilter(
        method="of_pause",
        label="Switched off by itself, for its declarer may not have it any more.",
    )

    def of_pause(self, rows: QuerySet[FlowStart], _name: str, paused: bool) -> Any:  # noqa: FBT001 (the library's way)
        return rows.exclude(paused_because="") if paused else rows.filter(paused_because="")


class FlowStartViewSet(viewsets.ReadOnlyModelViewSet[FlowStart]):
    """When flows start by themselves: by a cron rule, or on every event of a name."""

    capabilities = {
        "list": "flow.read",
        "retrieve": "flow.read",
        "occasions": "flow.read",
        "update": "flow_start.manage",
        "destroy": "flow_start.manage",
        "enable": "flow_start.manage",
        "disable": "flow_start.manage",
    }
    queryset = FlowStart.objects.all()
    serializer_class = StartOut
    filterset_class = StartFilters
    cursor_ordering = ("name",)
    query_parameters = ("before",)
    lookup_value_converter = "str"

    @extend_schema(responses=StartDetailOut)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Show one definition; its ETag is its version."""
        return _shown(self.get_object())

    @extend_schema(responses=OccasionsOut, parameters=[OccasionsIn])
    @action(detail=True, pagination_class=None, filter_backends=[])
    def occasions(self, request: Request, pk: str) -> Response:
        """Show what became of its occasions: flows, refusals, missed slots; the newest first."""
        asked = valid(OccasionsIn, request.query_params)
        found = occasions.occasions(self.get_object().name, **asked)
        return Response(OccasionsOut({"results": found.lines, "older": found.older}).data)

    @extend_schema(request=StartIn, responses=StartDetailOut, parameters=[IF_MATCH])
    def update(self, request: Request, pk: str) -> Response:
        """Declare when flows start. An equal definition changes nothing."""
        asked = valid(StartIn, request.data)
        if condition := asked.pop("filter"):
            asked["filter"] = Script(language=condition["language"], text=condition["script"])
        return self._done(starts.declare_start, pk, **asked)

    @extend_schema(responses={204: None}, parameters=[IF_MATCH])
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a definition. Flows that it started continue."""
        version = expected_version(request, required=False)
        starts.remove_start(name=pk, expected_version=version)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=OptionalReasonIn, responses=StartDetailOut, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Let flows start so again, from the next slot or event on."""
        because = valid(OptionalReasonIn, request.data)
        return self._done(starts.set_start_enabled, pk, enabled=True, **because)

    @extend_schema(request=OptionalReasonIn, responses=StartDetailOut, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        """Let no more flows start so."""
        because = valid(OptionalReasonIn, request.data)
        return self._done(starts.set_start_enabled, pk, enabled=False, **because)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        if request.method == "DELETE":
            return Response(status=status.HTTP_204_NO_CONTENT)
        return _shown(self.get_object())

    def _done(self, service: Callable[..., FlowStart], name: str, **asked: Any) -> Response:
        version = expected_version(self.request, required=False)
        return _shown(service(name=name, expected_version=version, **asked))


def _shown(start: FlowStart) -> Response:
    headers = {"ETag": etag(start.version), "Location": f"/api/v1/flow-starts/{start.name}"}
    return Response(StartDetailOut(start).data, headers=headers)
