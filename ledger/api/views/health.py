"""The health of the ledger over HTTP: drift, and a canary that shows that it can be written."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events.ids import new_id
from ledger import drift
from ledger.bodies import Moment, QueryIn, valid
from ledger.drift import Drift


class HealthIn(QueryIn):
    created_since = Moment(required=False)


class DriftOut(serializers.Serializer[Any]):
    check = serializers.CharField(source="check.name")
    target_type = serializers.CharField(source="check.target_type")
    actions = serializers.ListField(child=serializers.CharField(), source="check.actions")
    missing_count = serializers.IntegerField()
    sample_ids = serializers.ListField(child=serializers.CharField())
    unseen_count = serializers.IntegerField(
        help_text="How many entries say that it was done to rows which do not show it."
    )
    unseen_sample_ids = serializers.ListField(child=serializers.CharField())


class HealthOut(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    canary_entry_id = serializers.UUIDField(allow_null=True)
    drift = DriftOut(many=True)


class Health(APIView):
    """The health of the ledger. 503 when something is missing in it."""

    capabilities = {"get": "ledger.read", "post": "ledger.check_health"}
    without_body = ("post",)

    @extend_schema(parameters=[HealthIn], responses={200: HealthOut, 503: HealthOut})
    def get(self, request: Request) -> Response:
        """Look for what was changed and is not in the ledger."""
        return _answer(_found(request))

    @extend_schema(request=None, parameters=[HealthIn], responses={200: HealthOut, 503: HealthOut})
    def post(self, request: Request) -> Response:
        """Write a canary into the ledger, read it back, and look for what is missing."""
        found = _found(request)
        return _answer(found, canary=drift.write_canary(key=str(new_id())))


def _found(request: Request) -> list[Drift]:
    asked = valid(HealthIn, request.query_params)
    return drift.find_drift(created_since=asked.get("created_since"))


def _answer(found: list[Drift], *, canary: UUID | None = None) -> Response:
    is_ok = all(each.is_none for each in found)
    body = HealthOut({"ok": is_ok, "canary_entry_id": canary, "drift": found})
    code = status.HTTP_200_OK if is_ok else status.HTTP_503_SERVICE_UNAVAILABLE
    return Response(body.data, status=code, headers={"Cache-Control": "no-store"})
