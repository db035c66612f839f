"""Seals and the health of the ledger over HTTP."""

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.api.serializers.entries import CheckpointOut, SealStandingOut
from ledger.models import Checkpoint
from ledger.sealing import seals


class SealViewSet(viewsets.ReadOnlyModelViewSet[Checkpoint]):
    """Checkpoints: what has been sealed, and under which key."""

    capabilities = {"list": "ledger.read", "retrieve": "ledger.read", "standing": "ledger.read"}
    queryset = Checkpoint.objects.none()
    serializer_class = CheckpointOut
    cursor_ordering = ("-number",)
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Checkpoint]:
        return Checkpoint.objects.defer("statement", "frontier")

    @extend_schema(responses=SealStandingOut, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def standing(self, request: Request) -> Response:
        """Say up to where the ledger is sealed, and how long the rest has been waiting."""
        return Response(SealStandingOut(seals.progress(at=timezone.now())).data)
