"""Approvals over HTTP: list, request ahead, decide, withdraw, hand on.

The requester or decider is always the caller; no body names one.
"""

from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from ledger import selectors
from ledger.access import authority, step_up
from ledger.access.authority import AUTHENTICATED
from ledger.api.serializers.approvals import (
    ApprovalDelegationIn,
    ApprovalDetailOut,
    ApprovalOut,
    ApprovalRequestIn,
    CommentIn,
    DecisionIn,
)
from ledger.bodies import MomentFilter, OneOrMore, WholeNumberFilter, valid
from ledger.domain.approval import ApprovalStatus
from ledger.domain.capability import Risk
from ledger.models import Approval
from ledger.services import approvals
from ledger.services.approvals import Subject


class ApprovalFilter(filters.FilterSet):
    status = OneOrMore(choices=[(one.value, one.value) for one in ApprovalStatus])
    risk = OneOrMore(choices=[(one.value, one.value) for one in Risk])
    action_name = filters.CharFilter()
    target_type = filters.CharFilter()
    target_id = filters.CharFilter()
    reference = filters.CharFilter()
    requested_entry_id = filters.UUIDFilter()
    requested_by = filters.CharFilter()
    decided_by = filters.CharFilter(field_name="votes__principal", distinct=True)
    assigned_to = filters.CharFilter(field_name="assigned_to__username")
    delegated_from = filters.CharFilter()
    policy_name = filters.CharFilter()
    policy_version = WholeNumberFilter(min_value=1)
    reason_code = filters.CharFilter()
    requested_after = MomentFilter(field_name="requested_at", lookup_expr="gte")
    requested_before = MomentFilter(field_name="requested_at", lookup_expr="lt")
    expires_after = MomentFilter(field_name="expires_at", lookup_expr="gte")
    expires_before = MomentFilter(field_name="expires_at", lookup_expr="lt")
    decided_after = MomentFilter(field_name="decided_at", lookup_expr="gte")
    decided_before = MomentFilter(field_name="decided_at", lookup_expr="lt")


class ApprovalViewSet(viewsets.ReadOnlyModelViewSet[Approval]):
    """Every approval for who may see them; for all others what they have asked for themselves."""

    capabilities = {
        "list": AUTHENTICATED,
        "retrieve": AUTHENTICATED,
        "create": "approval.request",
        "cancel": AUTHENTICATED,
        "decide": "approval.decide",
        "delegate": "approval.decide",
    }
    noted_as = {"list": "approval.read", "retrieve": "approval.read"}
    cursor_ordering = ("-requested_at", "-id")
    queryset = Approval.objects.none()
    filterset_class = ApprovalFilter
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Approval]:
        return selectors.approvals_visible_to(authority.caller_of(self.request))

    def get_serializer_class(self) -> type[BaseSerializer[Approval]]:
        return ApprovalOut if self.action == "list" else ApprovalDetailOut

    @extend_schema(request=ApprovalRequestIn, responses={201: ApprovalDetailOut})
    def create(self, request: Request) -> Response:
        """Ask for approval ahead: for a command that is not carried out yet, or for a subject."""
        asked = ApprovalRequestIn(data=request.data)
        asked.is_valid(raise_exception=True)
        return _created(_asked_for(request, asked))

    @extend_schema(request=DecisionIn, responses=ApprovalDetailOut)
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, pk: UUID) -> Response:
        """Approve or deny. Nobody may decide their own request, through whatever key or agent."""
        asked = valid(DecisionIn, request.data)
        row = approvals.decide_approval(
            approval_id=pk,
            decider=authority.caller_of(request),
            is_fresh=step_up.is_fresh(request),
            **asked,
        )
        return Response(ApprovalDetailOut(row, context=self.get_serializer_context()).data)

    @extend_schema(request=CommentIn, responses=ApprovalDetailOut)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: UUID) -> Response:
        """Withdraw what the caller has asked for."""
        asked = valid(CommentIn, request.data)
        caller = authority.caller_of(request)
        row = approvals.cancel_approval(approval_id=pk, by=caller, **asked)
        return Response(ApprovalDetailOut(row, context=self.get_serializer_context()).data)

    @extend_schema(request=ApprovalDelegationIn, responses=ApprovalDetailOut)
    @action(detail=True, methods=["post"])
    def delegate(self, request: Request, pk: UUID) -> Response:
        """Let somebody else decide instead."""
        asked = valid(ApprovalDelegationIn, request.data)
        caller = authority.caller_of(request)
        row = approvals.delegate_approval(approval_id=pk, decider=caller, **asked)
        return Response(ApprovalDetailOut(row, context=self.get_serializer_context()).data)


def _asked_for(request: Request, asked: ApprovalRequestIn) -> Approval:
    values = asked.validated_data
    if "command" in values:
        return approvals.request_command_approval(
            command=values["command"],
            target_id=values["target_id"],
            input=values.get("input", {}),
            by=authority.caller_of(request),
        )
    subject = Subject(
        type=values["subject_type"],
        id=values["subject_id"],
        title=values["title"],
        reference=values["reference"],
        reason=values["reason"],
        risk=Risk(values["risk"]),
    )
    return approvals.request_approval(subject=subject, policy=values["policy"])


def _created(row: Approval) -> Response:
    return Response(
        ApprovalDetailOut(row).data,
        status=status.HTTP_201_CREATED,
        headers={"Location": f"/api/v1/ledger/approvals/{row.pk}"},
    )
