"""Responses of the views of this app: 200 with an ETag, 201 with a Location, 202 with a job."""

from typing import Any, TypeVar

from django.db.models import Model
from django.shortcuts import get_object_or_404
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from ledger.preconditions import etag
from workflows.work.domain.claim import WorkRef

M = TypeVar("M", bound=Model)


class RebuildsFromRow(GenericAPIView[M]):
    """A view whose lost responses are what it shows of the row that was made or changed."""

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        row = get_object_or_404(self.get_queryset(), pk=reference)
        return ok(self.get_serializer_class()(row))


def ok(body: BaseSerializer[Any], *, version: int | None = None) -> Response:
    """Answer with something that is there."""
    headers = {} if version is None else {"ETag": etag(version)}
    return Response(body.data, headers=headers)


def created(body: BaseSerializer[Any], *, at: str, version: int | None = None) -> Response:
    """Answer with something new, and say where it is."""
    response = ok(body, version=version)
    response.status_code = status.HTTP_201_CREATED
    response["Location"] = f"/api/v1/{at}"
    return response


def accepted(work: WorkRef) -> Response:
    """Answer that a job will do it, and say which."""
    return Response(
        {"job_id": str(work.id), "kind": work.kind},
        status=status.HTTP_202_ACCEPTED,
        headers={"Location": f"/api/v1/jobs/{work.id}"},
    )
