"""Delegations and the keys of agents over HTTP. One call down for each action."""

from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ledger import capabilities, selectors
from ledger.access import authority
from ledger.api.serializers.agents import (
    AgentKeyIn,
    AgentKeyOut,
    DelegationIn,
    DelegationOut,
    NewAgentKeyOut,
    RevokeAgentKeyIn,
    terms_of,
)
from ledger.bodies import MomentFilter, ReasonIn, valid
from ledger.domain.api_key import WrittenKey
from ledger.models import AgentKey, Delegation
from ledger.services import delegations


class DelegationFilter(filters.FilterSet):
    agent = filters.UUIDFilter(field_name="agent_id")
    parent = filters.UUIDFilter(field_name="parent_id")
    root = filters.CharFilter(field_name="root__username")
    revoked = filters.BooleanFilter(field_name="revoked_at", lookup_expr="isnull", exclude=True)
    expires_after = MomentFilter(field_name="expires_at", lookup_expr="gt")
    expires_before = MomentFilter(field_name="expires_at", lookup_expr="lt")
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")
    capability = filters.CharFilter(
        method="about",
        help_text="A capability that the delegation covers, or a family of them: `refund.*`.",
    )

    def about(self, rows: QuerySet[Delegation], _name: str, scope: str) -> QuerySet[Delegation]:
        """Keep delegations of a capability."""
        return rows.filter(scopes__overlap=sorted(capabilities.scopes_that_meet(scope)))


class DelegationViewSet(viewsets.ReadOnlyModelViewSet[Delegation]):
    """The caller's delegations; all delegations for an administrator."""

    capabilities = {
        "list": "agent.read",
        "retrieve": "agent.read",
        "tree": "agent.read",
        "keys": "agent.read",
        "create": "delegation.create",
        "issue_key": "delegation.create",
        "revoke": "delegation.revoke",
        "revoke_key": "delegation.revoke",
    }
    # A stored response would keep the secret for a day.
    idempotency_secret = ("issue_key",)
    queryset = Delegation.objects.none()
    serializer_class = DelegationOut
    filterset_class = DelegationFilter
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Delegation]:
        return selectors.delegations_visible_to(authority.caller_of(self.request))

    @extend_schema(request=DelegationIn, responses={201: DelegationOut})
    def create(self, request: Request) -> Response:
        """Let one of the caller's agents act in the caller's name, within limits."""
        asked = valid(DelegationIn, request.data)
        caller = authority.caller_of(request)
        assert caller.user is not None
        delegation = delegations.create_delegation(
            agent_id=asked["agent_id"],
            parent_id=asked["parent_id"],
            reason=asked["reason"],
            terms=terms_of(asked),
            root=caller.user,
            issuer=caller,
        )
        return self._created(delegation)

    @extend_schema(request=ReasonIn, responses=DelegationOut)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: UUID) -> Response:
        """End a delegation, and all below it, at once."""
        asked = valid(ReasonIn, request.data)
        found = self.get_object()
        ended = delegations.revoke_delegation(delegation_id=found.pk, reason=asked["reason"])
        return Response(self.get_serializer(ended).data)

    @extend_schema(responses=DelegationOut(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def tree(self, request: Request, pk: UUID) -> Response:
        """Show the whole tree that a delegation belongs to, from the root down."""
        rows = selectors.tree_of(self.get_object())
        return Response(self.get_serializer(rows, many=True).data)

    @extend_schema(responses=AgentKeyOut(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def keys(self, request: Request, pk: UUID) -> Response:
        """List the keys of a delegation, never their secrets."""
        rows = self.get_object().keys.order_by("-created_at")
        return Response(AgentKeyOut(rows, many=True).data)

    @extend_schema(request=AgentKeyIn, responses={201: NewAgentKeyOut})
    @action(detail=True, methods=["post"], url_path="keys/issue")
    def issue_key(self, request: Request, pk: UUID) -> Response:
        """Issue the key of the agent. Its secret is in this response and nowhere else."""
        asked = valid(AgentKeyIn, request.data)
        root = authority.caller_of(request).user
        assert root is not None
        key, written = delegations.issue_agent_key(
            delegation_id=self.get_object().pk, root=root, **asked
        )
        return _shown_once(key, written)

    @extend_schema(request=RevokeAgentKeyIn, responses=AgentKeyOut)
    @action(detail=True, methods=["post"], url_path="keys/revoke")
    def revoke_key(self, request: Request, pk: UUID) -> Response:
        """End one key of the agent at once; the delegation stays."""
        asked = valid(RevokeAgentKeyIn, request.data)
        key = delegations.revoke_agent_key(
            delegation_id=self.get_object().pk, key_id=asked["key_id"]
        )
        return Response(AgentKeyOut(key).data)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request: what it made, without the secret."""
        if self.action == "create":
            return self._created(self.get_queryset().get(pk=reference))
        if self.action == "revoke":
            return Response(self.get_serializer(self.get_queryset().get(pk=reference)).data)
        keys = AgentKey.objects.filter(delegation__in=self.get_queryset())
        if self.action == "revoke_key":
            return Response(AgentKeyOut(keys.get(pk=reference)).data)
        return _shown_once(keys.get(pk=reference), None)

    def _created(self, delegation: Delegation) -> Response:
        return Response(
            self.get_serializer(delegation).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/ledger/delegations/{delegation.pk}"},
        )


def _shown_once(key: AgentKey, written: WrittenKey | None) -> Response:
    return Response(
        {**AgentKeyOut(key).data, "secret": written.text if written else None},
        status=status.HTTP_201_CREATED,
        headers={"Cache-Control": "no-store"},
    )
