"""Responses to requests that need an approval, or were executed under one before."""

from typing import Any

from django.http import Http404
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from events.domain.errors import DomainError
from ledger.api.serializers.approvals import ApprovalRequiredOut
from ledger.approving import gate
from ledger.approving.gate import ApprovalNeeded, ApprovalRequired, ApprovedActionRepeated


def asked_for(exc: Exception) -> Exception:
    """Record the request for approval, unless an inner call did; no transaction is open."""
    if not isinstance(exc, ApprovalNeeded):
        return exc
    try:
        return gate.ask(exc)
    except DomainError as refused:
        return refused


def answer(
    outcome: ApprovalRequired | ApprovedActionRepeated, view: Any, request: Request
) -> Response:
    """Answer what is no refusal."""
    if isinstance(outcome, ApprovalRequired):
        return _awaited(outcome)
    return _done_before(outcome, view, request)


def _awaited(required: ApprovalRequired) -> Response:
    """Answer that somebody else has to agree first, and where that can be watched."""
    approval = required.approval
    body = ApprovalRequiredOut(
        {
            "approval_required": True,
            "requested_action": approval.requested_entry,
            "approval": approval,
            "replayed": required.is_replayed,
        }
    )
    return Response(
        body.data,
        status=status.HTTP_202_ACCEPTED,
        headers={
            "Location": f"/api/v1/ledger/approvals/{approval.pk}",
            "Cache-Control": "no-store",
        },
    )


def _done_before(repeated: ApprovedActionRepeated, view: Any, request: Request) -> Response:
    """Answer with what the approved command made or changed, as it is now."""
    entry = repeated.entry
    try:
        response: Response = view.rebuild_response(request, entry.target_id)
    except (AttributeError, Http404):
        body = {"entry_id": str(entry.pk)}
        body |= {"target_type": entry.target_type, "target_id": entry.target_id}
        response = Response(body)
    response.status_code = status.HTTP_200_OK
    response["Idempotency-Replayed"] = "true"
    return response
