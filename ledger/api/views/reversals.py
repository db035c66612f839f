"""Reversals over HTTP: preview first, then do exactly what was shown."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ledger.access import authority
from ledger.api.serializers.approvals import ApprovalRequiredOut
from ledger.api.serializers.reversals import (
    PreviewQuery,
    ReversalIn,
    ReversalPreviewOut,
    ReversedOut,
)
from ledger.bodies import valid
from ledger.reversing import previews
from ledger.services import reversals


class ReversalPreviewView(APIView):
    """What undoing an entry would do now."""

    capabilities = {"get": "ledger.read"}

    @extend_schema(
        operation_id="ledger_entries_reversal_retrieve",
        parameters=[PreviewQuery],
        responses=ReversalPreviewOut,
    )
    def get(self, request: Request, entry_id: UUID) -> Response:
        """Preview a reversal: its effects as a tree, and the token to carry it out with."""
        asked = valid(PreviewQuery, request.query_params)
        preview = previews.preview(
            entry_id,
            command=asked["command"],
            asked_cents=asked["amount_cents"],
        )
        return Response(ReversalPreviewOut(preview).data, headers={"Cache-Control": "no-store"})


class ReversalsView(APIView):
    """Reversals of an entry."""

    capabilities = {"post": "ledger.reverse"}
    idempotency_required = ("post",)

    @extend_schema(
        operation_id="ledger_entries_reversals_create",
        request=ReversalIn,
        responses={201: ReversedOut, 202: ApprovalRequiredOut},
    )
    def post(self, request: Request, entry_id: UUID) -> Response:
        """Undo what an entry records, exactly as its preview said.

        Where somebody else has to agree first the answer is 202 with the approval; once it is
        given, the same request with `Action-Approval-Id` does it.
        """
        asked = valid(ReversalIn, request.data)
        done = reversals.execute_reversal(
            entry_id=entry_id, caller=authority.caller_of(request), **asked
        )
        return _answer(done)

    def rebuild_response(self, request: Request, _reference: str) -> Response:
        """Answer a repeated request whose response was lost: how it stands now."""
        return _answer(reversals.last_reversal_of(entry_id=self.kwargs["entry_id"]))


def _answer(done: reversals.Reversed) -> Response:
    return Response(
        ReversedOut(done).data,
        status=status.HTTP_201_CREATED,
        headers={"Location": f"/api/v1/ledger/entries/{done.entry_id}/reversal"},
    )
