"""Payloads of entries over HTTP: each disclosure is recorded; redaction."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ledger.api.serializers.entries import ContentOut, PayloadOut
from ledger.api.serializers.payloads import RedactionIn
from ledger.bodies import QueryIn, valid
from ledger.disclosure import disclosing
from ledger.disclosure.reasons import access_reason
from ledger.domain.action import Read, Target
from ledger.domain.payload import Redaction
from ledger.models import Payload
from ledger.privacy import payloads as kept
from ledger.services import payloads


class PayloadContent(APIView):
    """What an entry refers to, in clear."""

    capabilities = {"get": "ledger.read_payload"}
    discloses = ("get",)

    @extend_schema(responses=ContentOut)
    def get(self, request: Request, payload_id: UUID) -> Response:
        """Show the content of a payload. That somebody looked is on record before it is shown.

        Say why in the header `Access-Reason`; without it the answer is a 428.
        """
        valid(QueryIn, request.query_params)
        payload = get_object_or_404(Payload.objects.select_related("key"), pk=payload_id)
        read = Read(
            name="ledger.read_payload",
            target=Target(type="payload", id=str(payload.pk)),
            capability="ledger.read_payload",
            fields=(f"{payload.kind} {payload.schema_tag}"[:60],),
            reason=access_reason(request),
        )
        payload.content = disclosing.disclosed(read, lambda: kept.content_of(payload))
        return Response(ContentOut(payload).data, headers={"Cache-Control": "no-store"})


class PayloadRedaction(APIView):
    """Taking content away."""

    capabilities = {"post": "ledger.redact_payload"}

    @extend_schema(request=RedactionIn, responses=PayloadOut)
    def post(self, request: Request, payload_id: UUID) -> Response:
        """Mask or remove the content of a payload. Entry, digest and seals stay as they are."""
        asked = valid(RedactionIn, request.data)
        payload = payloads.redact_payload(
            payload_id=payload_id,
            mode=Redaction(asked["mode"]),
            reason=asked["reason"],
            pointers=asked.get("pointers"),
        )
        return Response(PayloadOut(payload).data)
