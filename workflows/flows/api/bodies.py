"""Parses request bodies of Argyll's clients, with the error messages of its decoder."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from workflows.flows.domain import decoder, shapes
from workflows.flows.domain.errors import MalformedRequest
from workflows.flows.domain.shapes import ANYTHING, FLAG, INTEGER, TEXT

STEP_BYTES_MAX = 512 << 10
FLOW_BYTES_MAX = 1 << 20


class BodyTooLarge(MalformedRequest):
    def __init__(self) -> None:
        super().__init__("http: request body too large")


_INIT = shapes.MapOf(shapes.ListOf(ANYTHING, "[]interface {}"), "api.Init")
_GOALS = shapes.ListOf(shapes.Scalar("string", "api.StepID"), "[]api.StepID")
PLAN = shapes.Struct("ExecutionPlanRequest", {"goals": _GOALS, "init": _INIT})
FLOW = shapes.Struct(
    "CreateFlowRequest",
    {
        "id": shapes.Scalar("string", "api.FlowID"),
        "goals": _GOALS,
        "init": _INIT,
        "labels": shapes.MapOf(TEXT, "api.Labels"),
        "compensate": FLAG,  # Of Argyll after July 2026.
    },
)
QUERY = shapes.Struct(
    "QueryFlowsRequest",
    {
        "id_prefix": TEXT,
        "labels": shapes.MapOf(TEXT, "api.Labels"),
        "statuses": shapes.ListOf(shapes.Scalar("string", "api.FlowStatus"), "[]api.FlowStatus"),
        "limit": INTEGER,
        "cursor": TEXT,
        "sort": TEXT,
    },
)


def read(
    request: HttpRequest, shape: shapes.Shape = ANYTHING, *, bytes_max: int = FLOW_BYTES_MAX
) -> Any:
    """Return the first JSON value of a body; what follows it is ignored, as in the original.

    Members that `shape` has are taken in any letter case, and its others are left out.

    :raises MalformedRequest: if there is none.
    """
    try:
        raw = request.body
    except RequestDataTooBig as reason:
        raise BodyTooLarge from reason
    if len(raw) > bytes_max:
        raise BodyTooLarge
    try:
        if shape is ANYTHING:
            return decoder.first_value(raw)
        document, is_repeating = decoder.first_members(raw)
    except decoder.Undecodable as reason:
        raise MalformedRequest(str(reason)) from reason
    named = shapes.in_their_case(document, shape)
    return decoder.plain(named) if is_repeating else named
