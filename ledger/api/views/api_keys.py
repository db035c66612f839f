"""API keys over HTTP. One call down for each action."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ledger import capabilities, selectors
from ledger.access import authority
from ledger.access.authority import AUTHENTICATED
from ledger.api.serializers.api_keys import (
    ApiKeyIn,
    ApiKeyOut,
    ApiKeyRotationIn,
    NewApiKeyOut,
    ScopeOut,
)
from ledger.bodies import valid
from ledger.domain.api_key import WrittenKey
from ledger.models import ApiKey, ApiKeyQuerySet
from ledger.services import api_keys


class ApiKeyViewSet(viewsets.ReadOnlyModelViewSet[ApiKey]):
    """The caller's API keys; everybody's for who administers them."""

    capabilities = {
        "list": "api_key.read",
        "retrieve": "api_key.read",
        "create": "api_key.issue",
        "rotate": "api_key.issue",
        "revoke": "api_key.revoke",
        "scopes": AUTHENTICATED,
    }
    without_body = ("revoke",)
    noted_as = {"scopes": "api_key.read"}
    # A stored response would keep the secret for a day.
    idempotency_secret = ("create", "rotate")
    queryset = ApiKey.objects.none()
    serializer_class = ApiKeyOut
    lookup_value_converter = "uuid"

    def get_queryset(self) -> ApiKeyQuerySet:
        return selectors.api_keys_visible_to(authority.caller_of(self.request))

    @extend_schema(request=ApiKeyIn, responses={201: NewApiKeyOut})
    def create(self, request: Request) -> Response:
        """Issue a key in the caller's name. Its secret is in this response and nowhere else."""
        asked = valid(ApiKeyIn, request.data)
        caller = authority.caller_of(request)
        assert caller.user is not None
        key, secret = api_keys.issue_api_key(owner=caller.user, issuer=caller, **asked)
        return _shown_once(key, secret)

    @extend_schema(request=ApiKeyRotationIn, responses={201: NewApiKeyOut})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: UUID) -> Response:
        """Issue the successor of a key; the old one ends after the overlap."""
        asked = valid(ApiKeyRotationIn, request.data)
        old = self.get_object()
        new, secret = api_keys.rotate_api_key(
            key_id=old.pk,
            overlap=timedelta(seconds=asked["overlap_seconds"]),
            issuer=authority.caller_of(request),
        )
        return _shown_once(new, secret)

    @extend_schema(request=None, responses=ApiKeyOut)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: UUID) -> Response:
        """End a key at once."""
        return Response(ApiKeyOut(api_keys.revoke_api_key(key_id=self.get_object().pk)).data)

    @extend_schema(responses=ScopeOut(many=True), filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def scopes(self, request: Request) -> Response:
        """List every capability that a key may have in its scopes."""
        caller = authority.caller_of(request)
        every = [
            {**_described(capability), "held": caller.holds(capability.id)}
            for capability in capabilities.every()
        ]
        return Response(every)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request: what it made, without the secret."""
        key = self.get_queryset().get(pk=reference)
        return _shown_once(key, None)


def _shown_once(key: ApiKey, secret: WrittenKey | None) -> Response:
    body = {**ApiKeyOut(key).data, "secret": secret.text if secret else None}
    return Response(
        body,
        status=status.HTTP_201_CREATED,
        headers={"Location": f"/api/v1/api-keys/{key.pk}", "Cache-Control": "no-store"},
    )


def _described(capability: Any) -> dict[str, Any]:
    names = ("id", "meaning", "resource", "action", "risk")
    return {name: getattr(capability, name) for name in names}
