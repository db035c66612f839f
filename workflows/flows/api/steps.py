"""Steps and plans over HTTP. One call down for each action."""

from typing import Any
from urllib.parse import quote

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ledger.bodies import valid
from ledger.preconditions import etag, expected_version
from workflows.flows import selectors, services
from workflows.flows.api.shapes import PlanIn, PlanOut, StepOut, StepsOut
from workflows.flows.domain.cluster import Health
from workflows.flows.domain.errors import StepInvalid, StepUnknown
from workflows.flows.domain.step import Step
from workflows.flows.domain.step_json import strict_step_from_json
from workflows.flows.execution import engine
from workflows.flows.explanations import explain
from workflows.flows.steps import callables

IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The ETag at which this was decided."
)
STEP_ID = OpenApiParameter("id", str, OpenApiParameter.PATH)


class StepViewSet(viewsets.ViewSet):
    """The registered steps. The ETag of one is the revision of its definition."""

    capabilities = {
        "list": "step.read",
        "retrieve": "step.read",
        "create": "step.manage",
        "update": "step.manage",
        "destroy": "step.manage",
    }
    lookup_value_converter = "str"

    @extend_schema(responses=StepsOut)
    def list(self, request: Request) -> Response:
        """List all steps, each with its health."""
        steps = engine.catalog().steps
        healths = selectors.health_of_all(steps)
        return Response({"results": [_shown(steps[one], healths[one]) for one in steps]})

    @extend_schema(responses=StepOut, parameters=[STEP_ID])
    def retrieve(self, request: Request, pk: str) -> Response:
        """Show a step."""
        return self._answer(pk)

    @extend_schema(request=OpenApiTypes.OBJECT, responses={201: StepOut})
    def create(self, request: Request) -> Response:
        """Register a step; an equal one changes nothing."""
        step = services.register_step(step=strict_step_from_json(request.data))
        return self._answer(step.id, status=status.HTTP_201_CREATED)

    @extend_schema(request=OpenApiTypes.OBJECT, responses=StepOut, parameters=[STEP_ID, IF_MATCH])
    def update(self, request: Request, pk: str) -> Response:
        """Replace a step. What is under way keeps the definition it has."""
        step = strict_step_from_json(request.data)
        if step.id != pk:
            raise StepInvalid("the id is not that of the address", pointer="/id")
        version = expected_version(request, required=False)
        services.update_step(step=step, expected_version=version)
        return self._answer(pk)

    @extend_schema(responses={204: None}, parameters=[STEP_ID, IF_MATCH])
    def destroy(self, request: Request, pk: str) -> Response:
        """Take a step out of the catalog."""
        version = expected_version(request, required=False)
        services.unregister_step(step_id=pk, expected_version=version)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        if request.method == "DELETE":
            return Response(status=status.HTTP_204_NO_CONTENT)
        return self._answer(strict_step_from_json(request.data).id)

    def _answer(self, step_id: str, *, status: int = status.HTTP_200_OK) -> Response:
        catalog = engine.catalog()
        step = catalog.steps.get(step_id)
        if step is None:
            raise StepUnknown(step_id)
        revision = catalog.revisions[step_id]
        address = quote(step_id, safe="")
        headers = {"ETag": etag(revision), "Location": f"/api/v1/steps/{address}"}
        shown = _shown(step, selectors.health_of(step_id))
        return Response(shown, status=status, headers=headers)


class Plans(APIView):
    """What a flow would do. Nothing is kept."""

    journalled = True
    capabilities = {"post": "step.read"}

    @extend_schema(operation_id="plans_preview", request=PlanIn, responses=PlanOut)
    def post(self, request: Request) -> Response:
        """Plan without starting: what will run, what is missing, and how long it may take."""
        asked = valid(PlanIn, request.data)
        found = explain.preview(asked["goals"], asked["init"])
        return Response(
            {
                "plan": found.plan.as_json(),
                "runs": list(found.plan.steps),
                "missing": found.missing,
                "can_start": not found.missing,
                "unhealthy": found.unhealthy,
                "child_lacks": found.child_lacks,
                "approvals": found.approvals,
                "unaskable": found.unaskable,
                "unregistered": found.unregistered,
                "estimated_duration_ms": found.estimated_ms,
            }
        )


def _shown(step: Step, health: Health) -> dict[str, Any]:
    return {
        "step": step.as_json(),
        "health": health.as_json(),
        "unregistered": callables.unknown_of(step),
    }
