"""Flows over HTTP: state, history, what they wait for, and the actions of operators."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from events import selectors as log
from events.domain.envelope import Envelope
from ledger.bodies import MomentFilter, OneOrMore, OptionalReasonIn, ReasonIn, valid
from ledger.preconditions import etag, expected_version
from workflows.flows import selectors, services
from workflows.flows.api.shapes import (
    AtIn,
    CancelIn,
    FlowDetailOut,
    FlowEventsOut,
    FlowIn,
    FlowOut,
    ForceIn,
    ForkIn,
    PageIn,
    RequestedOut,
    RetryIn,
    StepReasonOut,
)
from workflows.flows.api.steps import IF_MATCH
from workflows.flows.argyll import listing
from workflows.flows.domain import ids
from workflows.flows.domain.flow import FlowStatus
from workflows.flows.domain.view import flow_as_json
from workflows.flows.execution.aggregates import stream_of
from workflows.flows.explanations import explain, why_waiting
from workflows.flows.models import FlowSummary

FLOW_ID = OpenApiParameter("flow_id", str, OpenApiParameter.PATH)
STEP_OF_FLOW = [
    OpenApiParameter("flow_id", str, OpenApiParameter.PATH),
    OpenApiParameter("step_id", str, OpenApiParameter.PATH),
]


class FlowFilters(filters.FilterSet):
    status = OneOrMore(choices=[(one.value, one.value) for one in FlowStatus])
    label = filters.CharFilter(
        method="with_label",
        help_text="key=value",
        validators=[RegexValidator("^[^=]+=", "It must be key=value.")],
    )
    goal = filters.CharFilter(field_name="goals", lookup_expr="contains", method="with_goal")
    id_prefix = filters.CharFilter(field_name="flow_id", lookup_expr="startswith")
    started_after = MomentFilter(field_name="started_at", lookup_expr="gte")
    started_before = MomentFilter(field_name="started_at", lookup_expr="lt")

    def with_label(self, rows: QuerySet[FlowSummary], _name: str, text: str) -> Any:
        key, _, value = text.partition("=")
        return rows.filter(labels__contains={key: value})

    def with_goal(self, rows: QuerySet[FlowSummary], _name: str, goal: str) -> Any:
        return rows.filter(goals__contains=[goal])


class FlowViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[FlowSummary]):
    """Flows, from their plan to their end. The ETag of one is the sequence of its last event."""

    capabilities = {
        "list": "flow.read",
        "retrieve": "flow.read",
        "events": "flow.read",
        "create": "flow.start",
        "pause": "flow.pause",
        "resume": "flow.pause",
        "cancel": "flow.cancel",
        "fork": "flow.fork",
    }
    queryset = FlowSummary.objects.none()
    serializer_class = FlowOut
    filterset_class = FlowFilters
    cursor_ordering = ("-started_at", "-flow_id")
    lookup_value_converter = "str"
    query_parameters = ("at",)

    def get_queryset(self) -> QuerySet[FlowSummary]:
        return listing.roots()

    @extend_schema(responses=FlowDetailOut, parameters=[FLOW_ID, AtIn])
    def retrieve(self, request: Request, pk: str) -> Response:
        """Show a flow as it is, or `?at=` a sequence as it was, and why it is waiting."""
        return answer(pk, **valid(AtIn, request.query_params))

    @extend_schema(responses=FlowEventsOut, parameters=[FLOW_ID, PageIn])
    @action(detail=True, pagination_class=None, filter_backends=[])
    def events(self, request: Request, pk: str) -> Response:
        """Show what happened in a flow, in order and page by page."""
        asked = valid(PageIn, request.query_params)
        head = explain.reached(pk).sequence
        if asked["after"] > head:
            raise _beyond_the_end(head)
        page = log.stream_events(stream_of(pk), **asked)
        # What came meanwhile is on the page too.
        reached = page[-1].sequence or head if page else head
        body = {
            "results": [event.as_json() for event in page],
            "next_after": reached,
            "head": max(reached, head),
        }
        return Response(body, headers={"ETag": etag(head)})

    @extend_schema(request=FlowIn, responses={201: FlowDetailOut})
    def create(self, request: Request) -> Response:
        """Start a flow. The same id with the same goals and init is the same flow."""
        asked = valid(FlowIn, request.data)
        flow_id = asked.pop("id")
        services.start_flow(flow_id=flow_id, **asked)
        return answer(flow_id, status=status.HTTP_201_CREATED)

    @extend_schema(request=ReasonIn, responses=FlowDetailOut, parameters=[FLOW_ID, IF_MATCH])
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Let nothing new of a flow start. Its child flows go on."""
        return self._done(services.pause_flow, pk, **valid(ReasonIn, request.data))

    @extend_schema(
        request=OptionalReasonIn, responses=FlowDetailOut, parameters=[FLOW_ID, IF_MATCH]
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Resume a paused flow."""
        return self._done(services.resume_flow, pk, **valid(OptionalReasonIn, request.data))

    @extend_schema(request=CancelIn, responses=FlowDetailOut, parameters=[FLOW_ID, IF_MATCH])
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """End a flow, with or without undoing what it did."""
        asked = valid(CancelIn, request.data)
        compensates = asked.pop("compensate")
        return self._done(services.cancel_flow, pk, compensates=compensates, **asked)

    @extend_schema(request=ForkIn, responses={201: FlowDetailOut}, parameters=[FLOW_ID])
    @action(detail=True, methods=["post"])
    def fork(self, request: Request, pk: str) -> Response:
        """Start a flow anew from one of its steps, with edited inputs if you like."""
        asked = valid(ForkIn, request.data)
        new_id = asked.pop("id")
        services.fork_flow(flow_id=pk, new_flow_id=new_id, **asked)
        return answer(new_id, status=status.HTTP_201_CREATED)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        if self.action in {"create", "fork"}:
            asked = valid(FlowIn if self.action == "create" else ForkIn, request.data)
            return answer(asked["id"], status=status.HTTP_201_CREATED)
        return answer(self.kwargs["pk"])

    def _done(self, service: Callable[..., Any], flow_id: str, **asked: Any) -> Response:
        version = expected_version(self.request, required=False)
        service(flow_id=flow_id, expected_version=version, **asked)
        return answer(flow_id)


class StepInFlowViewSet(viewsets.ViewSet):
    """One step of one flow: why it stands as it does, and what an operator may do about it."""

    capabilities = {
        "retrieve": "flow.read",
        "skip": "flow.intervene",
        "force": "flow.intervene",
        "retry": "flow.intervene",
    }

    @extend_schema(responses=StepReasonOut, parameters=[*STEP_OF_FLOW, PageIn])
    def retrieve(self, request: Request, flow_id: str, step_id: str) -> Response:
        """Show why a step started, completed, failed or was skipped: the events before it."""
        asked = valid(PageIn, request.query_params)
        found = explain.why(flow_id, step_id, after=asked["after"], limit=asked["limit"] + 1)
        page = found.causes[: asked["limit"]]
        return Response(
            {
                "status": found.status,
                "decided_by": _json(found.decided_by),
                "causes": [_json(event) for event in page],
                "next_after": page[-1].sequence if len(page) < len(found.causes) else None,
                "approvals": RequestedOut(explain.requests_of(flow_id, step_id), many=True).data,
            }
        )

    @extend_schema(request=ReasonIn, responses=FlowDetailOut, parameters=[*STEP_OF_FLOW, IF_MATCH])
    def skip(self, request: Request, **step: str) -> Response:
        """Do without a step that is pending or active, or without its callbacks at the end."""
        return self._done(services.skip_step, step, **valid(ReasonIn, request.data))

    @extend_schema(request=ForceIn, responses=FlowDetailOut, parameters=[*STEP_OF_FLOW, IF_MATCH])
    def force(self, request: Request, **step: str) -> Response:
        """Say that a step is done, and what it gave."""
        return self._done(services.force_step, step, **valid(ForceIn, request.data))

    @extend_schema(request=RetryIn, responses=FlowDetailOut, parameters=[*STEP_OF_FLOW, IF_MATCH])
    def retry(self, request: Request, **step: str) -> Response:
        """Try one item again now instead of later."""
        asked = valid(RetryIn, request.data)
        token = str(asked.pop("token"))
        return self._done(services.retry_now, step, token=token, **asked)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        return answer(self.kwargs["flow_id"])

    def _done(self, service: Callable[..., Any], step: dict[str, str], **asked: Any) -> Response:
        version = expected_version(self.request, required=False)
        service(**step, expected_version=version, **asked)
        return answer(step["flow_id"])


def answer(flow_id: str, *, at: int | None = None, status: int = status.HTTP_200_OK) -> Response:
    """Show a flow, now or then."""
    found = explain.reached(flow_id, at=at)
    waits = why_waiting.waiting(found.flow) if at is None else None
    body = {
        "id": flow_id,
        "sequence": found.sequence,
        "state": flow_as_json(found.flow),
        "options": dict(found.flow.options),
        "waiting": waits and {"sentence": waits.sentence, "next_at": waits.next_at},
        "forks": [fork.flow_id for fork in selectors.forks_of(flow_id)],
        "approvals": RequestedOut(selectors.requests_of(found.flow), many=True).data,
    }
    address = quote(flow_id, safe=ids.CHILD_SEPARATOR)
    headers = {"ETag": etag(found.sequence), "Location": f"/api/v1/flows/{address}"}
    return Response(body, status=status, headers=headers)


def _beyond_the_end(head: int) -> ValidationError:
    return ValidationError({"after": [f"It ends at {head}."]}, code="after_in_future")


def _json(event: Envelope | None) -> dict[str, Any] | None:
    return event.as_json() if event is not None else None
