"""Approval policies over HTTP: draft, try on past actions, put into force, retire."""

from uuid import UUID

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ledger import selectors
from ledger.access import step_up
from ledger.api.serializers.approval_policies import (
    ApprovalPolicyIn,
    ApprovalPolicyOut,
    WhatIfIn,
    WhatIfOut,
)
from ledger.approving import what_if
from ledger.bodies import OneOrMore, valid
from ledger.domain.policy import PolicyStatus
from ledger.models import ApprovalPolicyVersion
from ledger.services import approval_policies


class PolicyFilter(django_filters.FilterSet):
    name = django_filters.CharFilter()
    status = OneOrMore(choices=[(one.value, one.value) for one in PolicyStatus])
    capability = django_filters.CharFilter(
        method="about",
        help_text="A capability that the policy covers, or a family of them: `refund.*`.",
    )

    def about(
        self, rows: QuerySet[ApprovalPolicyVersion], _name: str, scope: str
    ) -> QuerySet[ApprovalPolicyVersion]:
        """Keep policies for a capability."""
        return selectors.policies_about(scope, rows)


class ApprovalPolicyViewSet(viewsets.ReadOnlyModelViewSet[ApprovalPolicyVersion]):
    """When somebody else has to agree, and who. What was in force is never changed."""

    capabilities = {
        "list": "approval_policy.read",
        "retrieve": "approval_policy.read",
        "create": "approval_policy.draft",
        "what_if": "approval_policy.draft",
        "activate": "approval_policy.activate",
        "retire": "approval_policy.activate",
    }
    without_body = ("activate", "retire")
    queryset = ApprovalPolicyVersion.objects.select_related("assigned_group")
    serializer_class = ApprovalPolicyOut
    filterset_class = PolicyFilter
    lookup_value_converter = "uuid"

    @extend_schema(request=ApprovalPolicyIn, responses={201: ApprovalPolicyOut})
    def create(self, request: Request) -> Response:
        """Draft the next version of a policy; nothing changes before it is put into force."""
        asked = ApprovalPolicyIn(data=request.data)
        asked.is_valid(raise_exception=True)
        return _created(approval_policies.draft_policy(terms=asked.terms()))

    @extend_schema(request=WhatIfIn, responses=WhatIfOut)
    @action(detail=True, methods=["post"], url_path="what-if")
    def what_if(self, request: Request, pk: UUID) -> Response:
        """Try a version, or a condition drafted for it, on the last days of the ledger.

        Nothing is changed."""
        asked = valid(WhatIfIn, request.data)
        return Response(WhatIfOut(what_if.replay(self.get_object(), **asked)).data)

    @extend_schema(request=None, responses=ApprovalPolicyOut)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: UUID) -> Response:
        """Put a draft into force; the version before it makes way.

        A key proves who calls; from a session of the console the password was given lately."""
        is_fresh = step_up.is_fresh(request)
        policy = approval_policies.activate_policy(policy_id=pk, is_fresh=is_fresh)
        return Response(ApprovalPolicyOut(policy).data)

    @extend_schema(request=None, responses=ApprovalPolicyOut)
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, pk: UUID) -> Response:
        """End a version that is in force, or put a draft away."""
        is_fresh = step_up.is_fresh(request)
        policy = approval_policies.retire_policy(policy_id=pk, is_fresh=is_fresh)
        return Response(ApprovalPolicyOut(policy).data)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        policy = self.get_queryset().get(pk=reference)
        return (
            _created(policy)
            if self.action == "create"
            else Response(ApprovalPolicyOut(policy).data)
        )


def _created(policy: ApprovalPolicyVersion) -> Response:
    return Response(
        ApprovalPolicyOut(policy).data,
        status=status.HTTP_201_CREATED,
        headers={"Location": f"/api/v1/ledger/policies/{policy.pk}"},
    )
